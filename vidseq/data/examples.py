"""Training examples: a video's features with its queries and frame labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.utils.data
from torch import Tensor

from vidseq.data.dataset import Dataset
from vidseq.data.fields import listing, nearest
from vidseq.data.schema import Query, Segment
from vidseq.errors import DataError
from vidseq.features.store import FeatureStore

#: The class index of a frame without a class; losses and metrics leave it out.
IGNORED = -100


@dataclass(frozen=True)
class Example:
    """One video with its features."""

    video: str
    features: Tensor
    """float32 (T, D)."""
    pts_seconds: np.ndarray
    """Time of each frame, float64 (T,)."""
    queries: list[Query] = field(default_factory=list)
    """The queries, sorted by time."""
    frame_labels: Tensor | None = None
    """Class of each frame, long (T,), -100 for frames without a class; None in a data set without segments."""


class Examples(torch.utils.data.Dataset[Example]):
    """The examples of a split, one per video.

    Args:
        dataset: the videos, their segments and queries.
        store: the features of the videos.
        split: name of the split.
        derive: returns further queries of a video, given its name; None: only the data set's own queries.

    Raises:
        DataError: a video of the split has no features, or the split does not exist.
    """

    def __init__(
        self,
        dataset: Dataset,
        store: FeatureStore,
        split: str,
        *,
        derive: Callable[[str], list[Query]] | None = None,
    ) -> None:
        self.dataset = dataset
        self.store = store
        self.videos = [video.video for video in dataset.split(split)]
        missing = [video for video in self.videos if video not in store]
        if missing:
            raise DataError(
                f"Split '{split}' of data set '{dataset.info.name}' expects features of every video, got none of "
                f"{len(missing)} of {len(self.videos)}: {listing(missing, 5)}. Run `vidseq features` on the data set."
            )
        self._derive = derive

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> Example:
        """Reads an example.

        Raises:
            DataError: the video's features are not (T, D), or (T, N, D) with tokens, with T times, or hold NaN or
                infinity.
        """
        video = self.videos[index]
        stored = self.store.read(video)
        # Copies, because stored features are read-only and may have a lower precision.
        features = torch.from_numpy(np.array(stored.features, dtype=np.float32))
        check_features(video, features, stored.pts_seconds, self.store.dim, self.store.tokens)
        return Example(
            video, features, stored.pts_seconds, self._queries(video), self._labels(video, stored.pts_seconds)
        )

    def frames(self, index: int, start: int, stop: int) -> Tensor:
        """Reads the features of frames [start, stop) of a video alone, float32 (stop - start, D), unchecked.

        Raises:
            DataError: the video's features are gone or damaged.
        """
        stored = self.store.read(self.videos[index]).features
        return torch.from_numpy(np.array(stored[start:stop], dtype=np.float32))

    def _queries(self, video: str) -> list[Query]:
        derived = [] if self._derive is None else self._derive(video)
        return sorted(self.dataset.queries_of(video) + derived, key=lambda query: query.time)

    def _labels(self, video: str, pts_seconds: np.ndarray) -> Tensor | None:
        if not self.dataset.segments:
            return None
        return labels_of_video(self.dataset, video, pts_seconds)


def check_features(video: str, features: Tensor, pts_seconds: np.ndarray, dim: int, tokens: int | None = None) -> None:
    """Checks the features of a video.

    Args:
        video: name of the video, for the message.
        features: features to check, (T, D) or (T, N, D).
        pts_seconds: times of the frames, (T,).
        dim: expected width D.
        tokens: expected tokens N; None: no token axis.

    Raises:
        DataError: the shape, tokens or width is wrong, there is no frame, a value is NaN or infinite, or times fall.
    """
    sample = (dim,) if tokens is None else (tokens, dim)
    if len(features) == 0 or tuple(features.shape) != (len(pts_seconds), *sample):
        wanted = ", ".join(str(length) for length in sample)
        raise DataError(
            f"Features of '{video}' expect (T, {wanted}) with T times, T at least 1, got {tuple(features.shape)} with "
            f"{len(pts_seconds)} times. Extract them again."
        )
    finite = torch.isfinite(features).flatten(1).all(dim=1)
    if not bool(finite.all()):
        frame = int((~finite).nonzero()[0])
        raise DataError(
            f"Features of '{video}' expect finite numbers, got NaN or infinity in {int((~finite).sum())} of "
            f"{len(features)} frames, first at {pts_seconds[frame]:.3f} s. Extract them again."
        )
    if not bool(np.all(np.diff(pts_seconds) >= 0)):
        raise DataError(f"Features of '{video}' expect times that never fall. Extract them again.")


def labels_of_video(dataset: Dataset, video: str, pts_seconds: np.ndarray) -> Tensor:
    """Returns the class of each frame of a video by the data set's labels and background; see `frame_labels_of`."""
    return frame_labels_of(dataset.segments_of(video), pts_seconds, dataset.action_labels, dataset.info.background)


