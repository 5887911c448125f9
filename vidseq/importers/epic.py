"""The annotations of EPIC-Kitchens-100: its official CSV, and the short one of RULSTM and what came after it.

```
EPIC_100_train.csv, EPIC_100_validation.csv            official: a header, times as hours:minutes:seconds
EPIC_100_verb_classes.csv, EPIC_100_noun_classes.csv   id, key
EPIC_100_video_info.csv                                video_id, duration, fps, resolution; optional
training.csv, validation.csv                           short, no header: id, video, start and end frame, verb, noun,
                                                       action; also training1.csv, ..., a number a split, as for EGTEA
actions.csv                                            id, verb, noun, action; or, without a header, id, verb_noun,
                                                       action; goes with the short form
```

Without a list of names, classes are named by their numbers. Splits with a number are of actions, not of videos: a
video of both stands in the data set twice, once a split.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import Row, parse_fps
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.data.tables import read_csv, read_lines
from vidseq.errors import unknown_name
from vidseq.importers.annotations import UNKNOWN, Annotations
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings

KINDS = ("action", "verb", "noun")
GROUPS = ("video", "participant")
#: Ends the name of a video in the validation split that is in the training split, too.
_AGAIN = "__val"
#: The split, its official file, its short file.
_FILES = (
    ("train", "EPIC_100_train.csv", "training.csv"),
    ("val", "EPIC_100_validation.csv", "validation.csv"),
)
_OFFICIAL = ("video_id", "start_timestamp", "stop_timestamp", "verb_class", "noun_class")
_SHORT = ("narration_id", "video", "start_frame", "end_frame", "verb", "noun", "action")
_ACTIONS = ("id", "verb", "noun", "action")
_JOINED = ("id", "verb_noun", "action")


@importer("epic")
def convert(
    source: Path,
    out: Path,
    *,
    labels: str = "action",
    group: str = "video",
    fps: str | float = 30,
    split: int = 1,
    name: str = "epic_kitchens_100",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts the annotations of EPIC-Kitchens-100; the source is not changed.

    Every row is kept, exact copies too, because each counts in the benchmark. The official files are used if both
    splits have one, otherwise the short files, otherwise any. A video without a duration in any file ends with its
    last action.

    Args:
        source: the folder that holds the CSV files.
        out: the new data set.
        labels: what a segment's label is: "action" (verb and noun), "verb" or "noun".
        group: "video", or "participant"; the official splits share participants, which `check_dataset` reports.
        fps: frames a second, for the frame numbers of the short files.
        split: the number of the short files to use, where they have one.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line.
        FileNotFoundError: the source is not in this layout.
    """
    findings = Findings(skip_bad)
    info, videos, segments = read_annotations(
        Path(source), findings, labels=labels, group=group, fps=parse_fps(fps), name=name, split=split
    )
    return findings.report(write_dataset(out, info, videos.values(), segments))


def read_annotations(
    source: Path, findings: Findings, *, labels: str, group: str, fps: Fraction, name: str, split: int = 1
) -> tuple[DatasetInfo, dict[str, Video], list[Segment]]:
    """Reads the annotations of all splits that exist; see `convert`.

    Returns:
        the header, the videos by name, and the segments.
    """
    for kind, value, known in (("label", labels, KINDS), ("group", group, GROUPS)):
        if value not in known:
            raise unknown_name(kind, value, known)
    files = _chosen_files(source, findings, split)
    reader = _Reader(
        Annotations(findings, copies=True),
        _Classes(source, labels, findings),
        _known_videos(source / "EPIC_100_video_info.csv"),
        group,
        fps,
    )
    for name_of_split, path in files:
        reader.read(path, name_of_split, findings)
    if reader.again:
        findings.notes.append(
            f"{len(reader.again)} videos have actions in both splits: those of validation stand as "
            f"'{reader.again[0]}' and so on."
        )
    videos, segments = reader.annotations.finished()
    info = DatasetInfo(
        name=name,
        version="100",
        tasks={"next_action": {"anticipation_seconds": 1.0}},
        labels={"action": reader.classes.names()},
        licence="CC BY-NC 4.0",
        source="EPIC-Kitchens-100 annotations, https://github.com/epic-kitchens/epic-kitchens-100-annotations",
    )
    return info, videos, segments


