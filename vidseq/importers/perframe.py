"""The layout of LSTR, TeSTra, MiniROAD and other online detectors: arrays of targets and of features.

```
target_perframe/<video>.npy     (T, C), 1 where a frame is of a class; (C, T), or the class of each frame, (T,)
<features>/<video>.npy          (T, D), (D, T), or (T, N, D) with tokens, any number of such folders
data_info.json                  {"THUMOS": {"class_names": [...], "fps": 4, "ignore_index": 21,
                                            "train_session_set": [...], "test_session_set": [...]}, ...}
```

Where frames are of several classes, the header of the data set asks for many labels a frame. Frames of the class
`ignore_index`, or else of one named "Ambiguous", count neither in training nor in scores. The background is the class
with such a name, first or last. Targets and features may differ by a frame at the end, which is dropped.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import Row, listing, nearest, parse_fps
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.data.tables import read_json
from vidseq.errors import DataError
from vidseq.importers.arrays import (
    FeatureArrays,
    JoinedArrays,
    array_file,
    common_length,
    imported_fingerprint,
    note_cut,
    write_arrays,
)
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.listed_videos import listed_video
from vidseq.importers.perframe_targets import TargetArrays
from vidseq.progress import progress

_SPLITS = {"train": "train_session_set", "val": "val_session_set", "test": "test_session_set"}
#: What the class that is no action is called, in small letters.
_BACKGROUNDS = ("background", "bg", "no action", "no_action", "none")
#: What `background` says where no class is the background.
_NO_BACKGROUND = "none"
#: What the class of frames that do not count is called, in small letters.
_AMBIGUOUS = "ambiguous"


@dataclass(frozen=True)
class _About:
    """The entry of one data set in `data_info.json`."""

    classes: tuple[str, ...]
    fps: Fraction
    splits: Mapping[str, str]
    """By video."""
    background: int | None
    """The index of the class that is no action; None: none is."""
    ambiguous: str
    """The class whose frames do not count; "": none is."""


@dataclass(frozen=True)
class _Target:
    """The facts of the array of a video's targets."""

    num_frames: int
    segments: tuple[Segment, ...]
    several: bool
    """Whether frames are of several classes at once."""


