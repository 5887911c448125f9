"""The JSON of ActivityNet; see `vidseq.importers.activitynet`."""

import json
from collections.abc import Iterator, Mapping

from vidseq.exporters.base import File, exporter
from vidseq.exporters.content import AnnotatedVideo, Annotation, ExportContent
from vidseq.video.folder import plain_name

_VERSION = "VERSION 1.3"
_SUBSETS = {"train": "training", "val": "validation", "test": "testing"}


@exporter("activitynet", plays=False)
def write(content: ExportContent) -> Iterator[File]:
    """Writes one JSON file in the form of ActivityNet; predictions in the form of its results, with scores."""
    if content.tracks:
        content.notes.append("ActivityNet's JSON has no place for tracks: they are left out.")
    if content.predicted:
        results = {video.video: [*map(_result, video.annotations)] for video in content.videos}
        document: Mapping[str, object] = {"version": _VERSION, "results": results, "external_data": {}}
    else:
        database = {video.video: _video(video) for video in content.videos}
        document = {"version": _VERSION, "taxonomy": [], "database": database}
    yield f"{plain_name(content.name)}.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _video(video: AnnotatedVideo) -> Mapping[str, object]:
    return {
        "subset": _SUBSETS.get(video.split, video.split),
        "duration": video.duration,
        **({} if video.fps is None else {"fps": float(video.fps)}),
        "annotations": [_interval(item) for item in video.annotations],
    }


def _interval(item: Annotation) -> dict[str, object]:
    return {"segment": [item.start, item.end], "label": item.label}


def _result(item: Annotation) -> Mapping[str, object]:
    return {**_interval(item), "score": 1.0 if item.score is None else item.score}
