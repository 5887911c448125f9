"""Arrays of targets: which classes each frame of a video is of."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vidseq.errors import DataError
from vidseq.importers.arrays import file_name, find_time_axis, load_array
from vidseq.importers.conversion import Findings

#: Kinds of numbers: bool, whole and real ones.
_KINDS = "biuf"


class TargetArrays:
    """The targets of some videos: 0 and 1 as (T, C), or as (C, T) in all of them; or the class of each frame, (T,).

    `findings` records a file that is missing or has another shape, and its video is not in `videos`.

    Args:
        paths: the file of each video.
        num_classes: C.
        findings: records bad files.
        time_axis: 0 for (T, C), 1 for (C, T); None: what fits the number of classes.

    Raises:
        DataError: no shape shows which axis is time.
    """

    def __init__(
        self, paths: Mapping[str, Path], num_classes: int, findings: Findings, time_axis: int | None = None
    ) -> None:
        self._paths, self._num_classes = paths, num_classes
        self._shapes: dict[str, tuple[int, ...]] = {}
        for video, path in paths.items():
            with findings.row():
                self._shapes[video] = self._shape(path)
        tables = {video: shape for video, shape in self._shapes.items() if len(shape) == 2}
        # the number of classes is known and that of frames is not: the axis that does not fit it is time
        found = [(shape[::-1], num_classes) for shape in tables.values()]
        self._axis = find_time_axis(found, time_axis, self.where(next(iter(tables)))) if tables else 0

    @property
    def videos(self) -> list[str]:
        """The videos whose files have the right shape."""
        return list(self._shapes)

    def read(self, video: str) -> np.ndarray:
        """Returns whether each frame of a video is of each class, bool (T, C).

        Raises:
            DataError: another number of classes, or values that are none.
        """
        array = load_array(self._paths[video], _KINDS)
        if array.ndim == 1:
            return self._of_numbers(array, video)
        frames = array if self._axis == 0 else array.T
        if frames.shape[1] != self._num_classes:
            raise DataError(
                f"{self.where(video)}: expects (T, {self._num_classes}), a column a class of class_names, got "
                f"{array.shape}."
            )
        if not np.isin(frames, (0, 1)).all():
            other = float(frames[~np.isin(frames, (0, 1))][0])
            raise DataError(f"{self.where(video)}: expects 0 and 1, got other values, such as {other}.")
        return np.asarray(frames, dtype=bool)

    def where(self, video: str) -> str:
        """Returns the name of a video's file, for messages."""
        return file_name(self._paths[video])

    def _of_numbers(self, array: np.ndarray, video: str) -> np.ndarray:
        wrong = array[~np.isin(array, np.arange(self._num_classes))]
        if len(wrong):
            raise DataError(
                f"{self.where(video)}: expects numbers of classes, 0 to {self._num_classes - 1}, got others, such as "
                f"{wrong[0].item()}."
            )
        return np.asarray(np.arange(self._num_classes) == array[:, None])

    def _shape(self, path: Path) -> tuple[int, ...]:
        shape = load_array(path, _KINDS).shape
        if len(shape) not in (1, 2) or 0 in shape:
            raise DataError(f"{file_name(path)}: expects (T, C), (C, T), or a class a frame, (T,), got {shape}.")
        return shape
