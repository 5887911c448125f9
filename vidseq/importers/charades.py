"""The CSV of Charades, whose actions overlap.

```
Charades_v1_train.csv, Charades_v1_test.csv   id,subject,...,actions,length; actions "c092 11.90 21.20;c147 0.00 12.60"
Charades_v1_classes.txt                       "c000 Holding some clothes", a class a line
```
"""

from collections.abc import Mapping
from pathlib import Path

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import Row, nearest
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.data.tables import read_csv, read_lines
from vidseq.errors import DataError, unknown_name
from vidseq.importers.annotations import Annotations, VideoFiles, note_shared_groups, split_files
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings

GROUPS = ("subject", "video")
_FILES = {"train": "Charades_v1_train.csv", "test": "Charades_v1_test.csv"}
_CLASSES = "Charades_v1_classes.txt"


@importer("charades")
def convert(
    source: Path,
    out: Path,
    *,
    videos: Path | None = None,
    group: str = "subject",
    name: str = "charades",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts the annotations of Charades; the source is not changed.

    Actions that overlap are kept, each as a segment of its own. The label of a frame is the action that started last.

    Args:
        source: the folder of the CSV files, or one of them; the list of classes beside it.
        out: the new data set.
        videos: the folder of the video files, "<id>" with any suffix; a video without a file is a bad row. None: the
            annotations alone.
        group: "subject", the person in the video, or "video".
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line.
        FileNotFoundError: the source is not in this layout.
    """
    if group not in GROUPS:
        raise unknown_name("group", group, GROUPS)
    source, findings = Path(source), Findings(skip_bad)
    files = split_files("charades", source, _FILES)
    classes = _read_classes(files[0][1].parent / _CLASSES)
    annotations = Annotations(findings, VideoFiles(videos, out) if videos else None, published=True)
    for split, path in files:
        for _ in read_csv(
            path,
            lambda row: _take(row, split, group, classes, annotations, findings),  # noqa: B023
            findings,
            required=("id", "subject", "actions", "length"),
            other_columns=True,
        ):
            pass
    found, segments = annotations.finished()
    note_shared_groups(found, findings)
    info = DatasetInfo(
        name=name,
        version="1",
        tasks={"next_action": {"anticipation_seconds": 1.0}},
        labels={"action": tuple(classes.values())},
        licence="non-commercial use; see the data set's own licence",
        source="Charades, https://prior.allenai.org/projects/charades",
    )
    return findings.report(write_dataset(out, info, found.values(), segments))


def _read_classes(path: Path) -> dict[str, str]:
    """Reads the name of each class by its code, in the order of the file."""
    if not path.is_file():
        raise FileNotFoundError(
            f"The charades layout expects {path.name} in {path.parent} to name its classes, got none."
        )
    classes: dict[str, str] = {}
    for where, line in read_lines(path):
        code, _, label = line.partition(" ")
        if not label or code in classes or label in classes.values():
            raise DataError(f"{where}: expects a new class such as 'c000 Holding some clothes', got '{line}'.")
        classes[code] = label
    return classes


def _take(
    row: Row, split: str, group: str, classes: Mapping[str, str], annotations: Annotations, findings: Findings
) -> None:
    video = row.file_name("id")
    annotations.add_video(
        row,
        Video(
            video=video,
            split=split,
            duration=row.seconds_as_text("length"),
            group=row.text("subject") if group == "subject" else None,
        ),
        once=True,
    )
    for text in filter(None, map(str.strip, str(row.values["actions"]).split(";"))):
        try:
            annotations.add_segment(row, _segment(row, video, text, classes))
        except DataError as problem:
            findings(problem)


def _segment(row: Row, video: str, text: str, classes: Mapping[str, str]) -> Segment:
    parts = text.split()
    if len(parts) != 3:
        raise row.error(f"'actions' expects actions such as 'c092 11.90 21.20', got '{text}'.")
    if parts[0] not in classes:
        raise row.error(f"'actions' expects a class of {_CLASSES}, got '{parts[0]}'.{nearest(parts[0], classes)}")
    times = Row(f"{row.where}: action '{text}'", dict(zip(("start", "end"), parts[1:])))
    return Segment(
        video=video,
        start=times.seconds_as_text("start"),
        end=times.seconds_as_text("end"),
        label=classes[parts[0]],
    )
