"""Arrays from elsewhere: a `.npy` file a video, or `.npz` with one array, with time along either axis."""

import glob
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.data.fields import listing
from vidseq.errors import DataError
from vidseq.features.external import external_fingerprint
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore
from vidseq.files import NO_ARRAY, why_no_array
from vidseq.importers.conversion import Findings

#: The errors of a damaged or encrypted archive of arrays.
_NO_ARCHIVE = (zipfile.BadZipFile, zlib.error, RuntimeError)
#: Labels and features of published data may differ by so many frames at the end, where programs round differently.
ROUNDING_FRAMES = 1


class FeatureArrays:
    """The arrays of some videos. Time is along the same axis in all of them.

    `findings` records a file that is missing or cannot be read, and its video is not in `num_frames`.

    Args:
        paths: the file of each video.
        num_labels: the number of labels of each video, which decides which axis is time.
        findings: records bad files.
        with_tokens: allow a token axis, (T, N, D); all files then have the N of the first one.
        time_axis: 0 for (T, D), 1 for (D, T); None: what fits the labels, see `find_time_axis`.

    Raises:
        DataError: no shape shows which axis is time.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        num_labels: Mapping[str, int],
        findings: Findings,
        *,
        with_tokens: bool = False,
        time_axis: int | None = None,
    ) -> None:
        self.paths = paths
        self.shapes = dict(_shapes(paths, findings, with_tokens))
        """The shapes on disk."""
        found = [(shape, num_labels[video]) for video, shape in self.shapes.items()]
        self.tokens = found[0][0][1] if found and len(found[0][0]) == 3 else 0
        """Tokens N of a row; 0: no token axis."""
        self._axis = (
            0 if self.tokens or not found else find_time_axis(found, time_axis, self.where(next(iter(self.shapes))))
        )
        self.num_frames = {video: shape[self._axis] for video, shape in self.shapes.items()}
        """The number of feature rows T of each video."""

    def read(self, video: str) -> np.ndarray:
        """Returns the features of a video, (T, D) or (T, N, D), memory-mapped."""
        array = load_array(self.paths[video])
        return array if self._axis == 0 else array.T

    def where(self, video: str) -> str:
        """Returns the name of a video's file, for messages."""
        return file_name(self.paths[video])


class JoinedArrays:
    """Concatenates several features of the same frames, such as colour and motion.

    A video counts if all parts have it, at equal length; `findings` records the others.

    Args:
        parts: the features.
        findings: records videos whose parts differ in length.

    Raises:
        DataError: the parts differ in tokens.
    """

    def __init__(self, parts: Sequence[FeatureArrays], findings: Findings) -> None:
        self._parts = parts
        self.tokens = parts[0].tokens
        """Tokens N of a row, the same in all parts; 0: no token axis."""
        if len({part.tokens for part in parts}) > 1:
            counts = " and ".join(str(part.tokens) for part in parts)
            raise DataError(f"Features to concatenate expect as many tokens in each folder, got {counts}.")
        self.num_frames: dict[str, int] = {}
        """The number of rows T of each video."""
        for video in parts[0].num_frames:
            found = [(part, part.num_frames[video]) for part in parts if video in part.num_frames]
            if len({length for _, length in found}) > 1:
                names = " and ".join(f"{length} in {part.where(video)}" for part, length in found)
                findings(DataError(f"'{video}' expects features of one length, got {names}."))
            elif len(found) == len(parts):
                self.num_frames[video] = found[0][1]

    def read(self, video: str) -> np.ndarray:
        """Returns the features of a video, (T, D) or (T, N, D)."""
        return np.concatenate([part.read(video) for part in self._parts], axis=-1)

    def where(self, video: str) -> str:
        """Returns the names of a video's files, for messages."""
        return " and ".join(part.where(video) for part in self._parts)


def find_time_axis(found: Sequence[tuple[tuple[int, ...], int]], given: int | None, where: str) -> int:
    """Decides whether features are (T, D) or (D, T).

    One video does not decide it if its T equals its D; all videos together do.

    Args:
        found: the shape of each video's features and its number of labels.
        given: the answer, if the user knows it.
        where: name of the first file, for the error.

    Returns:
        0 for (T, D), 1 for (D, T): the axis that agrees with the labels more often, or else leaves one width, or else
        is nearer to the number of labels.

    Raises:
        DataError: both axes suit the labels equally well, or the given answer is neither.
    """
    if given not in (None, 0, 1):
        raise DataError(f"time_axis expects 0 for arrays (T, D) or 1 for (D, T), got {given}.")
    if given is not None:
        return given
    scores = []
    for axis in (0, 1):
        distances = [abs(shape[axis] - num_labels) for shape, num_labels in found]
        agree = sum(distance <= ROUNDING_FRAMES for distance in distances), distances.count(0)
        scores.append((*agree, -len({shape[1 - axis] for shape, _ in found}), -sum(distances)))
    if scores[0] == scores[1]:
        raise DataError(
            f"{where}: expects a shape that shows which axis is time, as those of all videos, got {found[0][0]}. Give "
            "time_axis, 0 if it is the first axis, or 1."
        )
    return int(scores[1] > scores[0])


