"""Examples to train on and to score: a video's features with its queries and frame labels."""

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

#: The class of a frame that has none; losses and metrics leave it out.
IGNORED = -100


@dataclass(frozen=True)
class Example:
    """One video with its features."""

    video: str
    features: Tensor
    """float32 (T, D)."""
    pts_seconds: np.ndarray
    """float64 (T,): when each frame is shown."""
    queries: list[Query] = field(default_factory=list)
    """By time."""
    frame_labels: Tensor | None = None
    """long (T,), -100 where a frame has no class; None in a data set without segments."""


class Examples(torch.utils.data.Dataset[Example]):
    """The videos of a split that have features, one example a video.

    Args:
        dataset: what is known of the videos.
        store: their features.
        split: which videos.
        derive: gives more queries of a video, by its name; None: the data set's own alone.

    Raises:
        DataError: a video of the split has no features, or there is no such split.
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
            DataError: the features are not (T, D) with T times, or hold NaN or infinity; names the video.
        """
        video = self.videos[index]
        stored = self.store.read(video)
        # A copy: stored features are read-only and shorter floats.
        features = torch.from_numpy(np.array(stored.features, dtype=np.float32))
        check_features(video, features, stored.pts_seconds, self.store.dim)
        return Example(
            video, features, stored.pts_seconds, self._queries(video), self._labels(video, stored.pts_seconds)
        )

    def _queries(self, video: str) -> list[Query]:
        derived = [] if self._derive is None else self._derive(video)
        return sorted(self.dataset.queries_of(video) + derived, key=lambda query: query.time)

    def _labels(self, video: str, pts_seconds: np.ndarray) -> Tensor | None:
        if not self.dataset.segments:
            return None
        segments = self.dataset.segments_of(video)
        return frame_labels_of(segments, pts_seconds, self.dataset.action_labels, self.dataset.info.background)


def check_features(video: str, features: Tensor, pts_seconds: np.ndarray, dim: int) -> None:
    """Refuses features that no model should see.

    Args:
        video: named in the message.
        features: (T, D).
        pts_seconds: (T,).
        dim: the width D they should have.

    Raises:
        DataError: another shape or width, no frames, NaN or infinity, times that do not rise.
    """
    if features.ndim != 2 or features.shape[1] != dim or features.shape[0] != len(pts_seconds) or len(features) == 0:
        raise DataError(
            f"Features of '{video}' expect (T, {dim}) with T times, T at least 1, got {tuple(features.shape)} with "
            f"{len(pts_seconds)} times. Extract them again."
        )
    finite = torch.isfinite(features).all(dim=1)
    if not bool(finite.all()):
        frame = int((~finite).nonzero()[0])
        raise DataError(
            f"Features of '{video}' expect finite numbers, got NaN or infinity in {int((~finite).sum())} of "
            f"{len(features)} frames, first at {pts_seconds[frame]:.3f} s. Extract them again."
        )
    if not bool(np.all(np.diff(pts_seconds) >= 0)):
        raise DataError(f"Features of '{video}' expect times that never fall. Extract them again.")


def frame_labels_of(
    segments: Sequence[Segment], pts_seconds: np.ndarray, labels: Sequence[str], background: str | None = None
) -> Tensor:
    """Gives each frame the class of the segment it lies in.

    A frame lies in a segment when start <= time < end, to the millisecond, as times are written. Where segments
    overlap, the one that started last counts, and of those the one that ends first.

    Args:
        segments: of one video.
        pts_seconds: (T,), rising.
        labels: the classes in order.
        background: the class of frames in no segment; None: they get -100.

    Returns:
        long (T,).

    Raises:
        DataError: a segment's label or the background is none of `labels`.
    """
    classes = {label: index for index, label in enumerate(labels)}
    milliseconds = np.rint(np.asarray(pts_seconds, dtype=np.float64) * 1000)
    result = np.full(len(milliseconds), IGNORED, dtype=np.int64)
    if background is not None:
        result[:] = _class_of(background, classes)
    for segment in sorted(segments, key=lambda item: (item.start, -item.end)):
        first, last = np.searchsorted(milliseconds, np.rint(np.array([segment.start, segment.end]) * 1000))
        result[first:last] = _class_of(segment.label, classes)
    return torch.from_numpy(result)


def _class_of(label: str, classes: dict[str, int]) -> int:
    if label not in classes:
        raise DataError(
            f"Frame labels expect labels of the data set, got '{label}'.{nearest(label, classes)} "
            f"Labels: {listing(classes)}."
        )
    return classes[label]
