"""Lists of videos that show one class each, as Kinetics and the tools around it keep them; one video a row.

```
label,youtube_id,time_start,time_end,split,is_cc     the official CSV; a test file has no label
path/to/video.mp4 7                                  a list, with a space or a comma; 7 is a class by number or by name
path/to/frames 300 7                                 the same with the number of frames between them
```

The first line of a file decides whether it is the official form. A path with the suffix of a video ends there, so that
it may hold spaces and commas. The split is in the file's name ("train.csv", "kinetics400_val_list.txt") or in its
column `split`.
"""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

from vidseq.data.fields import Row, listing, parse_fps
from vidseq.data.schema import Video
from vidseq.data.splits import SPLIT_NAMES, split_in
from vidseq.data.tables import read_csv, read_lines
from vidseq.errors import DataError
from vidseq.importers.annotations import UNKNOWN, Annotations, VideoFiles
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.init import CLASS_QUESTION, write_videos
from vidseq.video.folder import VIDEO_SUFFIXES, plain_name

#: A line whose path ends in the suffix of a video: path, frames if there are some, class; commas may be in any.
_SUFFIXES = "|".join(re.escape(suffix) for suffix in sorted(VIDEO_SUFFIXES))
_LINE = re.compile(rf'("?)(.*(?:{_SUFFIXES}))\1(?:\s*,\s*|\s+)(?:(\d+)(?:\s*,\s*|\s+))?(\S.*)', re.IGNORECASE)
_OFFICIAL = ("youtube_id", "time_start", "time_end")


