"""The JSON of EgoSchema: a row has a question and a three-minute video; the answers are in a second file.

```
questions.json        [{"q_uid", "google_drive_id", "question", "option 0", ..., "option 4"}, ...]
subset_answers.json   {"<q_uid>": 3, ...}, for 500 of the 5,031 questions
uid_to_ego4d.json     {"<q_uid>": {"video_uid", "starting_sec", "ending_sec"}, ...}; optional
```
"""

from collections.abc import Mapping
from pathlib import Path

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import Row, normal_text
from vidseq.data.schema import QUESTION, DatasetInfo, Query, Video
from vidseq.data.tables import read_json
from vidseq.errors import UserError
from vidseq.importers.annotations import Annotations, VideoFiles, asked_at_the_end, choices_once, note_repeated
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.json_rows import read_json_rows

NUM_CHOICES = 5
_ANSWER = f"the number of an option from 0 to {NUM_CHOICES - 1}"


@importer("egoschema")
def convert(
    source: Path,
    out: Path,
    *,
    answers: Path | None = None,
    videos: Path | None = None,
    duration: float = 180.0,
    name: str = "egoschema",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts the questions of EgoSchema that have an answer; the source is not changed.

    Every question is asked at the end of its video. All videos are in the split "test", because there is no other.

    Args:
        source: the folder that holds `questions.json`.
        out: the new data set.
        answers: the file of the answers; None: `subset_answers.json` in the source.
        videos: the folder of the video files, "<q_uid>" with any suffix; a video without a file is a bad row. None:
            the questions alone.
        duration: seconds of a video without a file and without an entry in `uid_to_ego4d.json`.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes, such as the number of questions without an answer.

    Raises:
        DataError: names the file and line.
        FileNotFoundError: the source is not in this layout.
        UserError: a duration that is not above 0.
    """
    if not duration > 0:
        raise UserError(f"egoschema expects a duration above 0 s, got {duration:g}.")
    source, findings = Path(source), Findings(skip_bad)
    paths = (source / "questions.json", Path(answers) if answers else source / "subset_answers.json")
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"The egoschema layout expects {path.name} in {path.parent}, got none.")
    known = read_json(paths[1])
    origins = dict(_read_origins(source / "uid_to_ego4d.json", findings))
    repeated: list[str] = []
    annotations = Annotations(findings, VideoFiles(videos, out) if videos else None)
    rows = read_json_rows(
        paths[0], lambda row: _take(row, Row(paths[1].name, known), origins, duration, annotations, repeated), findings
    )
    read = [query for _, query in rows]
    found, _ = annotations.finished()
    note_repeated(repeated, findings)
    queries = asked_at_the_end([query for query in read if query], found, findings)
    unanswered = sum(query is None for query in read)
    if unanswered:
        findings.notes.append(f"{unanswered} questions have no answer in {paths[1].name}: they are left out.")
    unasked = len(known.keys() - {query.video for query in read if query})
    if unasked:
        findings.notes.append(f"{unasked} answers of {paths[1].name} belong to no question that was read.")
    info = DatasetInfo(
        name=name,
        licence="Ego4D licence agreement",
        source="EgoSchema, arXiv:2308.09126, https://github.com/egoschema/EgoSchema",
    )
    return findings.report(write_dataset(out, info, found.values(), queries=queries))


def _read_origins(path: Path, findings: Findings) -> list[tuple[str, tuple[str, float]]]:
    """Reads the Ego4D video that each video was cut from, and its duration."""
    if not path.is_file():
        return []
    return [item for _, item in read_json_rows(path, _origin, findings, key="q_uid")]


def _origin(row: Row) -> tuple[str, tuple[str, float]]:
    start, end = row.seconds("starting_sec"), row.seconds("ending_sec")
    if start >= end:
        raise row.error(f"a video expects to start before it ends, got {start:g} s to {end:g} s.")
    return row.text("q_uid"), (row.text("video_uid"), end - start)


def _take(
    row: Row,
    answers: Row,
    origins: Mapping[str, tuple[str, float]],
    duration: float,
    annotations: Annotations,
    repeated: list[str],
) -> Query | None:
    """Reads a question; None if it has no answer."""
    video = row.file_name("q_uid")
    choices = tuple(row.text(f"option {number}") for number in range(NUM_CHOICES))
    question = row.text("question")
    if video not in answers.values:
        return None
    answer = answers.whole_number(video, _ANSWER)
    if answer >= NUM_CHOICES:
        raise answers.expect(video, _ANSWER)
    group, seconds = origins.get(video, (None, duration))
    annotations.add_video(row, Video(video=video, split="test", duration=seconds, group=group), once=True)
    return Query(
        video=video,
        time=0.0,
        kind=QUESTION,
        question=question,
        answer=normal_text(choices[answer]),
        choices=choices_once(choices, repeated, row.where),
    )
