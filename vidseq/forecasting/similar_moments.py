"""Forecasts classes from what followed similar moments of training videos; nothing is trained."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from vidseq.errors import UserError, unknown_name
from vidseq.forecasting.class_forecast import OFFSETS
from vidseq.segmentation.segment_metrics import runs_of

#: What differences are divided by.
_SCALES = ("share", "elapsed", "length")


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Scales of the differences between two moments, and costs of different classes."""

    share: float = 0.2
    """Scale of the elapsed share of the video."""
    elapsed: float = 0.6
    """Scale of the logarithm of the current action's elapsed time, as a share of the video."""
    length: float = 0.7
    """Scale of the logarithm of the video's length."""
    done: float = 0.5
    """Cost of each class that has occurred in only one of the two."""
    before: float = 0.5
    """Cost of a different previous class."""
    newest: float = 6.0
    """Cost of a different current class."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, is_scale = getattr(self, field.name), field.name in _SCALES
            if not math.isfinite(value) or value < 0 or (is_scale and value == 0):
                raise UserError(
                    f"--similarity expects {field.name} {'above 0' if is_scale else 'from 0 on'}, got {value}."
                )

    @classmethod
    def of(cls, values: Mapping[str, float]) -> "Similarity":
        """Reads scales and costs by their names; the others are as usual.

        Raises:
            UserError: an unknown name, or a value that does not fit.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown_name("similarity scale", name, known)
        try:
            return cls(**values)
        except TypeError:
            raise UserError(f"--similarity expects numbers, got {dict(values)}.") from None


#: The usual scales and costs.
USUAL = Similarity()


class SimilarMoments:
    """Averages the futures of training moments, weighted by similarity to the present (Nadaraya-Watson regression).

    Args:
        training: true classes of every frame of each video, (n,). Give one video per performance: several would count
            the same future several times.
        num_classes: number of classes C.
        similarity: scales and costs of differences.
        moments: number of moments per video, evenly spaced over `span`.
        span: the first and last moment, as shares of the video.
        prior: weight of the mean future of all moments.

    Source: Nadaraya, Theory of Probability and its Applications 9(1), 1964; here: of moments in sequences of actions.
    """

    def __init__(
        self,
        training: Iterable[np.ndarray],
        num_classes: int,
        *,
        similarity: Similarity = USUAL,
        moments: int = 40,
        span: tuple[float, float] = (0.05, 0.6),
        prior: float = 0.02,
    ) -> None:
        self._num_classes, self._similarity, self._prior = num_classes, similarity, prior
        starts = [
            (labels, share, max(1, int(share * len(labels))))
            for labels in training
            for share in np.linspace(*span, moments)
        ]
        self._moments = np.stack([self._moment(labels[:start], len(labels)) for labels, _, start in starts])
        self._futures = np.stack([_future(labels, share, num_classes) for labels, share, _ in starts])
        self._any = self._weighted_shares(np.ones(len(starts)))

    def forecast(self, observed: np.ndarray, num_frames: int) -> np.ndarray:
        """Forecasts the classes after the observed frames, (o,), of a video of n frames: (STEPS, C)."""
        distances = self._distances(self._moment(observed, num_frames))
        return (1 - self._prior) * self._weighted_shares(np.exp(distances.min() - distances)) + self._prior * self._any

    def _moment(self, observed: np.ndarray, num_frames: int) -> np.ndarray:
        """Returns what is compared: current and previous class, three times, and which classes occurred."""
        runs = runs_of(observed)
        before = runs.labels[-2] if len(runs.labels) > 1 else -1
        elapsed = np.log((runs.ends[-1] - runs.starts[-1]) / num_frames + 0.005)
        done = np.bincount(observed[observed >= 0], minlength=self._num_classes) > 0
        return np.array([runs.labels[-1], before, len(observed) / num_frames, elapsed, np.log(num_frames), *done])

    def _distances(self, moment: np.ndarray) -> np.ndarray:
        scale = self._similarity
        newest, before, share, elapsed, length, *done = (self._moments - moment).T
        differences = (share / scale.share) ** 2 + (elapsed / scale.elapsed) ** 2 + (length / scale.length) ** 2
        classes = scale.newest * (newest != 0) + scale.before * (before != 0) + scale.done * np.abs(done).sum(axis=0)
        return differences / 2 + classes

    def _weighted_shares(self, weights: np.ndarray) -> np.ndarray:
        """Returns the weighted share of each class at each step, (STEPS, C), over the videos that go on until then."""
        shares = np.stack([np.bincount(step, weights, self._num_classes + 1)[:-1] for step in self._futures.T])
        return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)


def _future(labels: np.ndarray, share: float, over: int) -> np.ndarray:
    """Returns the class at each step after a share of the video, (STEPS,); `over` after its end."""
    frames = ((share + OFFSETS) * len(labels)).astype(int)
    return np.where(frames < len(labels), labels[np.minimum(frames, len(labels) - 1)], over)