def frame_labels_of(
    segments: Sequence[Segment], pts_seconds: np.ndarray, labels: Sequence[str], background: str | None = None
) -> Tensor:
    """Returns the class of each frame, from the segment that holds it.

    A segment holds a frame if start <= time < end, with times rounded to the millisecond as in files. If segments
    overlap, the one that starts last counts, and of those the one that ends first.

    Args:
        segments: segments of one video.
        pts_seconds: times of the frames in ascending order, (T,).
        labels: the classes in order.
        background: the class of frames outside all segments; None: they get -100.

    Returns:
        class indices, long (T,).

    Raises:
        DataError: a segment's label or the background is not among `labels`.
    """
    classes = {label: index for index, label in enumerate(labels)}
    result = np.full(len(pts_seconds), IGNORED, dtype=np.int64)
    if background is not None:
        result[:] = _class_of(background, classes)
    in_order = sorted(segments, key=lambda item: (item.start, -item.end))
    for segment, frames in zip(in_order, frames_of(in_order, pts_seconds)):
        result[frames] = _class_of(segment.label, classes)
    return torch.from_numpy(result)


def frame_classes_of(
    segments: Sequence[Segment], pts_seconds: np.ndarray, labels: Sequence[str], background: str | None = None
) -> Tensor:
    """Returns all classes of each frame, from the segments that hold it; the arguments are those of `frame_labels_of`.

    Returns:
        int8 (T, C), 1 where a frame is of a class. A frame in no other segment is of the background, if there is one.

    Raises:
        DataError: a segment's label or the background is not among `labels`.
    """
    classes = {label: index for index, label in enumerate(labels)}
    result = np.zeros((len(pts_seconds), len(labels)), dtype=np.int8)
    for segment, frames in zip(segments, frames_of(segments, pts_seconds)):
        result[frames, _class_of(segment.label, classes)] = 1
    if background is not None:
        column = _class_of(background, classes)
        result[:, column] |= ~result.any(axis=1)
    return torch.from_numpy(result)


def count_overlapping(segments: Sequence[Segment]) -> int:
    """Returns how many segments of one video, sorted by start, overlap one of another label by 1 ms or more."""
    found = set()
    for index, segment in enumerate(segments):
        for other in range(index + 1, len(segments)):
            if segments[other].start > segment.end - 0.001:
                break
            if segments[other].label != segment.label:
                found |= {index, other}
    return len(found)


def frames_of(segments: Sequence[Segment], pts_seconds: np.ndarray) -> list[slice]:
    """Returns the frames that each segment holds; the arguments are those of `frame_labels_of`."""
    milliseconds = np.rint(np.asarray(pts_seconds, dtype=np.float64) * 1000)
    bounds = np.rint(np.array([(item.start, item.end) for item in segments]).reshape(-1, 2) * 1000)
    return [slice(first, last) for first, last in np.searchsorted(milliseconds, bounds).tolist()]


def _class_of(label: str, classes: dict[str, int]) -> int:
    if label not in classes:
        raise DataError(
            f"Frame labels expect labels of the data set, got '{label}'.{nearest(label, classes)} "
            f"Labels: {listing(classes)}."
        )
    return classes[label]
