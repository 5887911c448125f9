"""The one rule for what a query may see.

A model reads samples, each at its sample time. A query at time t with a context of L seconds sees the samples in
(t - L, t]. With a context of N frames it sees the newest N samples up to t, and without a limit all samples up to t.
Training, prediction (offline and live), evaluation, controls and audit all call `visible_span` or a function that uses
it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vidseq.video.sampling import SAME_TIME_SECONDS


class Past(NamedTuple):
    """The samples that a query sees: `features` (T, D) or (T, N, D) and `pts_seconds` (T,), the newest last.

    T may be 0.
    """

    features: np.ndarray
    pts_seconds: np.ndarray

    @property
    def flat_features(self) -> np.ndarray:
        """The features as one vector a sample, (T, D) or (T, N D)."""
        return self.features.reshape(len(self.features), int(np.prod(self.features.shape[1:])))


def visible_span(
    sample_seconds: np.ndarray | Sequence[float],
    time: float,
    *,
    context_seconds: float = math.inf,
    frames: int | None = None,
) -> tuple[int, int]:
    """Finds the samples that a query sees.

    At both ends, times that differ by at most `SAME_TIME_SECONDS` count as equal: a query written as 0.333 sees the
    sample at 1/3 s, and a query at 1.333 with a context of 1 s does not.

    Args:
        sample_seconds: times of a video's samples in ascending order, (T,).
        time: when the query is asked, in seconds.
        context_seconds: the query sees samples in (time - context_seconds, time].
        frames: largest number of samples, of which the newest count; None: all.

    Returns:
        start and stop: the query sees samples [start, stop). They are equal if it sees none.
    """
    edges = np.array([time - context_seconds, time]) + SAME_TIME_SECONDS
    start, stop = np.searchsorted(sample_seconds, edges, side="right").tolist()
    return (start if frames is None else max(start, stop - frames)), stop


def count_visible(sample_seconds: np.ndarray | Sequence[float], time: float) -> int:
    """Counts the samples up to a query's time; the arguments are those of `visible_span`."""
    return visible_span(sample_seconds, time)[1]


def is_visible(sample_seconds: float, time: float) -> bool:
    """Whether a query at `time` with an unlimited context sees the sample at `sample_seconds`."""
    return sample_seconds <= time + SAME_TIME_SECONDS


def past_of(
    features: np.ndarray,
    pts_seconds: np.ndarray,
    time: float,
    *,
    context_seconds: float = math.inf,
    frames: int | None = None,
) -> Past:
    """Cuts a video to the samples that a query sees.

    Args:
        features: features of the whole video, (T, D).
        pts_seconds: times of its samples in ascending order, (T,).
        time: when the query is asked, in seconds.
        context_seconds: see `visible_span`.
        frames: see `visible_span`.
    """
    start, stop = visible_span(pts_seconds, time, context_seconds=context_seconds, frames=frames)
    return Past(features[start:stop], pts_seconds[start:stop])


def within_intervals(pts_seconds: np.ndarray, intervals: Sequence[tuple[float, float]]) -> np.ndarray:
    """Marks the samples inside any of the intervals, ends included, with the tolerance of `visible_span`.

    Args:
        pts_seconds: times of samples, (T,).
        intervals: start and end of each interval, in seconds.

    Returns:
        bool (T,), True for samples inside.
    """
    inside = np.zeros(len(pts_seconds), bool)
    for start, end in intervals:
        inside |= (pts_seconds >= start - SAME_TIME_SECONDS) & (pts_seconds <= end + SAME_TIME_SECONDS)
    return inside
