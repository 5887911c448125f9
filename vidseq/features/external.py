"""Imports the user's own features, .npy and .npz files of other tools, into a store. Needs no torch."""

import contextlib
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import numpy as np

from vidseq.errors import DataError, UserError, unknown_name
from vidseq.features.fingerprint import Fingerprint, rational
from vidseq.features.origin import file_state, is_replaced
from vidseq.features.report import ExtractReport
from vidseq.features.store import FeatureStore
from vidseq.files import NO_ARRAY, why_no_array
from vidseq.progress import progress

#: Orders of a file's two axes: frames first (TD), or features first (DT).
LAYOUTS = ("auto", "TD", "DT")
FEATURES_KEY = "features"
TIMES_KEY = "pts_seconds"
#: How far the rows of a file may be off those of its video's duration, as a share of them, and by one at least.
ROWS_OFF = 0.1
#: How far the rows of most files may be off, as a share, before their rate is another one; networks that see windows
#: leave out some at the ends. Files with fewer rows are not compared.
RATE_OFF, MIN_ROWS_TO_COMPARE = 0.2, 8


def external_fingerprint(
    name: str,
    fps: Fraction | float | str,
    *,
    weights: str = "external",
    precision: str = "float32",
    tokens: int = 0,
) -> Fingerprint:
    """Returns the fingerprint of features that were made by other software.

    Args:
        name: name of the model that made them, such as "i3d".
        fps: rows per second.
        weights: name of the model's weights, if there are several.
        precision: precision of the model; "external": unknown.
        tokens: tokens N of a row; 0: no token axis.
    """
    return Fingerprint(
        backbone=name,
        weights=weights,
        input_size=0,
        resize="external",
        pooling="external",
        fps=str(rational(fps)),
        precision=precision,
        engine="external",
        decoder="external",
        tokens=tokens,
    )


def count_tokens(source: Path | str) -> int:
    """Returns the tokens N of the first file of a folder that can be read; 0: rows are vectors, or no file can.

    Where the first axis of all files has length 1, it is that of the batch: extractors leave it.

    Args:
        source: folder of `.npy` and `.npz` files, as in `import_features`.
    """
    for path in _files(source).values():
        with contextlib.suppress(DataError):
            shape = _read(path)[0].shape
            if len(shape) == 2 or shape[0] > 1:
                return shape[1] if len(shape) == 3 else 0
    return 0


def import_features(
    source: Path | str,
    store: FeatureStore,
    *,
    layout: str = "auto",
    start: float = 0.0,
    videos: Iterable[str] | None = None,
    durations: Mapping[str, float] = MappingProxyType({}),
) -> ExtractReport:
    """Copies a folder of feature files into a store; an interrupted import can be repeated.

    Each file holds one video and has its name: `.npy` with one array, or `.npz` with one array or with "features", and
    optionally "pts_seconds". Without times, row k is at start + k / fps seconds.

    Args:
        source: folder of the files.
        store: the store, whose fingerprint has the rate; see `external_fingerprint`.
        layout: "TD" (frames, width), "DT" (width, frames), or "auto": the axis with the same length in all files is
            the width; where both have, the axis that fits the durations is that of frames. A first axis of length 1
            in front of both is left out. Files with a token axis are always (frames, tokens, width).
        start: time of the first row, in seconds.
        videos: names of the videos to import; None: all files. A video without a file counts as failed.
        durations: seconds of the videos, as far as they are known.

    Returns:
        a report on each file; files with NaN, with another width than most, or with other tokens than the store's
        fingerprint, are refused and named.

    Raises:
        FileNotFoundError: the folder does not exist or holds no feature files.
        UserError: the layout is unknown or cannot be inferred, a video has two files, most files have other numbers of
            rows than durations give, or the disk is full.
    """
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    files = _files(source)
    if not files:
        raise FileNotFoundError(f"import_features expects .npy or .npz files in {source}, got none. Check the folder.")
    wanted = list(files) if videos is None else list(videos)
    report = ExtractReport()
    shapes = {video: _shape(files[video], store.tokens, report, video) for video in wanted if video in files}
    rate = rational(store.fingerprint.fps)
    rows = {video: float(durations[video] * rate) for video in shapes if video in durations}
    dim, transposed = _width({video: shape for video, shape in shapes.items() if shape}, layout, rows)
    readable = {video: shape for video, shape in shapes.items() if shape}
    of_readable = {video: rows[video] for video in readable if video in rows and not _is_archive(files[video])}
    _check_rate(readable, of_readable, -1 if transposed else 0, float(rate))
    step = 1 / rate
    for video in progress(wanted, what="Importing features", unit="video"):
        if video in store and not (video in files and is_replaced(store.source(video), files[video])):
            report.skipped.append(video)
            continue
        if video not in files:
            report.failed[video] = f"{source} has no file for it"
        if video in report.failed:
            continue
        try:
            features, pts_seconds = _read(files[video])
            features = _without_batch(features, store.tokens)
            features = features.T if transposed else features
            if features.shape[-1] != dim:
                raise DataError(f"{files[video]} expects width {dim} like the other files, got {features.shape[-1]}.")
            if pts_seconds is None:
                pts_seconds = start + np.arange(len(features)) * float(step)
            store.write(video, features, pts_seconds, {"file": files[video].name, **file_state(files[video])})
        except DataError as error:
            report.failed[video] = str(error)
            continue
        report.done.append(video)
        report.num_frames += len(features)
    return report


