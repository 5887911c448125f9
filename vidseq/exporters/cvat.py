"""The XML of CVAT for videos, one file a video; see `vidseq.importers.cvat`."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from vidseq.exporters.base import File, exporter
from vidseq.exporters.content import AnnotatedVideo, Annotation, ExportContent
from vidseq.exporters.xml_text import add, xml_text
from vidseq.importers.cvat import TIMES, TRACK
from vidseq.importers.frame_counts import exact_text, frames_between

_ATTRIBUTE = {"mutable": "False", "input_type": "text", "default_value": "", "values": ""}
#: Actions have no place: each is a box of so many pixels in the corner.
_BOX = {"xtl": "0.00", "ytl": "0.00", "xbr": "32.00", "ybr": "32.00"}


@exporter("cvat", plays=False)
def write(content: ExportContent) -> Iterator[File]:
    """Writes <video>.xml ("CVAT for video 1.1") for each video, and labels.json for the tasks.

    Actions become tracks of a small box in the corner, which is in view as long as the action goes on.
    """
    content.notes.append("make each task of CVAT with the labels of labels.json, then upload its file as CVAT 1.1.")
    attributes = [TRACK, TIMES, *(["score"] if content.predicted else [])]
    yield "labels.json", json.dumps(_labels(content, attributes), indent=1, ensure_ascii=False) + "\n"
    for video in content.videos:
        yield f"{video.video}.xml", xml_text(_document(video, content.labels, attributes))


def _labels(content: ExportContent, attributes: list[str]) -> list[Mapping[str, object]]:
    texts = [
        {"name": name, "input_type": "text", "mutable": False, "values": [""], "default_value": ""}
        for name in attributes
    ]
    return [{"name": label, "type": "any", "attributes": texts} for label in content.labels]


def _document(video: AnnotatedVideo, labels: Sequence[str], attributes: list[str]) -> Element:
    fps = video.frame_rate("cvat")
    size = math.ceil(video.duration * fps)
    root = Element("annotations")
    add(root, "version", "1.1")
    task = add(add(root, "meta"), "task")
    facts = {"name": video.video, "size": str(size), "mode": "interpolation", "overlap": "0"}
    facts |= {"start_frame": "0", "stop_frame": str(size - 1), "frame_filter": ""}
    for tag, text in facts.items():
        add(task, tag, text)
    _add_labels(add(task, "labels"), labels, attributes)
    add(task, "source", PurePosixPath(video.media).name if video.media else video.video)
    for index, item in enumerate(video.annotations):
        _add_track(root, item, index, fps)
    return root


def _add_labels(parent: Element, labels: Sequence[str], attributes: list[str]) -> None:
    for label in labels:
        element = add(parent, "label")
        add(element, "name", label)
        texts = add(element, "attributes")
        for name in attributes:
            attribute = add(texts, "attribute")
            for tag, text in {"name": name, **_ATTRIBUTE}.items():
                add(attribute, tag, text)


def _add_track(root: Element, item: Annotation, index: int, fps: Fraction) -> None:
    track = add(root, "track", id=str(index), label=item.label, source="manual" if item.score is None else "auto")
    values = {TRACK: item.track, TIMES: exact_text(item.start, item.end)}
    values |= {} if item.score is None else {"score": f"{item.score:.4f}"}
    for frame, outside in zip(frames_between(item.start, item.end, fps), "01"):
        box = add(track, "box", frame=str(frame), keyframe="1", outside=outside, occluded="0", **_BOX, z_order="0")
        for name, text in values.items():
            add(box, "attribute", text, name=name)
