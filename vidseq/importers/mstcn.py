"""The layout of MS-TCN, which Breakfast, 50 Salads and GTEA are published in.

```
mapping.txt                             "number name", a class a line
groundTruth/<video>.txt                 a label a frame
splits/{train,test,val}.split<K>.bundle "<video>.txt" a line; val may be missing
features/<video>.npy                    (D, T), (T, D), or (T, N, D) with tokens; or features/split<K>/<video>.npy
```

Files of this layout differ. In `mapping.txt`, numbers begin with 0 or 1, a comma or a tab may divide them from names,
they may stand behind the names, and there may be a header. Bundles may name videos with a path, or without a suffix.
Labels may be words of one line below a line "### ...", as predictions are published. Labels and features may differ by
a frame at the end, which is dropped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import listing, nearest, parse_fps
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.data.splits import assign_splits, group_rule
from vidseq.data.tables import read_lines
from vidseq.errors import DataError
from vidseq.importers.arrays import (
    FeatureArrays,
    array_file,
    common_length,
    imported_fingerprint,
    note_cut,
    write_arrays,
)
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.listed_videos import listed_video
from vidseq.progress import progress

#: A line of `mapping.txt`: the number first, or last.
_CLASS_FORMS = (
    re.compile(r"(?P<number>\d{1,9})[\s,;:=|]+(?P<label>\S.*)"),
    re.compile(r"(?P<label>.*\S)[\s,;:=|]+(?P<number>\d{1,9})"),
)
#: How a line above the labels of a file begins.
_HEADER = "###"
_SPLITS = ("train", "test", "val")


@dataclass(frozen=True)
class _LabelledVideo:
    video: str
    split: str
    labels: list[str]
    """A frame each."""


@importer("mstcn")
def convert(
    source: Path,
    out: Path,
    *,
    fps: str | float,
    split: int = 1,
    group: str | None = None,
    background: str | None = None,
    validation: float = 0.0,
    seed: int = 0,
    name: str | None = None,
    backbone: str = "unnamed",
    licence: str = "unknown",
    cut_to_shorter: bool = False,
    time_axis: int | None = None,
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts a data set in the layout of MS-TCN; the source is not changed.

    Features are copied into the new data set with the backbone "external:<backbone>". Features in a folder a split
    have the split in their name too, because each split has its own CNN. Frame k is at k / fps seconds.

    Args:
        source: the folder that holds `groundTruth`.
        out: the new data set.
        fps: labels and features a second, which the layout does not contain.
        split: the number of the bundles to use.
        group: regular expression that finds a video's group (person, camera) in its name; see `splits.group_rule`.
        background: the label that is no action; its frames get no segments.
        validation: share of the training videos to carve out as split "val", by whole groups.
        seed: of the random choice.
        name: of the data set; None: the source folder's.
        backbone: the name of the network that made the features.
        licence: of the data.
        cut_to_shorter: where labels and features differ by more than a frame, keep the frames that have both.
        time_axis: 0 for features (T, D), 1 for (D, T); what fits the labels if left out.
        skip_bad: leave videos out that cannot be read, and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line: an unknown label, a missing video, lengths that differ, ...
        FileNotFoundError: the source is not in this layout.
    """
    source, rate, findings = Path(source), parse_fps(fps), Findings(skip_bad)
    labels = read_mapping(source / "mapping.txt")
    _check_background(background, labels)
    videos = list(_labelled_videos(source, split, labels, findings))
    groups = _groups(videos, group, findings)
    videos = [item for item in videos if item.video in groups]
    arrays = _features(source, split, videos, time_axis, findings)
    if arrays:
        videos = list(_with_equal_lengths(videos, arrays, cut_to_shorter, findings))
    splits = _splits(videos, groups, validation, seed)
    if arrays:
        videos = _copy_features(Path(out), videos, arrays, backbone, rate, findings)
    _note_background(background, labels, findings)
    _note_shared_groups(splits, groups, findings)
    info = DatasetInfo(
        name=name or source.resolve().name,
        version=f"split{split}",
        fps=rate,
        tasks={"frame_labels": {}, "next_action": {"anticipation_seconds": 1.0}},
        labels={"action": tuple(labels)},
        licence=licence,
        source=f"MS-TCN layout, split {split}",
        background=background,
        observations="features",
    )
    dataset = write_dataset(
        out,
        info,
        (_video(item, splits[item.video], groups[item.video], rate) for item in videos),
        (segment for item in videos for segment in label_runs(item.video, item.labels, rate, background)),
    )
    return findings.report(dataset, len(videos) if arrays else 0)