@importer("perframe")
def convert(
    source: Path,
    out: Path,
    *,
    info: Path,
    features: str,
    key: str | None = None,
    fps: str | float | None = None,
    targets: str = "target_perframe",
    background: str | None = None,
    time_axis: int | None = None,
    name: str | None = None,
    licence: str = "unknown",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts arrays of targets and features; the source is not changed.

    Each run of frames of a class becomes a segment; where frames are of several classes at once, segments overlap.
    Frames of the background and frames of no class get none. Features are copied into the new data set with
    the backbone "external:<features>"; frame k stands at k / fps.

    Args:
        source: the folder that holds the targets and the features.
        out: the new data set.
        info: `data_info.json` of the detector's repository.
        features: the folder of the features; several, with commas, are concatenated.
        key: the name of the data set in `info`; None: the only one, or the one with the name of the source.
        fps: frames a second; None: those in `info`.
        targets: the folder of the targets, such as "verb_perframe".
        background: the class that is no action, or none; the class with such a name if left out.
        time_axis: 0 for arrays (T, C) and (T, D), 1 for (C, T) and (D, T); what fits if left out.
        name: of the data set; None: the key.
        licence: of the data.
        skip_bad: leave videos out that cannot be read, and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file: no array, values that are neither 0 nor 1, lengths that differ, ...
        FileNotFoundError: the source is not in this layout.
    """
    source, findings = Path(source), Findings(skip_bad)
    folders = [word.strip() for word in features.split(",")]
    for folder in (targets, *folders):
        if not (source / folder).is_dir():
            there = sorted(path.name for path in source.glob("*") if path.is_dir())
            raise FileNotFoundError(
                f"The perframe layout expects a folder {folder} in {source}, got none.{nearest(folder, there)} "
                f"Folders there: {listing(there)}."
            )
    key, about = _read_about(Path(info), key, source, fps, background)
    about = dataclasses.replace(about, splits=_with_files(about.splits, source / targets, findings))
    read = dict(_read_targets(source / targets, about, time_axis, findings))
    num_targets = {video: target.num_frames for video, target in read.items()}
    arrays = _features([source / folder for folder in folders], num_targets, time_axis, findings)
    lengths = dict(_common_lengths(num_targets, arrays, targets, findings))
    fingerprint = imported_fingerprint("+".join(folders), "external", about.fps, arrays.tokens)
    written = write_arrays(Path(out), arrays, lengths, fingerprint, findings)
    videos = list(progress(written, total=len(lengths), what="Copying features", unit="video"))
    several = [video for video in videos if read[video].several]
    if several:
        findings.notes.append(
            f"{len(several)} videos have frames of several classes, whose segments overlap: {listing(several, 5)}. "
            f"The header asks for many labels a frame (multi_label)."
        )
    dataset = write_dataset(
        out,
        DatasetInfo(
            name=name or key,
            fps=about.fps,
            tasks={
                "frame_labels": _frame_label_options(about, bool(several)),
                "next_action": {"anticipation_seconds": 1.0},
            },
            labels={"action": about.classes},
            licence=licence,
            source=f"{targets} and {', '.join(folders)}, LSTR layout",
            background=None if about.background is None else about.classes[about.background],
            observations="features",
        ),
        [
            Video(video=video, split=about.splits[video], duration=float(lengths[video] / about.fps))
            for video in videos
        ],
        [segment for video in videos for segment in _within(read[video].segments, float(lengths[video] / about.fps))],
    )
    return findings.report(dataset, len(videos))


def class_runs(
    video: str, frames: np.ndarray, classes: Sequence[str], fps: Fraction, background: int | None = 0
) -> Iterator[Segment]:
    """Turns frames of classes into segments, one a run of a class, by class.

    Args:
        video: the name of the video.
        frames: bool (T, C); frame k lasts from k / fps to (k + 1) / fps.
        classes: the names of the C classes.
        fps: frames a second.
        background: the index of the class that gets none; None: all get segments.
    """
    for number in np.flatnonzero(frames.any(axis=0)).tolist():
        if number == background:
            continue
        bounds = np.flatnonzero(np.diff(frames[:, number], prepend=False, append=False))
        for first, last in bounds.reshape(-1, 2).tolist():
            yield Segment(video=video, start=float(first / fps), end=float(last / fps), label=classes[number])


def _within(segments: Sequence[Segment], end: float) -> Iterator[Segment]:
    """The parts of segments up to a time in seconds."""
    for item in segments:
        if item.start < end:
            yield dataclasses.replace(item, end=min(item.end, end))


def _read_about(
    path: Path, key: str | None, source: Path, fps: str | float | None, background: str | None
) -> tuple[str, _About]:
    if not path.is_file():
        raise FileNotFoundError(f"The perframe layout expects the file {path}, got none.")
    values = read_json(path)
    if key is None:
        key = next(iter(values)) if len(values) == 1 else source.resolve().name
    if key not in values:
        raise DataError(f"{path.name}: expects a data set '{key}', got {listing(list(values))}. Name one as key.")
    entry = values[key]
    if not isinstance(entry, dict):
        raise Row(path.name, values).expect(key, "an object with class_names and the videos of each split")
    row = Row(f"{path.name}: {key}", entry)
    classes = row.texts("class_names")
    if len(classes) < 2:
        raise row.expect("class_names", "the background's name and one more")
    splits: dict[str, str] = {}
    for split, field in _SPLITS.items():
        for video in row.texts(field):
            if splits.setdefault(video, split) != split:
                raise row.error(f"a video expects one split, got '{video}' in {splits[video]} and {split}.")
    if not splits:
        raise row.expect("train_session_set", "a list of videos")
    rate = row.optional_fps("fps") if fps is None else parse_fps(fps)
    if rate is None:
        raise row.error("expects frames a second as 'fps', got none. Give fps.")
    number = _find_background(row, classes, background)
    return key, _About(classes, rate, splits, number, _find_ambiguous(entry.get("ignore_index"), classes, number))


def _find_background(row: Row, classes: Sequence[str], given: str | None) -> int | None:
    if given == _NO_BACKGROUND and given not in classes:
        return None
    named = [index for index, name in enumerate(classes) if name.lower() in _BACKGROUNDS]
    if given is not None:
        named = [index for index, name in enumerate(classes) if name == given]
    if len(named) != 1:
        raise row.error(
            f"class_names expects one class that is no action, got {listing([classes[index] for index in named])} "
            f"among {listing(classes, 6)}. Name it as background, or give background none."
        )
    return named[0]


def _find_ambiguous(ignored: object, classes: Sequence[str], background: int | None) -> str:
    """The class that `ignore_index` names, or else one that is called so."""
    if isinstance(ignored, int) and 0 <= ignored < len(classes) and ignored != background:
        return classes[ignored]
    return next((name for name in classes if name.lower() == _AMBIGUOUS), "")


def _with_files(splits: Mapping[str, str], targets: Path, findings: Findings) -> dict[str, str]:
    """The split of each video by the name of its file of targets; lists may have paths and suffixes."""
    found: dict[str, str] = {}
    for text, split in splits.items():
        video = listed_video(text, lambda video: array_file(targets, video).is_file())
        if video is None:
            findings(DataError(f"{split} videos: expects the name of a file in {targets.name}, got '{text[:60]}'."))
        elif found.setdefault(video, split) != split:
            findings(DataError(f"a video expects one split, got '{video}' in {found[video]} and {split}."))
    return found


def _frame_label_options(about: _About, several: bool) -> dict[str, float | int | str | bool]:
    """The options of frame labels that the arrays ask for."""
    options: dict[str, float | int | str | bool] = {"multi_label": True} if several else {}
    return {**options, "ambiguous": about.ambiguous} if about.ambiguous else options


def _read_targets(
    folder: Path, about: _About, time_axis: int | None, findings: Findings
) -> Iterator[tuple[str, _Target]]:
    """Reads the targets of each video, one at a time, because with many classes they are large."""
    paths = {video: array_file(folder, video) for video in about.splits}
    others = {path.stem for path in folder.glob("*.np[yz]")} - paths.keys()
    if others:
        findings.notes.append(f"{len(others)} videos of {folder.name} are in no split: {listing(sorted(others), 5)}.")
    arrays = TargetArrays(paths, len(about.classes), findings, time_axis)
    for video in progress(arrays.videos, what="Reading targets", unit="video"):
        with findings.row():
            frames = arrays.read(video)
            segments = tuple(class_runs(video, frames, about.classes, about.fps, about.background))
            actions = frames if about.background is None else np.delete(frames, about.background, axis=1)
            yield video, _Target(len(frames), segments, bool((actions.sum(axis=1) > 1).any()))


def _features(
    folders: Sequence[Path], lengths: Mapping[str, int], time_axis: int | None, findings: Findings
) -> FeatureArrays | JoinedArrays:
    parts = [
        FeatureArrays(
            {video: array_file(folder, video) for video in lengths},
            lengths,
            findings,
            with_tokens=True,
            time_axis=time_axis,
        )
        for folder in folders
    ]
    return parts[0] if len(parts) == 1 else JoinedArrays(parts, findings)


def _common_lengths(
    num_targets: Mapping[str, int], arrays: FeatureArrays | JoinedArrays, targets: str, findings: Findings
) -> Iterator[tuple[str, int]]:
    """Yields the videos whose targets and features agree, each with the number of frames that have both."""
    cut: dict[str, tuple[int, int]] = {}
    for video, num_rows in arrays.num_frames.items():
        length = common_length(num_rows, num_targets[video])
        if length is not None:
            if num_rows != num_targets[video]:
                cut[video] = num_rows, num_targets[video]
            yield video, length
        else:
            findings(
                DataError(
                    f"{targets}/{video}.npy: expects a row for each of the {num_rows} features in "
                    f"{arrays.where(video)}, got {num_targets[video]}."
                )
            )
    note_cut(cut, findings)