def common_length(num_rows: int, num_labels: int, *, any_difference: bool = False) -> int | None:
    """The number of frames that have both features and labels; None: they differ by more than `ROUNDING_FRAMES`.

    Args:
        num_rows: rows of features.
        num_labels: labels of frames.
        any_difference: allow any difference at the end.
    """
    allowed = any_difference or abs(num_rows - num_labels) <= ROUNDING_FRAMES
    return min(num_rows, num_labels) if allowed else None


def note_cut(cut: Mapping[str, tuple[int, int]], findings: Findings) -> None:
    """Notes videos that were cut to the frames with both features and labels.

    Args:
        cut: rows of features and labels of each.
        findings: gets the note, if there are such videos.
    """
    if cut:
        named = [f"'{video}', {rows} features and {labels} labels" for video, (rows, labels) in cut.items()]
        findings.notes.append(
            f"{len(cut)} videos have more features or more labels at the end, which are dropped: {listing(named, 3)}."
        )


def write_arrays(
    out: Path,
    arrays: FeatureArrays | JoinedArrays,
    num_frames: Mapping[str, int],
    fingerprint: Fingerprint,
    findings: Findings,
) -> Iterator[str]:
    """Copies features into the store of a data set.

    Args:
        out: the data set.
        arrays: the features.
        num_frames: the videos to write, and how many frames of each from the start.
        fingerprint: of the store; its fps gives frame k the time k / fps.
        findings: records videos whose features the store refuses.

    Yields:
        each video that was written.
    """
    store = FeatureStore.create_in(out, fingerprint)
    for video, length in num_frames.items():
        pts_seconds = np.arange(length) / float(Fraction(fingerprint.fps))
        try:
            store.write(video, arrays.read(video)[:length], pts_seconds)
        except DataError as problem:
            findings(DataError(f"{arrays.where(video)}: {problem}"))
        else:
            yield video


def imported_fingerprint(backbone: str, weights: str, fps: Fraction, tokens: int = 0) -> Fingerprint:
    """Returns the fingerprint of features that an importer copies.

    Args:
        backbone: the name of the network that made them.
        weights: the name of its weights.
        fps: frames a second.
        tokens: tokens N of a row; 0: no token axis.
    """
    return external_fingerprint(f"external:{backbone}", fps, weights=weights, precision="external", tokens=tokens)


def file_name(path: Path) -> str:
    """The name of an array's file, for messages."""
    return f"{path.parent.name}/{path.name}"


def array_file(folder: Path, video: str) -> Path:
    """The file of a video's array: `.npz` where that is there and `.npy` is not."""
    path, zipped = folder / f"{video}.npy", folder / f"{video}.npz"
    return zipped if zipped.is_file() and not path.is_file() else path


def _shapes(paths: Mapping[str, Path], findings: Findings, with_tokens: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields the shapes of the files that can be read and have axes like the first of them."""
    first: tuple[int, ...] = ()
    for video, path in paths.items():
        try:
            shape = load_array(path).shape
            if len(shape) not in ((2, 3) if with_tokens else (2,)) or 0 in shape:
                tokens = ", or (T, N, D) with tokens" if with_tokens else ""
                raise DataError(f"{file_name(path)}: expects (T, D) or (D, T){tokens}, got {shape}.")
            first = first or shape
            if len(shape) != len(first) or shape[1:-1] != first[1:-1]:
                raise DataError(f"{file_name(path)}: expects the axes of the first file, {first}, got {shape}.")
        except DataError as problem:
            findings(problem)
        else:
            yield video, shape


def load_array(path: Path, kinds: str = "fiu") -> np.ndarray:
    """Loads an array, memory-mapped where that is possible.

    Args:
        path: a file .npy, or .npz with one array.
        kinds: the kinds of numbers that are allowed, as letters of `numpy.dtype.kind`.

    Raises:
        DataError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        others = sorted(other.name for other in path.parent.glob(f"{glob.escape(path.stem)}.*"))
        hint = f" There is {others[0]}; save it as {path.stem}.npy." if others else ""
        raise DataError(f"{file_name(path)}: expects an array for '{path.stem}', got no such file.{hint}")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(array, np.lib.npyio.NpzFile):
            with array as several:
                array = several[several.files[0]] if len(several.files) == 1 else several.files
    except (*NO_ARRAY, *_NO_ARCHIVE) as problem:
        raise DataError(
            f"{file_name(path)}: expects a NumPy array, got a file that is none ({why_no_array(problem)})."
        ) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{file_name(path)}: expects one array, got {listing(array) if array else 'none'}.")
    if array.dtype.kind not in kinds:
        raise DataError(f"{file_name(path)}: expects an array of numbers, got {array.dtype}.")
    return array
