"""The multiple-choice CSV of NExT-QA, with the evidence of NExT-GQA if its files are there.

```
train.csv, val.csv, test.csv      video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4
gsub_val.json, gsub_test.json     {"<video>": {"duration": 34, "location": {"<qid>": [[1.2, 5.8], ...]}, "fps": 29.97}}
```

`answer` is the index of the right choice. In NExT-GQA the first column is `video_id`, and `answer` the choice's text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import Row, normal_text, parse_fps
from vidseq.data.schema import QUESTION, DatasetInfo, Query, Video
from vidseq.data.tables import read_csv
from vidseq.importers.annotations import (
    Annotations,
    VideoFiles,
    asked_at_the_end,
    choices_once,
    note_repeated,
    split_files,
)
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.json_rows import read_json_rows

CHOICES = ("a0", "a1", "a2", "a3", "a4")
_FILES = {"train": "train.csv", "val": "val.csv", "test": "test.csv"}
_COLUMNS = ("frame_count", "question", "answer", "qid", "type", *CHOICES)


@dataclass(frozen=True)
class _Grounding:
    """The facts of a video in NExT-GQA."""

    duration: float
    evidence: Mapping[str, tuple[tuple[float, float], ...]]
    """By question."""


@importer("nextqa")
def convert(
    source: Path,
    out: Path,
    *,
    videos: Path | None = None,
    fps: str | float = 30,
    name: str = "nextqa",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts the questions of NExT-QA; the source is not changed.

    Every question is asked at the end of its video; its family is the type, such as CW (causal, why) or TN (temporal,
    next).

    Args:
        source: the folder of the CSV files, or one of them.
        out: the new data set.
        videos: the folder of the video files, "<video>" with any suffix in any folder; a video without a file is a bad
            row. None: the questions alone.
        fps: frames a second, for durations that neither a video file nor NExT-GQA has.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line.
        FileNotFoundError: the source is not in this layout.
    """
    source, rate, findings = Path(source), parse_fps(fps), Findings(skip_bad)
    annotations = Annotations(findings, VideoFiles(videos, out) if videos else None)
    asked: list[Query] = []
    repeated: list[str] = []
    counted = 0
    for split, path in split_files("nextqa", source, _FILES):
        grounding = _read_grounding(path.parent / f"gsub_{split}.json", findings)
        for _, query in read_csv(
            path,
            lambda row: _take(row, split, rate, grounding, annotations, repeated),  # noqa: B023
            findings,
            required=_COLUMNS,
            other_columns=True,
        ):
            asked.append(query)
            counted += query.video not in grounding
    found, _ = annotations.finished()
    if counted and videos is None:
        findings.notes.append(
            f"durations are numbers of frames divided by {float(rate):g}; the videos' own rates differ."
        )
    note_repeated(repeated, findings)
    queries = asked_at_the_end(asked, found, findings)
    info = DatasetInfo(
        name=name,
        licence="see https://github.com/doc-doc/NExT-QA",
        source="NExT-QA, multiple choice, https://github.com/doc-doc/NExT-QA",
    )
    return findings.report(write_dataset(out, info, found.values(), queries=queries))


def _read_grounding(path: Path, findings: Findings) -> dict[str, _Grounding]:
    if not path.is_file():
        return {}
    return dict(item for _, item in read_json_rows(path, _grounding, findings, key="video"))


def _grounding(row: Row) -> tuple[str, _Grounding]:
    location = row.values.get("location")
    if not isinstance(location, dict):
        raise row.expect("location", 'an object such as {"3": [[1.2, 5.8]]}')
    inner = Row(f"{row.where}: location", location)
    expected = "[[start, end], ...] with 0 <= start < end"
    evidence = {qid: inner.pairs(qid, expected, lambda start, end: 0 <= start < end) for qid in location}
    return row.text("video"), _Grounding(row.seconds("duration"), evidence)


def _take(
    row: Row,
    split: str,
    fps: Fraction,
    grounding: Mapping[str, _Grounding],
    annotations: Annotations,
    repeated: list[str],
) -> Query:
    grounded = "video_id" in row.values
    video = row.file_name("video_id" if grounded else "video")
    known = grounding.get(video)
    choices = tuple(row.text(key) for key in CHOICES)
    query = Query(
        video=video,
        time=0.0,
        kind=QUESTION,
        question=row.text("question"),
        answer=normal_text(_answer(row, choices, by_text=grounded)),
        choices=choices_once(choices, repeated, row.where),
        family=row.text("type"),
        evidence=known.evidence.get(row.text("qid"), ()) if known else (),
    )
    duration = known.duration if known else float(row.whole_number("frame_count") / fps)
    annotations.add_video(row, Video(video=video, split=split, duration=duration))
    return query


def _answer(row: Row, choices: tuple[str, ...], by_text: bool) -> str:
    if by_text:
        if row.values["answer"] not in choices:
            raise row.expect("answer", f"one of the choices {list(choices)}")
        return row.text("answer")
    # choices may be numbers themselves, so an index is never read as a text
    what = f"the number of a choice from 0 to {len(choices) - 1}"
    number = row.whole_number("answer", what)
    if number >= len(choices):
        raise row.expect("answer", what)
    return choices[number]
