"""What came after the most similar moments of training videos, as an outlook: nothing is trained."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vidseq.forecasting.class_forecast import OFFSETS
from vidseq.segmentation.segment_metrics import runs_of


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """How fast moments become unlike: the scale of each difference."""

    share: float = 0.2
    """Of the shares of the video that are over."""
    elapsed: float = 0.6
    """Of the logarithms of how long the newest action has lasted, as a share of the video."""
    length: float = 0.7
    """Of the logarithms of the videos' lengths."""
    done: float = 0.5
    """Cost of each class that has occurred in one of the two alone."""
    before: float = 0.5
    """Cost of another class before the newest."""
    newest: float = 6.0
    """Cost of another newest class."""


class SimilarMoments:
    """Weighs the futures of all training moments by how like the present they are (Nadaraya-Watson regression).

    Args:
        training: true classes of every frame, (n,) a video; one video a performance, or similar ones count twice.
        num_classes: C.
        likeness: scales.
        moments: how many of each video, evenly spread over `span`.
        span: shares of the video.
        prior: weight of what comes after any moment.

    Source: Nadaraya, Theory of Probability and its Applications 9(1), 1964; here: of moments in sequences of actions.
    """

    def __init__(
        self,
        training: Iterable[np.ndarray],
        num_classes: int,
        *,
        likeness: Similarity = Similarity(),
        moments: int = 40,
        span: tuple[float, float] = (0.05, 0.6),
        prior: float = 0.02,
    ) -> None:
        self._num_classes, self._likeness, self._prior = num_classes, likeness, prior
        places = [
            (labels, share, max(1, int(share * len(labels))))
            for labels in training
            for share in np.linspace(*span, moments)
        ]
        self._moments = np.stack([self._moment(labels[:start], len(labels)) for labels, _, start in places])
        self._futures = np.stack([_future(labels, share, num_classes) for labels, share, _ in places])
        self._any = self._told(np.ones(len(places)))

    def outlook(self, observed: np.ndarray, num_frames: int) -> np.ndarray:
        """What comes after the observed frames, (o,), of a video of n frames: (STEPS, C)."""
        unlike = self._unlike(self._moment(observed, num_frames))
        return (1 - self._prior) * self._told(np.exp(unlike.min() - unlike)) + self._prior * self._any

    def _moment(self, observed: np.ndarray, num_frames: int) -> np.ndarray:
        """What moments are compared by: newest class, the one before, three numbers, and which classes occurred."""
        runs = runs_of(observed)
        before = runs.labels[-2] if len(runs.labels) > 1 else -1
        elapsed = np.log((runs.ends[-1] - runs.starts[-1]) / num_frames + 0.005)
        done = np.bincount(observed, minlength=self._num_classes) > 0
        return np.array([runs.labels[-1], before, len(observed) / num_frames, elapsed, np.log(num_frames), *done])

    def _unlike(self, moment: np.ndarray) -> np.ndarray:
        scale = self._likeness
        newest, before, share, elapsed, length, *done = (self._moments - moment).T
        numbers = (share / scale.share) ** 2 + (elapsed / scale.elapsed) ** 2 + (length / scale.length) ** 2
        classes = scale.newest * (newest != 0) + scale.before * (before != 0) + scale.done * np.abs(done).sum(axis=0)
        return numbers / 2 + classes

    def _told(self, weights: np.ndarray) -> np.ndarray:
        """The weighted share of each class at each step; what lies behind a video's end has no say."""
        told = np.stack([np.bincount(step, weights, self._num_classes + 1)[:-1] for step in self._futures.T])
        return told / np.maximum(told.sum(axis=1, keepdims=True), 1e-12)


def _future(labels: np.ndarray, share: float, over: int) -> np.ndarray:
    """The class at each step behind a share of the video, (STEPS,); `over` behind its end."""
    frames = ((share + OFFSETS) * len(labels)).astype(int)
    return np.where(frames < len(labels), labels[np.minimum(frames, len(labels) - 1)], over)
