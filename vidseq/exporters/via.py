"""A project of VIA 3; see `vidseq.importers.via`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from vidseq.exporters.base import File, exporter
from vidseq.exporters.content import AnnotatedVideo, Annotation, ExportContent
from vidseq.importers.via import SELECT, TEXT, TIME_ANCHOR, TRACK
from vidseq.video.folder import plain_name

_LABEL_ID, _TRACK_ID, _SCORE_ID = "1", "2", "3"
_VIDEO, _BY_DIALOG, _BY_ADDRESS = 4, 1, 3


@exporter("via")
def write(content: ExportContent) -> Iterator[File]:
    """Writes one project of VIA 3, with all videos; tracks and scores are attributes of their own."""
    files, views, metadata = {}, {}, {}
    for number, video in enumerate(content.videos, 1):
        files[str(number)] = _file(video, number)
        views[str(number)] = {"fid_list": [str(number)]}
        for place, item in enumerate(video.annotations, 1):
            metadata[f"{number}_{place:08d}"] = _entry(item, str(number))
    project = {
        "project": {
            "pid": "__VIA_PROJECT_ID__",
            "rev": "__VIA_PROJECT_REV_ID__",
            "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
            "pname": content.name,
            "creator": "vidseq",
            "created": 0,
            "data_format_version": "3.1.1",
            "vid_list": list(views),
        },
        "config": {
            "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
            "ui": {"file_content_align": "center", "temporal_segment_metadata_editor_visible": True},
        },
        "attribute": _attributes(content),
        "file": files,
        "view": views,
        "metadata": metadata,
    }
    yield f"{plain_name(content.name)}.json", json.dumps(project, indent=1, ensure_ascii=False) + "\n"


def _attributes(content: ExportContent) -> Mapping[str, object]:
    texts = {_TRACK_ID: TRACK, **({_SCORE_ID: "score"} if content.predicted else {})}
    attributes = {_LABEL_ID: _attribute("action", SELECT, {label: label for label in content.labels})}
    return attributes | {number: _attribute(name, TEXT, {}) for number, name in texts.items()}


def _attribute(name: str, kind: int, options: Mapping[str, str]) -> Mapping[str, object]:
    return {
        "aname": name,
        "anchor_id": TIME_ANCHOR,
        "type": kind,
        "desc": "",
        "options": options,
        "default_option_id": "",
    }


def _file(video: AnnotatedVideo, number: int) -> Mapping[str, object]:
    suffix = PurePosixPath(video.media).suffix if video.media else ""
    return {
        "fid": str(number),
        "fname": video.video + suffix,
        "type": _VIDEO,
        "loc": _BY_ADDRESS if video.media else _BY_DIALOG,
        "src": Path(video.media).as_uri() if video.media else "",
    }


def _entry(item: Annotation, view: str) -> Mapping[str, object]:
    values = {_LABEL_ID: item.label}
    values |= {_TRACK_ID: item.track} if item.track else {}
    values |= {} if item.score is None else {_SCORE_ID: f"{item.score:.4f}"}
    return {"vid": view, "flg": 0, "z": [item.start, item.end], "xy": [], "av": values}