def parse_timestamp(text: str) -> float:
    """Reads a time such as "00:01:02.50" as seconds.

    Raises:
        ValueError: the text is not such a time.
    """
    hours, minutes, seconds = text.strip().split(":")
    if not (hours.isdecimal() and minutes.isdecimal() and int(minutes) < 60 and 0 <= float(seconds) < 60):
        raise ValueError(text)
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def source_name(video: str) -> str:
    """Returns the name that the annotations and features have for a video of the data set."""
    return video.removesuffix(_AGAIN)


def _chosen_files(source: Path, findings: Findings, split: int) -> list[tuple[str, Path]]:
    numbered = [name.replace(".csv", f"{split}.csv") for _, _, name in _FILES]
    for names in (*list(zip(*_FILES))[1:], numbered):
        paths = [(row[0], source / name) for row, name in zip(_FILES, names)]
        if all(path.is_file() for _, path in paths):
            return paths
    found = [(row[0], source / name) for row in _FILES for name in row[1:] if (source / name).is_file()]
    if not found:
        names = ", ".join(name for row in _FILES for name in row[1:])
        raise FileNotFoundError(f"The epic layout expects one of {names} in {source}, got none.")
    chosen = dict(reversed(found))  # the official file, which comes first, wins
    findings.notes.append(f"annotations of {' and '.join(path.name for path in chosen.values())} alone.")
    return list(chosen.items())


@dataclass(frozen=True)
class _Reader:
    """Reads rows of either form."""

    annotations: Annotations
    classes: "_Classes"
    known: Mapping[str, tuple[float, Fraction | None]]
    """Returns the duration and frame rate of the videos in a file."""
    group: str
    fps: Fraction
    again: list[str] = field(default_factory=list)
    """The videos of the validation split that are in the training split, too."""
    _training: set[str] = field(default_factory=set)

    def read(self, path: Path, split: str, findings: Findings) -> None:
        parse: Callable[[Row], None] = lambda row: self._official(row, split)  # noqa: E731
        if path.name.startswith("EPIC"):
            rows = read_csv(path, parse, findings, required=_OFFICIAL, other_columns=True)
        else:
            parse = lambda row: self._short(row, split, numbered=path.stem[-1].isdecimal())  # noqa: E731
            rows = read_csv(path, parse, findings, required=_SHORT, header=_SHORT)
        for _ in rows:
            pass

    def _official(self, row: Row, split: str) -> None:
        start, end = (
            row.parsed(key, parse_timestamp, "a time such as 00:01:02.50")
            for key in ("start_timestamp", "stop_timestamp")
        )
        self._take(
            row, split, row.file_name("video_id"), start, end, self.classes.label(row, "verb_class", "noun_class")
        )

    def _short(self, row: Row, split: str, *, numbered: bool) -> None:
        if (row.values["video"], row.values["start_frame"]) == ("video", "start_frame"):
            return  # a header, which some have added
        start, end = (row.whole_number(key, "a frame number") for key in ("start_frame", "end_frame"))
        label = self.classes.label(row, "verb", "noun")
        video = self._name_in_split(row.file_name("video"), split) if numbered else row.file_name("video")
        self._take(row, split, video, float(start / self.fps), float(end / self.fps), label)

    def _name_in_split(self, video: str, split: str) -> str:
        if split == "train":
            self._training.add(video)
            return video
        if video not in self._training:
            return video
        name = f"{video}{_AGAIN}"
        if name not in self.again:
            self.again.append(name)
        return name

    def _take(self, row: Row, split: str, video: str, start: float, end: float, label: str) -> None:
        duration, fps = self.known.get(video, (UNKNOWN, None))
        group = source_name(video) if video != source_name(video) or video in self._training else None
        if self.group == "participant":
            group = re.split("[-_]", video)[0]
        segment = Segment(video=video, start=start, end=end, label=label)
        self.annotations.add_video(row, Video(video=video, split=split, duration=duration, fps=fps, group=group))
        self.annotations.add_segment(row, segment)