@importer("kinetics")
def convert(
    source: Path,
    out: Path,
    *,
    videos: Path | None = None,
    classes: Path | None = None,
    fps: str | float | None = None,
    question: str | None = CLASS_QUESTION,
    segments: bool = False,
    name: str = "kinetics",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts lists of videos with one class each; the source is not changed.

    Each video gets a question at its end, as in the layout `folder`.

    Args:
        source: a list, or a folder of lists.
        out: the new data set.
        videos: the folder of the video files, found by name without suffix: that of the path, whose folders decide
            between files of one name, or "<youtube_id>" with or without "_<start>_<end>" in six digits. A video
            without a file is a bad row. None: the lists alone, which must have durations.
        classes: the names of the classes, one a line, where lists have numbers.
        fps: frames a second, for lists that count frames.
        question: the question about a video that has a class; None: no question.
        segments: whether the class is also a segment from start to end, so that frames have labels.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line.
        FileNotFoundError: there are no such lists.
    """
    source, findings = Path(source), Findings(skip_bad)
    names = [line for _, line in read_lines(classes)] if classes else None
    if names is not None and len(set(names)) < len(names):
        raise DataError(f"{classes}: expects every class once.")
    if videos is None and fps is None and not all(_is_official(path) for path in _lists(source)):
        raise DataError(
            "The kinetics layout expects videos, or fps with lists that count frames, since lists of paths have no "
            "durations; got neither. Give the folder of the video files."
        )
    annotations = Annotations(findings, VideoFiles(videos, out) if videos else None)
    reader = _Reader(annotations, names, None if fps is None else parse_fps(fps))
    for path in _lists(source):
        reader.read(path, findings)
    found, _ = annotations.finished()
    if len(reader.labels) < len(reader.taken):
        findings.notes.append(f"{len(reader.taken) - len(reader.labels)} videos have no class.")
    numbers = sorted({label for label in reader.labels.values() if label.isdecimal()})
    if numbers:
        findings.notes.append(f"{len(numbers)} classes are numbers: {listing(numbers, 5)}. Give classes to name them.")
    dataset = write_videos(
        out,
        [(video, reader.labels.get(video.video)) for video in found.values()],
        name=name,
        question=question,
        segments=segments,
        classes=names,
    )
    return findings.report(dataset)


def _lists(source: Path) -> list[Path]:
    """Finds the files whose rows are videos."""
    if source.is_file():
        return [source]
    files = sorted(
        path for path in source.glob("[!.]*") if path.suffix.lower() in (".csv", ".txt") and split_in(path.name)
    )
    if not files:
        raise FileNotFoundError(
            f"The kinetics layout expects lists such as train.csv or val_list.txt in {source}, got none."
        )
    return files


def _columns(path: Path) -> list[str]:
    """Returns the columns of the official form; empty if the first line is a video."""
    _, first = next(read_lines(path), ("", ""))
    columns = [value.strip() for value in next(csv.reader([first]), [])]
    return columns if "youtube_id" in columns else []


def _is_official(path: Path) -> bool:
    return bool(_columns(path))


def _separator(lines: Sequence[str]) -> str | None:
    """Finds what stands between path and class where paths have no suffix: a comma, or None for spaces and tabs."""
    ends = [line.rpartition(",")[2].strip() for line in lines if "," in line]
    with_spaces = len(ends) < len(lines) or (ends and all(re.search(r"\s\d+$", end) for end in ends))
    return None if with_spaces else ","


@dataclass
class _Reader:
    """Reads rows of every form."""

    annotations: Annotations
    names: Sequence[str] | None
    fps: Fraction | None

    def __post_init__(self) -> None:
        self.labels: dict[str, str] = {}
        """The class of each video that has one."""
        self.taken: set[str] = set()

    def read(self, path: Path, findings: Findings) -> None:
        split = split_in(path.name)
        if _is_official(path):
            take: Callable[[Row], None] = lambda row: self._official(row, split)  # noqa: E731
            for _ in read_csv(path, take, findings, required=_OFFICIAL, other_columns=True):
                pass
            return
        lines = list(read_lines(path))
        if lines and re.fullmatch(r"\w+[ ,](label|class)", lines[0][1], re.IGNORECASE):
            del lines[0]  # a header
        separator = _separator([line for _, line in lines if not _LINE.fullmatch(line)])
        for where, line in lines:
            try:
                self._listed(Row(where, {}), line, separator, split)
            except DataError as problem:
                findings(problem)

    def _official(self, row: Row, split: str | None) -> None:
        start, end = row.seconds_as_text("time_start"), row.seconds_as_text("time_end")
        if start >= end:
            raise row.error(f"a video expects to start before it ends, got {start:g} s to {end:g} s.")
        column = str(row.values.get("split") or "").lower()
        if column and column not in SPLIT_NAMES:
            raise row.expect("split", f"one of {', '.join(SPLIT_NAMES)}")
        video, label = row.file_name("youtube_id"), str(row.values.get("label") or "")
        clip = f"{video}_{int(start):06d}_{int(end):06d}"
        self._take(row, clip, SPLIT_NAMES.get(column, split), end - start, label, (clip, video))

    def _listed(self, row: Row, line: str, separator: str | None, split: str | None) -> None:
        path, frames, label = self._parts(row, line, separator)
        # lists made on Windows have other separators
        place = PurePosixPath(path.replace("\\", "/"))
        duration = float(frames / self.fps) if frames and self.fps else UNKNOWN
        self._take(
            row, plain_name("__".join(place.with_suffix("").parts)), split, duration, label, (place.as_posix(),)
        )

    def _parts(self, row: Row, line: str, separator: str | None) -> tuple[str, int | None, str]:
        """Splits a line into path, number of frames if there is one, and class."""
        match = _LINE.fullmatch(line)
        if match:
            return match[2], int(match[3]) if match[3] else None, match[4]
        path, *rest = (part.strip() for part in line.rsplit(separator, 1))
        if not path or not rest or not rest[0]:
            raise row.error(f"expects a path and a class such as 'wave/clip.mp4 7', got '{line}'.")
        before, *frames = (part.strip() for part in path.rsplit(separator, 1))
        if frames and frames[0].isdecimal():
            return before, int(frames[0]), rest[0]
        return path, None, rest[0]

    def _take(
        self, row: Row, video: str, split: str | None, duration: float, label: str, file_names: Sequence[str]
    ) -> None:
        if split is None:
            raise row.error("expects a split in the file's name or in a column 'split', got none.")
        name = self._name(row, label) if label else None
        self.annotations.add_video(
            row, Video(video=video, split=split, duration=duration), file_names=file_names, once=True
        )
        self.taken.add(video)
        if name:
            self.labels[video] = name

    def _name(self, row: Row, label: str) -> str:
        if self.names is None or label in self.names:
            return label
        if not label.isdecimal() or int(label) >= len(self.names):
            raise row.error(f"expects a class from 0 to {len(self.names) - 1} or its name, got '{label}'.")
        return self.names[int(label)]
