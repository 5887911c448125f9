"""The layout of MS-TCN, which Breakfast, 50 Salads and GTEA are published in.

```
mapping.txt                         "id name", a class a line
groundTruth/<video>.txt             a label a frame
splits/{train,test}.split<K>.bundle "<video>.txt" a line
features/<video>.npy                (D, T), (T, D), or (T, N, D) with tokens; or features/split<K>/<video>.npy
```
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
from vidseq.importers.arrays import FeatureArrays, imported_fingerprint, write_arrays
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.progress import progress


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
        cut_to_shorter: where labels and features differ in length, keep the frames that have both.
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
    arrays = _features(source, split, videos, findings)
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
        DataError: a line that is not "number name", or numbers that are not 0, 1, 2, ... once each.
    """
    names: dict[int, str] = {}
    for where, line in _lines(path):
        number, _, label = line.partition(" ")
        if not number.isdecimal() or not label.strip():
            raise DataError(f"{where}: expects a class as 'number name', got '{line}'.")
        if int(number) in names or label.strip() in names.values():
            raise DataError(f"{where}: expects every number and name once, got '{line}' again.")
        names[int(number)] = label.strip()
    if sorted(names) != list(range(len(names))) or not names:
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
    """Reads the position, video and split of every line of the two bundles."""
    rows: dict[str, tuple[str, str, str]] = {}
    for name in ("train", "test"):
        path = source / "splits" / f"{name}.split{split}.bundle"
        if not path.is_file():
            there = sorted(item.name for item in path.parent.glob("*.bundle"))
            raise FileNotFoundError(f"Split {split} expects {path}, got none. Bundles there: {listing(there)}.")
        for where, line in _lines(path):
            video = line.removesuffix(".txt")
            if not _is_file_name(video):
                findings(DataError(f"{where}: expects the name of a file in groundTruth, got '{video[:60]}'."))
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


def _is_file_name(name: str) -> bool:
    """Whether a name is that of a file in a folder, not a path that leads out of it."""
    return not re.search(r"[/\\\0]", name) and len(name.encode()) <= 200


def _frame_labels(path: Path, where: str, labels: Sequence[str], known: frozenset[str]) -> list[str]:
    if not path.is_file():
        raise DataError(f"{where}: expects the labels groundTruth/{path.name}, got no such file.")
    found = [(place, label) for place, label in _lines(path)]
    if not found:
        raise DataError(f"groundTruth/{path.name}: expects a label a frame, got an empty file.")
    for place, label in found:
        if label not in known:
            raise DataError(
                f"groundTruth/{place}: expects a label of mapping.txt, got '{label}'.{nearest(label, labels)}"
            )
    return [label for _, label in found]


def _features(source: Path, split: int, videos: Iterable[_LabelledVideo], findings: Findings) -> FeatureArrays | None:
    """Opens the features of the videos; None if the source has none."""
    folder = source / "features" / f"split{split}"
    folder = folder if folder.is_dir() else folder.parent
    paths = {item.video: folder / f"{item.video}.npy" for item in videos}
    if not any(path.is_file() for path in paths.values()):
        findings.notes.append(f"no {folder.relative_to(source)}/<video>.npy: labels alone were converted.")
        return None
    return FeatureArrays(paths, {item.video: len(item.labels) for item in videos}, findings, with_tokens=True)


def _with_equal_lengths(
    videos: Iterable[_LabelledVideo], arrays: FeatureArrays, cut_to_shorter: bool, findings: Findings
) -> Iterator[_LabelledVideo]:
    """Yields the videos whose features have a row for each label, after cutting if that is wanted."""
    for item in videos:
        num_rows, num_labels = arrays.num_frames.get(item.video), len(item.labels)
        if num_rows is None:
            continue
        if num_rows == num_labels:
            yield item
        elif cut_to_shorter:
            findings.notes.append(f"'{item.video}': {num_rows} features and {num_labels} labels cut to the shorter.")
            yield _LabelledVideo(item.video, item.split, item.labels[:num_rows])
        else:
            findings(
                DataError(
                    f"groundTruth/{item.video}.txt: expects a label for each of the {num_rows} features in "
                    f"{arrays.paths[item.video].name}, got {num_labels}. "
                    "Give cut_to_shorter if what is left over at the end may be dropped."
                )
            )


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
