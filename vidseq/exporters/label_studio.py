"""Tasks of Label Studio with labelled timelines, and the configuration that shows them."""

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from xml.etree.ElementTree import Element

from vidseq.exporters.base import File, exporter
from vidseq.exporters.content import AnnotatedVideo, Annotation, ExportContent
from vidseq.exporters.xml_text import add, xml_text
from vidseq.importers.frame_counts import exact_text, frames_between
from vidseq.importers.label_studio import TIMES, TRACK

_CONTROL, _OBJECT = "actions", "video"


@exporter("label_studio")
def write(content: ExportContent) -> Iterator[File]:
    """Writes tasks.json for Label Studio, and label_config.xml, which its project needs.

    Predictions become predictions of the tasks, with scores.
    """
    content.notes.append(
        "Label Studio loads videos by address: put those of your server into the fields 'video' of tasks.json. Give "
        "the project the configuration of label_config.xml."
    )
    tasks = [_task(video, content.predicted) for video in content.videos]
    yield "tasks.json", json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"
    yield "label_config.xml", _configuration(content)


def _configuration(content: ExportContent) -> str:
    view = Element("View")
    labels = add(view, "TimelineLabels", name=_CONTROL, toName=_OBJECT)
    for label in content.labels:
        add(labels, "Label", value=label)
    add(view, "Video", name=_OBJECT, value="$video", frameRate="$fps")
    return xml_text(view)


def _task(video: AnnotatedVideo, predicted: bool) -> Mapping[str, object]:
    fps = video.frame_rate("label_studio")
    results = [_result(item, number, fps) for number, item in enumerate(video.annotations, 1)]
    data = {"video": video.media or video.video, "name": video.video, "fps": float(fps)}
    if not predicted:
        return {"data": data, "annotations": [{"result": results}]}
    scores = [item.score for item in video.annotations if item.score is not None]
    mean = {"score": sum(scores) / len(scores)} if scores else {}
    return {"data": data, "predictions": [{"model_version": "vidseq", **mean, "result": results}]}


def _result(item: Annotation, number: int, fps: Fraction) -> Mapping[str, object]:
    first, after = frames_between(item.start, item.end, fps)
    track = [TRACK + item.track] if item.track else []
    return {
        "id": f"a{number}",
        "from_name": _CONTROL,
        "to_name": _OBJECT,
        "type": "timelinelabels",
        "value": {"ranges": [{"start": first + 1, "end": after}], "timelinelabels": [item.label]},
        "meta": {"text": [TIMES + exact_text(item.start, item.end), *track]},
        **({} if item.score is None else {"score": item.score}),
    }
