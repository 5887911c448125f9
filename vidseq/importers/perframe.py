"""The layout of LSTR, TeSTra, MiniROAD and other online detectors: arrays of targets and of features.

```
target_perframe/<video>.npy     (T, C), 1 where a frame is of a class, class 0 the background; (C, T) works too
<features>/<video>.npy          (T, D), (D, T), or (T, N, D) with tokens, any number of such folders
data_info.json                  {"THUMOS": {"class_names": [...], "fps": 4, "ignore_index": 21,
                                            "train_session_set": [...], "test_session_set": [...]}, ...}
```

Where frames are of several classes, the header of the data set asks for many labels a frame. Frames of the class
`ignore_index` ("Ambiguous" in THUMOS'14) count neither in training nor in scores.
"""

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
    imported_fingerprint,
    write_arrays,
)
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.progress import progress

_SPLITS = {"train": "train_session_set", "val": "val_session_set", "test": "test_session_set"}


@dataclass(frozen=True)
class _About:
    """The entry of one data set in `data_info.json`."""

    classes: tuple[str, ...]
    fps: Fraction
    splits: Mapping[str, str]
    """By video."""
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
    name: str | None = None,
    licence: str = "unknown",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts arrays of targets and features; the source is not changed.

    Each run of frames of a class becomes a segment; where frames are of several classes at once, segments overlap.
    Frames of the background, class 0, and frames of no class get none. Features are copied into the new data set with
    the backbone "external:<features>"; frame k stands at k / fps.

    Args:
        source: the folder that holds the targets and the features.
        out: the new data set.
        info: `data_info.json` of the detector's repository.
        features: the folder of the features; several, with commas, are concatenated.
        key: the name of the data set in `info`; None: the only one, or the one with the name of the source.
        fps: frames a second; None: those in `info`.
        targets: the folder of the targets, such as "verb_perframe".
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
    key, about = _read_about(Path(info), key, source, fps)
    read = dict(_read_targets(source / targets, about, findings))
    lengths = {video: target.num_frames for video, target in read.items()}
    arrays = _features([source / folder for folder in folders], lengths, findings)
    videos = list(_with_equal_lengths(lengths, arrays, source / targets, findings))
    fingerprint = imported_fingerprint("+".join(folders), "external", about.fps, arrays.tokens)
    written = write_arrays(Path(out), arrays, {video: lengths[video] for video in videos}, fingerprint, findings)
    videos = list(progress(written, total=len(videos), what="Copying features", unit="video"))
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
            background=about.classes[0],
            observations="features",
        ),
        [
            Video(video=video, split=about.splits[video], duration=float(lengths[video] / about.fps))
            for video in videos
        ],
        [segment for video in videos for segment in read[video].segments],
    )
    return findings.report(dataset, len(videos))


def class_runs(video: str, frames: np.ndarray, classes: Sequence[str], fps: Fraction) -> Iterator[Segment]:
    """Turns frames of classes into segments, one a run of a class, by class; class 0 is the background.

    Args:
        video: the name of the video.
        frames: bool (T, C); frame k lasts from k / fps to (k + 1) / fps.
        classes: the names of the C classes.
        fps: frames a second.
    """
    for number in (np.flatnonzero(frames[:, 1:].any(axis=0)) + 1).tolist():
        bounds = np.flatnonzero(np.diff(frames[:, number], prepend=False, append=False))
        for first, last in bounds.reshape(-1, 2).tolist():
            yield Segment(video=video, start=float(first / fps), end=float(last / fps), label=classes[number])


def _read_about(path: Path, key: str | None, source: Path, fps: str | float | None) -> tuple[str, _About]:
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
    ignored = entry.get("ignore_index")
    ambiguous = classes[ignored] if isinstance(ignored, int) and 0 < ignored < len(classes) else ""
    return key, _About(classes, rate, splits, ambiguous)


def _frame_label_options(about: _About, several: bool) -> dict[str, float | int | str | bool]:
    """The options of frame labels that the arrays ask for."""
    options: dict[str, float | int | str | bool] = {"multi_label": True} if several else {}
    return {**options, "ambiguous": about.ambiguous} if about.ambiguous else options


def _read_targets(folder: Path, about: _About, findings: Findings) -> Iterator[tuple[str, _Target]]:
    """Reads the targets of each video, one at a time, because with many classes they are large."""
    num_classes = len(about.classes)
    paths = {video: folder / f"{video}.npy" for video in about.splits}
    others = {path.stem for path in folder.glob("*.npy")} - paths.keys()
    if others:
        findings.notes.append(f"{len(others)} videos of {folder.name} are in no split: {listing(sorted(others), 5)}.")
    # the number of a target's classes is known and that of its frames is not: columns are tried as frames
    columns = FeatureArrays(paths, dict.fromkeys(paths, num_classes), findings)
    for video in progress(list(columns.num_frames), what="Reading targets", unit="video"):
        frames = columns.read(video).T
        if frames.shape[1] != num_classes:
            what = f"(T, {num_classes}), a column a class of class_names, got {columns.shapes[video]}"
        elif not np.isin(frames, (0, 1)).all():
            what = f"0 and 1, got other values, such as {float(frames[~np.isin(frames, (0, 1))][0])}"
        else:
            frames = np.asarray(frames, dtype=bool)
            segments = tuple(class_runs(video, frames, about.classes, about.fps))
            yield video, _Target(len(frames), segments, bool((frames[:, 1:].sum(axis=1) > 1).any()))
            continue
        findings(DataError(f"{columns.where(video)}: expects {what}."))


def _features(folders: Sequence[Path], lengths: Mapping[str, int], findings: Findings) -> FeatureArrays | JoinedArrays:
    parts = [
        FeatureArrays({video: folder / f"{video}.npy" for video in lengths}, lengths, findings, with_tokens=True)
        for folder in folders
    ]
    return parts[0] if len(parts) == 1 else JoinedArrays(parts, findings)


def _with_equal_lengths(
    lengths: Mapping[str, int], arrays: FeatureArrays | JoinedArrays, targets: Path, findings: Findings
) -> Iterator[str]:
    for video, num_rows in arrays.num_frames.items():
        if num_rows == lengths[video]:
            yield video
        else:
            findings(
                DataError(
                    f"{targets.name}/{video}.npy: expects a row for each of the {num_rows} features in "
                    f"{arrays.where(video)}, got {lengths[video]}."
                )
            )
