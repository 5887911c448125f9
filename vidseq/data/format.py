"""Converts the rows of a data set's text files to schema objects and back."""

import json
import math
from collections.abc import Iterable, Mapping
from fractions import Fraction

from vidseq.data.fields import MAX_SECONDS, TIME_DECIMALS, Row, normal_text
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.files import csv_text

INFO_FILE, VIDEOS_FILE, SEGMENTS_FILE, QUERIES_FILE = "dataset.json", "videos.jsonl", "segments.csv", "queries.jsonl"
DATASET_FILES = (INFO_FILE, VIDEOS_FILE, SEGMENTS_FILE, QUERIES_FILE)
SEGMENT_FIELDS = ("video", "start", "end", "label")

_INFO_FIELDS = (
    *("version", "fps", "tasks", "labels", "splits", "licence", "source", "background", "observations"),
    "question_source",
)
_OBSERVATIONS = ("video", "features", "symbolic")
_QUERY_FIELDS = ("video", "time", "kind", "answer")
_QUERY_OPTIONS = (
    *("question", "choices", "family", "evidence", "certificate_seconds"),
    *("cause", "tier", "pair", "ceiling"),
)


# -- rows to objects


def parse_info(row: Row) -> DatasetInfo:
    """Reads the header of a data set from `dataset.json`."""
    row.check_keys(("name",), _INFO_FIELDS)
    observations = row.optional_text("observations") or "video"
    if observations not in _OBSERVATIONS:
        raise row.expect("observations", f"one of {', '.join(_OBSERVATIONS)}")
    labels = _labels(row)
    splits = row.names("splits", ("train", "val", "test"))
    if not splits:
        raise row.expect("splits", 'a list of at least one, such as ["train", "val", "test"]')
    background = row.optional_name("background")
    if background is not None and background not in labels.get("action", (background,)):
        raise row.error(f"'background' expects one of labels.action, got '{background}'.")
    return DatasetInfo(
        name=row.text("name"),
        version=row.optional_text("version") or "1",
        fps=row.optional_fps("fps"),
        tasks=_tasks(row),
        labels=labels,
        splits=splits,
        licence=row.optional_text("licence") or "unknown",
        source=row.optional_text("source") or "unknown",
        background=background,
        observations=observations,
        question_source=row.optional_text("question_source"),
    )


def _labels(row: Row) -> dict[str, tuple[str, ...]]:
    labels = row.values.get("labels", {})
    if not isinstance(labels, dict):
        raise row.expect("labels", 'an object such as {"action": ["sit", "stand"]}')
    inner = Row(f"{row.where}: labels", labels)
    inner.check_keys((), ("action", "answer"))
    return {kind: inner.names(kind) for kind in labels}


def _tasks(row: Row) -> dict[str, dict[str, float | int | str | bool]]:
    tasks = row.values.get("tasks", {})
    expected = 'an object such as {"next_action": {"anticipation_seconds": 1.0}}'
    if not isinstance(tasks, dict) or not all(isinstance(options, dict) for options in tasks.values()):
        raise row.expect("tasks", expected)
    for options in tasks.values():
        if not all(isinstance(value, (float, int, str)) for value in options.values()):
            raise row.expect("tasks", expected)
    return tasks


def parse_video(row: Row) -> Video:
    """Reads a video from a row of `videos.jsonl`."""
    row.check_keys(("video", "split", "duration"), ("path", "fps", "group"))
    duration = row.seconds("duration")
    if round_seconds(duration) <= 0:
        raise row.expect("duration", "seconds above 0, a millisecond at least")
    path = row.optional_text("path")
    if path is not None and "\0" in path:
        raise row.expect("path", "the path of a file")
    return Video(
        video=row.file_name("video"),
        split=row.name("split"),
        duration=duration,
        fps=row.optional_fps("fps"),
        path=path,
        group=row.optional_name("group"),
    )


def parse_segment(row: Row) -> Segment:
    """Reads a segment from a row of `segments.csv`."""
    values = row.values
    if any("\n" in str(value) or "\r" in str(value) for value in values.values()):
        raise row.error(
            "a row expects values of one line, got a line break between quotes. Close the quotes before it."
        )
    return Segment(
        video=row.identifier("video"),
        start=row.seconds_as_text("start"),
        end=row.seconds_as_text("end"),
        label=row.name("label"),
        track=row.name("track") if normal_text(str(values.get("track", ""))) else "",
    )


