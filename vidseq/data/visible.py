"""What a query may see: the one rule."""

from typing import NamedTuple

import numpy as np


class Past(NamedTuple):
    """What was seen up to a query: `features` (T, D) and `pts_seconds` (T,), the newest frame last. T may be 0."""

    features: np.ndarray
    pts_seconds: np.ndarray


def past_of(features: np.ndarray, pts_seconds: np.ndarray, time: float) -> Past:
    """Cuts a video at a query: the frames with pts_seconds at most `time`.

    Args:
        features: of the whole video, (T, D).
        pts_seconds: times of its frames, rising, (T,).
        time: when the query is asked.
    """
    stop = int(np.searchsorted(pts_seconds, time, side="right"))
    return Past(features[:stop], pts_seconds[:stop])