def read_mapping(path: Path) -> list[str]:
    """Reads `mapping.txt`: the names of the classes in the order of their numbers.

    Raises:
        DataError: a line that is neither "number name" nor "name number", as the others are, or numbers that are not
            0, 1, 2, ... or 1, 2, 3, ... once each.
    """
    names: dict[int, str] = {}
    rows = list(_lines(path))
    if len(rows) > 1 and not re.search(r"\d", rows[0][1]):
        del rows[0]  # a header
    form = next((form for form in _CLASS_FORMS if any(form.fullmatch(line) for _, line in rows)), _CLASS_FORMS[0])
    for where, line in rows:
        found = form.fullmatch(line)
        if found is None:
            raise DataError(f"{where}: expects a class as 'number name', got '{line}'.")
        number, label = int(found["number"]), found["label"]
        if number in names or label in names.values():
            raise DataError(f"{where}: expects every number and name once, got '{line}' again.")
        names[number] = label
    first = min(names, default=0)
    if first > 1 or sorted(names) != list(range(first, first + len(names))) or not names:
        raise DataError(f"{path.name}: expects the numbers 0 to {len(names) - 1} once each, got {sorted(names)}.")
    return [names[number] for number in sorted(names)]


def label_runs(video: str, labels: Sequence[str], fps: Fraction, background: str | None = None) -> Iterator[Segment]:
    """Turns a label a frame into segments, one a run of equal labels.

    Args:
        video: the name of the video.
        labels: one for each frame; frame k lasts from k / fps to (k + 1) / fps.
        fps: labels a second.
        background: a label that makes no segment.
    """
    first = 0
    for label, run in groupby(labels):
        end = first + sum(1 for _ in run)
        if label != background:
            yield Segment(video=video, start=float(first / fps), end=float(end / fps), label=label)
        first = end


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Reads the lines that are not empty, each with its position in the file."""
    if not path.is_file():
        raise FileNotFoundError(f"The mstcn layout expects {path.name} in {path.parent}, got none.")
    return read_lines(path)


def _check_background(background: str | None, labels: Sequence[str]) -> None:
    if background is not None and background not in labels:
        raise DataError(
            f"background expects one of mapping.txt, got '{background}'.{nearest(background, labels)} "
            f"Labels: {listing(labels, 60)}."
        )


def _note_background(background: str | None, labels: Sequence[str], findings: Findings) -> None:
    likely = [label for label in labels if label.lower() in ("background", "sil", "bg")]
    if background is None and likely:
        findings.notes.append(f"'{likely[0]}' counts as an action. Give background='{likely[0]}' if it is none.")


def _labelled_videos(source: Path, split: int, labels: Sequence[str], findings: Findings) -> Iterator[_LabelledVideo]:
    known = frozenset(labels)
    for where, video, name in _bundles(source, split, findings):
        path = source / "groundTruth" / f"{video}.txt"
        try:
            yield _LabelledVideo(video, name, _frame_labels(path, where, labels, known))
        except DataError as problem:
            findings(problem)


def _bundles(source: Path, split: int, findings: Findings) -> list[tuple[str, str, str]]:
    """Reads the position, video and split of every line of the bundles."""
    rows: dict[str, tuple[str, str, str]] = {}
    for name in _SPLITS:
        path = source / "splits" / f"{name}.split{split}.bundle"
        if not path.is_file() and name == "val":
            continue
        if not path.is_file():
            there = sorted(item.name for item in path.parent.glob("*.bundle"))
            raise FileNotFoundError(f"Split {split} expects {path}, got none. Bundles there: {listing(there)}.")
        for where, line in _lines(path):
            video = listed_video(line, lambda video: (source / "groundTruth" / f"{video}.txt").is_file())
            if video is None:
                findings(DataError(f"{where}: expects the name of a file in groundTruth, got '{line[:60]}'."))
            elif video in rows:
                findings(DataError(f"{where}: expects every video once, got '{video}' as in {rows[video][0]}."))
            else:
                rows[video] = (where, video, name)
    if not rows:
        raise DataError(f"The bundles of split {split} expect at least one video, got none.")
    unused = {path.stem for path in (source / "groundTruth").glob("*.txt")} - rows.keys()
    if unused:
        findings.notes.append(f"{len(unused)} videos are in no bundle of split {split}: {listing(sorted(unused), 5)}.")
    return list(rows.values())


def _frame_labels(path: Path, where: str, labels: Sequence[str], known: frozenset[str]) -> list[str]:
    if not path.is_file():
        raise DataError(f"{where}: expects the labels groundTruth/{path.name}, got no such file.")
    found = list(_lines(path))
    if found and found[0][1].startswith(_HEADER):
        found = found[1:]
        if len(found) == 1 and found[0][1] not in known:
            found = [(found[0][0], word) for word in found[0][1].split()]
    if not found:
        raise DataError(f"groundTruth/{path.name}: expects a label a frame, got an empty file.")
    _refuse_gaps([place for place, _ in found])
    for place, label in found:
        if label not in known:
            raise DataError(
                f"groundTruth/{place}: expects a label of mapping.txt, got '{label}'.{nearest(label, labels)}"
            )
    return [label for _, label in found]


def _refuse_gaps(places: Sequence[str]) -> None:
    """Refuses empty lines between labels: all frames after one would get the label of another."""
    numbers = [int(place.rpartition(":")[2]) for place in places]
    for place, before, number in zip(places[1:], numbers, numbers[1:]):
        if number > before + 1:
            raise DataError(f"groundTruth/{place}: expects a label a line, got an empty line before it.")


def _features(
    source: Path, split: int, videos: Iterable[_LabelledVideo], time_axis: int | None, findings: Findings
) -> FeatureArrays | None:
    """Opens the features of the videos; None if the source has none."""
    folder = source / "features" / f"split{split}"
    folder = folder if folder.is_dir() else folder.parent
    paths = {item.video: array_file(folder, item.video) for item in videos}
    if not any(path.is_file() for path in paths.values()):
        findings.notes.append(f"no {folder.relative_to(source)}/<video>.npy: labels alone were converted.")
        return None
    num_labels = {item.video: len(item.labels) for item in videos}
    return FeatureArrays(paths, num_labels, findings, with_tokens=True, time_axis=time_axis)


def _with_equal_lengths(
    videos: Iterable[_LabelledVideo], arrays: FeatureArrays, cut_to_shorter: bool, findings: Findings
) -> Iterator[_LabelledVideo]:
    """Yields the videos whose features have a row for each label, after cutting if that is wanted."""
    cut: dict[str, tuple[int, int]] = {}
    for item in videos:
        num_rows, num_labels = arrays.num_frames.get(item.video), len(item.labels)
        if num_rows is None:
            continue
        length = common_length(num_rows, num_labels, any_difference=cut_to_shorter)
        if length is not None:
            if num_rows != num_labels:
                cut[item.video] = num_rows, num_labels
            yield _LabelledVideo(item.video, item.split, item.labels[:length])
        else:
            findings(
                DataError(
                    f"groundTruth/{item.video}.txt: expects a label for each of the {num_rows} features in "
                    f"{arrays.paths[item.video].name}, got {num_labels}. "
                    "Give cut_to_shorter if what is left over at the end may be dropped."
                )
            )
    note_cut(cut, findings)


def _copy_features(
    out: Path,
    videos: Sequence[_LabelledVideo],
    arrays: FeatureArrays,
    backbone: str,
    fps: Fraction,
    findings: Findings,
) -> list[_LabelledVideo]:
    """Copies features into the new data set, and returns the videos that were copied."""
    folder = arrays.paths[videos[0].video].parent.name if videos else ""
    weights = folder if folder.startswith("split") else "external"
    fingerprint = imported_fingerprint(backbone, weights, fps, arrays.tokens)
    lengths = {item.video: len(item.labels) for item in videos}
    written = write_arrays(out, arrays, lengths, fingerprint, findings)
    copied = set(progress(written, total=len(videos), what="Copying features", unit="video"))
    return [item for item in videos if item.video in copied]


def _groups(videos: Iterable[_LabelledVideo], pattern: str | None, findings: Findings) -> dict[str, str | None]:
    """Finds the group of each video; a video that the rule does not match is bad."""
    group_of = group_rule(pattern)
    groups = {}
    for item in videos:
        try:
            groups[item.video] = group_of(item.video)
        except DataError as problem:
            findings(problem)
    return groups


def _splits(
    videos: Sequence[_LabelledVideo], groups: Mapping[str, str | None], validation: float, seed: int
) -> dict[str, str]:
    if not 0 <= validation < 1:
        raise DataError(f"validation expects a share from 0 to below 1, got {validation}.")
    splits = {item.video: item.split for item in videos}
    if validation:
        train = [(item.video, groups[item.video] or item.video, None) for item in videos if item.split == "train"]
        splits |= assign_splits(train, {"train": 1 - validation, "val": validation}, seed)
    return splits


def _note_shared_groups(splits: Mapping[str, str], groups: Mapping[str, str | None], findings: Findings) -> None:
    in_train = {groups[video] for video, split in splits.items() if split == "train"} - {None}
    shared = in_train & {groups[video] for video, split in splits.items() if split != "train"}
    if shared:
        names = sorted(str(group) for group in shared)
        findings.notes.append(f"the bundles put {len(names)} groups into train and test: {listing(names, 5)}.")


def _video(item: _LabelledVideo, split: str, group: str | None, fps: Fraction) -> Video:
    return Video(video=item.video, split=split, duration=float(len(item.labels) / fps), group=group)