class _Classes:
    """The names of the classes, and the class of each action."""

    def __init__(self, source: Path, kind: str, findings: Findings) -> None:
        self._kind = kind
        self._source, self._findings = source, findings
        self._actions = _action_names(source / "actions.csv") if kind == "action" else {}
        self._verbs: Mapping[int, str] = {}
        self._nouns: Mapping[int, str] = {}
        if not self._actions and kind != "noun":
            self._verbs = self._read("verb")
        if not self._actions and kind != "verb":
            self._nouns = self._read("noun")
        self._seen: dict[tuple[int, int], str] = {}

    def _read(self, word: str) -> Mapping[int, str]:
        path = self._source / f"EPIC_100_{word}_classes.csv"
        if path.is_file():
            return _class_names(path)
        self._findings.notes.append(f"there is no {path.name}: a {word} is named by its number, such as '{word} 3'.")
        return _Numbered(word)

    def label(self, row: Row, verb_key: str, noun_key: str) -> str:
        """Returns the class of a row; raises `DataError` if it has none."""
        verb, noun = (row.whole_number(key, "the number of a class") for key in (verb_key, noun_key))
        if self._actions:
            if (verb, noun) not in self._actions:
                raise row.error(f"expects a verb and a noun of actions.csv, got {verb} and {noun}.")
            return self._actions[verb, noun]
        words = [
            _name(row, key, number, names)
            for key, number, names in ((verb_key, verb, self._verbs), (noun_key, noun, self._nouns))
            if names
        ]
        return self._seen.setdefault((verb, noun), " ".join(words))

    def names(self) -> tuple[str, ...]:
        """Lists all classes in the order of their numbers; of actions that no file lists, those that occur."""
        listed = self._actions or (self._verbs if self._kind == "verb" else self._nouns)
        if self._kind == "action" and not self._actions:
            return tuple(self._seen[key] for key in sorted(self._seen))
        return listed.values_in_order() if isinstance(listed, _Numbered) else tuple(listed.values())


class _Numbered(dict[int, str]):
    """The names of classes that no file lists: made of their numbers as they come."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def __bool__(self) -> bool:
        return True

    def __contains__(self, number: object) -> bool:
        return True

    def __missing__(self, number: int) -> str:
        self[number] = f"{self._word} {number}"
        return self[number]

    def values_in_order(self) -> tuple[str, ...]:
        """The names of the numbers that came, by number."""
        return tuple(name for _, name in sorted(self.items()))


def _name(row: Row, key: str, number: int, names: Mapping[int, str]) -> str:
    if number not in names:
        raise row.error(f"'{key}' expects a class from 0 to {max(names)}, got {number}.")
    return names[number]


def _class_names(path: Path) -> dict[int, str]:
    taken: set[str] = set()
    parse = lambda row: (row.whole_number("id"), _new_name(row, "key", taken))  # noqa: E731
    rows = read_csv(path, parse, required=("id", "key"), other_columns=True)
    return dict(sorted(item for _, item in rows))


def _action_names(path: Path) -> dict[tuple[int, int], str]:
    """Reads the name of each pair of verb and noun, by the action's number; empty without such a file."""
    if not path.is_file():
        return {}
    taken: set[str] = set()
    parse = lambda row: _action_row(row, taken)  # noqa: E731
    _, first = next(read_lines(path), ("", ""))
    if first.split(",")[0].strip().isdecimal():
        header = _JOINED if len(first.split(",")) == len(_JOINED) else _ACTIONS
        rows = read_csv(path, parse, required=header, header=header)
    else:
        rows = read_csv(path, parse, required=_ACTIONS, other_columns=True)
    return {pair: name for _, pair, name in sorted(item for _, item in rows)}


def _action_row(row: Row, taken: set[str]) -> tuple[int, tuple[int, int], str]:
    if "verb_noun" in row.values:
        words = str(row.values["verb_noun"]).strip().split("_")
        row = Row(row.where, {**row.values, **dict(zip(("verb", "noun"), words))})
    number, verb, noun = (row.whole_number(key) for key in ("id", "verb", "noun"))
    return number, (verb, noun), _new_name(row, "action", taken)


def _new_name(row: Row, key: str, taken: set[str]) -> str:
    """Reads the name of a class, which must not be in `taken`."""
    name = row.name(key)
    if name in taken:
        raise row.error(f"'{key}' expects every name once, got '{name}' again.")
    taken.add(name)
    return name


def _known_videos(path: Path) -> dict[str, tuple[float, Fraction | None]]:
    """Returns the duration and frame rate of each video in the file."""
    if not path.is_file():
        return {}
    rows = read_csv(path, _video_row, required=("video_id", "duration", "fps"), other_columns=True)
    return dict(item for _, item in rows)


def _video_row(row: Row) -> tuple[str, tuple[float, Fraction | None]]:
    return row.text("video_id"), (row.seconds_as_text("duration"), row.optional_fps("fps"))
