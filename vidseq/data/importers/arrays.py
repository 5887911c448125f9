"""Feature arrays that somebody else made, one `.npy` file a video, time along either axis."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.data.conversion import Findings
from vidseq.errors import DataError
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore


class FeatureArrays:
    """The arrays of some videos, which agree about which axis is time.

    A file that is missing or cannot be read goes to `findings`, and its video is not in `num_frames`.

    Args:
        paths: the file of each video.
        num_labels: how many labels each video has, which tells time from width.
        findings: told of every bad file.
    """

    def __init__(self, paths: Mapping[str, Path], num_labels: Mapping[str, int], findings: Findings) -> None:
        self.paths = paths
        shapes = dict(_shapes(paths, findings))
        self._axis = time_axis([(shape, num_labels[video]) for video, shape in shapes.items()])
        self.num_frames = {video: shape[self._axis] for video, shape in shapes.items()}
        """Feature rows T of each video."""

    def read(self, video: str) -> np.ndarray:
        """The features of a video, (T, D), mapped from its file."""
        array = _load(self.paths[video])
        return array if self._axis == 0 else array.T


def time_axis(found: list[tuple[tuple[int, int], int]]) -> int:
    """Tells (T, D) from (D, T).

    One video cannot tell where its T happens to equal D; all of them can.

    Args:
        found: the shape of each video's features and how many labels it has.

    Returns:
        0 for (T, D), 1 for (D, T): the axis that agrees with the labels more often, or else leaves one width.
    """

    def score(axis: int) -> tuple[int, int]:
        agree = sum(shape[axis] == num_labels for shape, num_labels in found)
        return agree, -len({shape[1 - axis] for shape, _ in found})

    return max((0, 1), key=score)


def write_arrays(
    out: Path,
    arrays: FeatureArrays,
    num_frames: Mapping[str, int],
    fingerprint: Fingerprint,
    findings: Findings,
) -> Iterator[str]:
    """Copies features into the store of a data set.

    Args:
        out: the data set.
        arrays: the features.
        num_frames: which videos, and how many frames of each from the start.
        fingerprint: of the store; its fps gives frame k the time k / fps.
        findings: told of every video whose features the store refuses.

    Yields:
        each video that was written.
    """
    store = FeatureStore.create_in(out, fingerprint)
    for video, length in num_frames.items():
        pts_seconds = np.arange(length) / float(Fraction(fingerprint.fps))
        try:
            store.write(video, arrays.read(video)[:length], pts_seconds)
        except DataError as problem:
            findings(DataError(f"features/{arrays.paths[video].name}: {problem}"))
        else:
            yield video


def external_fingerprint(backbone: str, weights: str, fps: Fraction) -> Fingerprint:
    """The fingerprint of features made elsewhere.

    Args:
        backbone: what made them.
        weights: which of its weights, where there are several.
        fps: frames a second.
    """
    return Fingerprint(
        backbone=f"external:{backbone}",
        weights=weights,
        input_size=0,
        resize="external",
        pooling="external",
        fps=str(fps),
        precision="external",
        engine="external",
        decoder="external",
    )


def _shapes(paths: Mapping[str, Path], findings: Findings) -> Iterator[tuple[str, tuple[int, int]]]:
    for video, path in paths.items():
        try:
            shape = _load(path).shape
            if len(shape) != 2 or 0 in shape:
                raise DataError(f"features/{path.name}: expects (T, D) or (D, T), got {shape}.")
        except DataError as problem:
            findings(problem)
        else:
            yield video, (shape[0], shape[1])


def _load(path: Path) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"features/{path.name}: expects the features of '{path.stem}', got no such file.")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as problem:
        raise DataError(f"features/{path.name}: expects a NumPy array, got a file that is none ({problem}).") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise DataError(f"features/{path.name}: expects an array of numbers, got {type(array).__name__}.")
    return array