def _files(source: Path | str) -> dict[str, Path]:
    """Finds the feature files of a folder, by video.

    Raises:
        UserError: two files of one video.
    """
    files: dict[str, Path] = {}
    for path in sorted(Path(source).glob("*.np[yz]")):
        other = files.setdefault(unicodedata.normalize("NFC", path.stem), path)
        if other != path:
            raise UserError(
                f"Importing features expects one file a video in {source}, got {other.name} and {path.name}. "
                "Move one away."
            )
    return files


def _check_rate(shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, float], axis: int, rate: float) -> None:
    """Refuses files whose rows are of another rate: all that is learnt of their times would be wrong.

    Raises:
        UserError: half of the files or more have other numbers of rows than their durations give.
    """
    off = {video: shapes[video][axis] / rows for video, rows in expected.items() if rows >= MIN_ROWS_TO_COMPARE}
    ratio = float(np.median([*off.values()])) if off else 1.0
    if abs(ratio - 1) > RATE_OFF:
        video = min(off, key=lambda name: abs(off[name] - ratio))
        raise UserError(
            f"Importing features expects about {expected[video]:.0f} rows of '{video}', by its duration at {rate:g} a "
            f"second, got {shapes[video][axis]}. Give the rate of their rows, such as --fps {rate * ratio:.3g}."
        )


def _shape(path: Path, tokens: int | None, report: ExtractReport, video: str) -> tuple[int, ...] | None:
    """Returns the shape of a file's array; None, with an entry in the report, if it cannot be read or does not fit."""
    try:
        array = _without_batch(_read(path)[0], tokens)
        if array.ndim != (2 if tokens is None else 3) or (tokens is not None and array.shape[1] != tokens):
            wanted = "two axes, frames and features" if tokens is None else f"three axes, (frames, {tokens}, features)"
            raise DataError(f"{path} expects numbers with {wanted}, got {array.dtype} {array.shape}.")
    except DataError as error:
        report.failed[video] = str(error)
        return None
    return array.shape


def _width(shapes: Mapping[str, tuple[int, ...]], layout: str, rows: Mapping[str, float]) -> tuple[int, bool]:
    """Returns the width of most files, and whether they are (D, T).

    Args:
        shapes: of the files' arrays, by video.
        layout: one of `LAYOUTS`.
        rows: rows that a video should have by its duration, where that is known.
    """
    if not shapes:
        return 0, False
    axes = [Counter(shape[axis] for shape in shapes.values()).most_common(1)[0] for axis in (0, -1)]
    first = next(iter(shapes.values()))
    if len(first) == 3:
        if layout == "DT":
            raise UserError(f"layout DT expects files with two axes, got {first}. Use (frames, tokens, features).")
        layout = "TD"
    if layout == "auto":
        counts = [axes[0][1], axes[1][1]]
        layout = "DT" if counts[0] > counts[1] else "TD" if counts[1] > counts[0] else _layout_by(rows, shapes)
    return axes[0 if layout == "DT" else 1][0], layout == "DT"


def _layout_by(rows: Mapping[str, float], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Finds the layout by the rows that videos should have; these must fit one axis alone."""
    off = {video: max(1, ROWS_OFF * rows[video]) for video in shapes if video in rows}
    fits = [all(abs(shapes[video][axis] - rows[video]) <= off[video] for video in off) for axis in (0, 1)]
    if fits[0] != fits[1]:
        return "TD" if fits[0] else "DT"
    video, shape = next(iter(shapes.items()))
    expected = f"{rows[video]:.0f} rows by its duration" if video in rows else "no duration to count its rows by"
    raise UserError(
        f"Importing features expects to know which axis is time, got {len(shapes)} files like {shape[0]} x {shape[1]} "
        f"of '{video}', with {expected}. Give the rate of their rows (--fps), or save them as (frames, width)."
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads a file's array, mapped from disk if possible, and its times if it has them."""
    try:
        if not _is_archive(path):
            return _numbers(path, np.load(path, mmap_mode="r", allow_pickle=False)), None
        # NumPy leaves a file open that it opened itself and cannot read
        with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:
            names = [name for name in loaded.files if name != TIMES_KEY]
            if FEATURES_KEY not in names and len(names) != 1:
                raise DataError(f"{path} expects an array named '{FEATURES_KEY}', got {', '.join(names) or 'none'}.")
            times = loaded[TIMES_KEY] if TIMES_KEY in loaded.files else None
            return _numbers(path, loaded[FEATURES_KEY if FEATURES_KEY in names else names[0]]), times
    except DataError:
        raise
    except (*NO_ARRAY, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read: {why_no_array(error)}. It expects an array of numbers as np.save writes."
        ) from error


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _without_batch(array: np.ndarray, tokens: int | None) -> np.ndarray:
    return array[0] if tokens is None and array.ndim == 3 and len(array) == 1 else array


def _numbers(path: Path, array: np.ndarray) -> np.ndarray:
    if array.ndim not in (2, 3) or array.dtype.kind not in "fiu":
        raise DataError(
            f"{path} expects numbers with two axes, frames and features, or three with tokens between, "
            f"got {array.dtype} {array.shape}."
        )
    return array