def parse_query(row: Row) -> Query:
    """Reads a query from a row of `queries.jsonl`."""
    row.check_keys(_QUERY_FIELDS, _QUERY_OPTIONS)
    has = row.values.__contains__
    return Query(
        video=row.identifier("video"),
        time=row.seconds("time"),
        kind=row.name("kind"),
        answer=row.name("answer"),
        question=row.optional_name("question"),
        choices=row.names("choices") if has("choices") else (),
        family=row.optional_name("family"),
        evidence=row.pairs("evidence", _EVIDENCE, _is_interval) if has("evidence") else (),
        certificate_seconds=row.optional_seconds("certificate_seconds"),
        cause=row.optional_name("cause"),
        tier=row.optional_name("tier"),
        pair=row.optional_name("pair"),
        ceiling=row.pairs("ceiling", _CEILING, _is_ceiling) if has("ceiling") else (),
    )


_EVIDENCE = "a list of intervals [start, end], seconds with 0 <= start < end"
_CEILING = "a list of [context seconds above 0 (null: all of the past), accuracy from 0 to 1]"


def _is_interval(start: float, end: float) -> bool:
    return 0 <= start < end <= MAX_SECONDS


def _is_ceiling(context_seconds: float, accuracy: float) -> bool:
    return (0 < context_seconds <= MAX_SECONDS or context_seconds == math.inf) and 0 <= accuracy <= 1


# -- objects to text


def info_json(info: DatasetInfo) -> str:
    """Returns the text of `dataset.json`."""
    values = {
        "name": info.name,
        "version": info.version,
        "fps": _fps_text(info.fps),
        "tasks": info.tasks,
        "labels": {kind: list(dict.fromkeys(map(normal_text, names))) for kind, names in info.labels.items()},
        "splits": list(info.splits),
        "licence": info.licence,
        "source": info.source,
        "background": None if info.background is None else normal_text(info.background),
        "observations": info.observations,
        "question_source": info.question_source,
    }
    return json.dumps(_without_none(values), indent=2, ensure_ascii=False) + "\n"


def video_json(video: Video) -> str:
    """Returns the line of a video in `videos.jsonl`."""
    values = {
        "video": video.video,
        "path": video.path,
        "split": video.split,
        "duration": round_seconds(video.duration),
        "fps": _fps_text(video.fps),
        "group": video.group,
    }
    return json.dumps(_without_none(values), ensure_ascii=False)


def query_json(query: Query) -> str:
    """Returns the line of a query in `queries.jsonl`, without empty fields."""
    values = {
        "video": query.video,
        "time": round_seconds(query.time),
        "kind": query.kind,
        "question": None if query.question is None else normal_text(query.question),
        "answer": normal_text(query.answer),
        "choices": list(dict.fromkeys(map(normal_text, query.choices))) or None,
        "family": query.family,
        "evidence": [[round_seconds(start), round_seconds(end)] for start, end in query.evidence] or None,
        "certificate_seconds": None if query.certificate_seconds is None else round_seconds(query.certificate_seconds),
        "cause": query.cause,
        "tier": query.tier,
        "pair": query.pair,
        "ceiling": [_ceiling_json(*point) for point in query.ceiling] or None,
    }
    return json.dumps(_without_none(values), ensure_ascii=False)


def segments_csv(segments: Iterable[Segment]) -> str:
    """Returns the text of `segments.csv`; it has the column track if a segment has a track."""
    segments = list(segments)
    tracks = any(segment.track for segment in segments)
    rows = [(*SEGMENT_FIELDS, *(["track"] if tracks else []))]
    for item in segments:
        row = (item.video, f"{item.start:.{TIME_DECIMALS}f}", f"{item.end:.{TIME_DECIMALS}f}", normal_text(item.label))
        rows.append((*row, normal_text(item.track)) if tracks else row)
    return csv_text(rows)


def round_seconds(seconds: float) -> float:
    """Rounds a time to the millisecond, as it is written."""
    return round(float(seconds), TIME_DECIMALS)


def _ceiling_json(context_seconds: float, accuracy: float) -> list[float | None]:
    # Strict JSON has no infinity; null means all of the past.
    return [None if math.isinf(context_seconds) else round_seconds(context_seconds), round(float(accuracy), 6)]


def _fps_text(fps: Fraction | None) -> str | None:
    return None if fps is None else str(Fraction(fps))


def _without_none(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}
