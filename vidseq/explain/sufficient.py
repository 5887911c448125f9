"""Finds a small part of the past that suffices for a prediction, greedily."""

from collections.abc import Callable, Sequence

import numpy as np

#: Maps parts of the past, bool (M, T), to the probability of the prediction, (M,); -infinity if a part does not
#: suffice.
Support = Callable[[np.ndarray], np.ndarray]


def minimal_sufficient(support: Support, num_frames: int, widths: Sequence[int]) -> np.ndarray:
    """Deletes blocks as long as the remaining frames suffice, coarse blocks first.

    At each width the kept frames are cut into blocks. The blocks that are not needed one by one are deleted together,
    as many as possible. The order is by the support without the block, highest first, and of equal ones the older
    block first. The remaining frames suffice, and with 1 as the last width none of them can be deleted alone. A
    smaller set may exist: finding the smallest one would take exponentially many queries.

    Source: deletion from coarse to fine is the idea of delta debugging (Zeller and Hildebrandt 2002); here: greedy by
    support.

    Args:
        support: returns the support of parts of the past; all of the past must suffice.
        num_frames: number of frames T.
        widths: block widths in frames, in descending order; see `block_widths`.

    Returns:
        the frames that are kept, bool (T,); all False if the question alone gives the prediction.
    """
    keep = np.ones(num_frames, bool)
    for width in widths:
        while keep.any():
            fewer = _spare(support, keep, width)
            if fewer is None:
                break
            keep = fewer
    return keep


def _spare(support: Support, keep: np.ndarray, width: int) -> np.ndarray | None:
    """Deletes as many blocks of the kept frames as possible; None if each block is needed."""
    kept = np.flatnonzero(keep)
    blocks = [kept[first : first + width] for first in range(0, len(kept), width)]
    without = np.repeat(keep[None], len(blocks), axis=0)
    for row, block in zip(without, blocks):
        row[block] = False
    holds = support(without)
    spared = [index for index in np.argsort(-holds, kind="stable") if np.isfinite(holds[index])]
    if not spared:
        return None
    together = np.logical_and.accumulate(without[spared], axis=0)
    longest = int(np.flatnonzero(np.isfinite(support(together)))[-1])
    return together[longest]
