"""A project of BORIS; see `vidseq.importers.boris`."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping

from vidseq.exporters.base import File, exporter
from vidseq.exporters.content import AnnotatedVideo, Annotation, ExportContent, layers
from vidseq.video.folder import plain_name

_PLAYERS = 8


@exporter("boris")
def write(content: ExportContent) -> Iterator[File]:
    """Writes one project for BORIS, with an observation a video and a subject a track."""
    observed = {video.video: _layered(video) for video in content.videos}
    most: defaultdict[str, int] = defaultdict(int)
    for items in observed.values():
        for layer, item in items:
            most[item.label] = max(most[item.label], layer)
    if max(most.values(), default=1) > 1:
        content.notes.append("where a subject does the same twice at once, the second has a modifier.")
    project = {
        "time_format": "hh:mm:ss",
        "project_date": "",
        "project_name": content.name,
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {
            str(index): {"key": "", "name": track, "description": ""} for index, track in enumerate(content.tracks)
        },
        "behaviors_conf": {str(index): _behavior(label, most[label]) for index, label in enumerate(content.labels)},
        "observations": {video.video: _observation(video, observed[video.video]) for video in content.videos},
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    yield f"{plain_name(content.name)}.boris", json.dumps(project, indent=1, ensure_ascii=False) + "\n"


def _layered(video: AnnotatedVideo) -> list[tuple[int, Annotation]]:
    """Annotations with layers from 1: BORIS knows a state of a subject once at a time."""
    same: defaultdict[tuple[str, str], list[Annotation]] = defaultdict(list)
    for item in video.annotations:
        same[item.label, item.track].append(item)
    return [
        (number, item) for items in same.values() for number, layer in enumerate(layers(items), 1) for item in layer
    ]


def _behavior(label: str, most: int) -> Mapping[str, object]:
    modifiers = {
        "0": {"name": "layer", "description": "", "type": 0, "values": [str(number) for number in range(2, most + 1)]}
    }
    return {
        "type": "State event",
        "key": "",
        "code": label,
        "description": "",
        "color": "",
        "category": "",
        "modifiers": modifiers if most > 1 else {},
        "excluded": "",
        "coding map": "",
    }


def _observation(video: AnnotatedVideo, items: list[tuple[int, Annotation]]) -> Mapping[str, object]:
    media = video.media or video.video
    events = [event for layer, item in items for event in _events(layer, item)]
    return {
        "file": {str(player): [media] if player == 1 else [] for player in range(1, _PLAYERS + 1)},
        "type": "MEDIA",
        "date": "2000-01-01T00:00:00",
        "description": "",
        "time offset": 0.0,
        "independent_variables": {},
        "time_interval": [0, 0],
        "visualize_spectrogram": False,
        "media_info": {
            "length": {media: video.duration},
            "fps": {} if video.fps is None else {media: float(video.fps)},
            "hasVideo": {media: True},
            "hasAudio": {media: False},
            "offset": {"1": 0.0},
        },
        # A state that ends as the next one starts must stop first, since states start and stop in turns.
        "events": [event for _, event in sorted(events, key=lambda pair: pair[0])],
    }


def _events(layer: int, item: Annotation) -> Iterator[tuple[tuple[float, bool], list[object]]]:
    """Start and stop, each with its key for the order."""
    modifier = "" if layer == 1 else str(layer)
    comment = "" if item.score is None else f"probability {item.score:.4f}"
    for is_start, time in ((True, item.start), (False, item.end)):
        yield (time, is_start), [time, item.track, item.label, modifier, comment if is_start else ""]
