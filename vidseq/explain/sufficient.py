"""The smallest part of the past that a prediction can do with, found greedily."""

from collections.abc import Callable, Sequence

import numpy as np

#: Tells for parts of the past, bool (M, T), how well the prediction holds: (M,), -infinity where it does not.
Support = Callable[[np.ndarray], np.ndarray]


def minimal_sufficient(support: Support, num_frames: int, widths: Sequence[int]) -> np.ndarray:
    """Deletes blocks for good as long as the prediction holds, coarse blocks first.

    At each width the kept frames are cut into blocks; those that can be spared one at a time are deleted together, as
    many of them as possible, the ones that the prediction holds best without first, of equal ones the older. What is
    left at the end is sufficient, and with 1 as the last width no single frame of it can be spared. A smaller set may
    exist elsewhere: finding the smallest of all would take exponentially many questions.

    Source: the idea of deleting coarse to fine is delta debugging's (Zeller and Hildebrandt 2002); here: greedy by how
    well the prediction holds.

    Args:
        support: of parts of the past; must hold with all of it.
        num_frames: T.
        widths: of blocks in frames, falling; see `block_widths`.

    Returns:
        the frames that are kept, bool (T,); none where the question alone gives the prediction.
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
    """Deletes as many blocks of the kept frames as the prediction can spare; None where it can spare none."""
    kept = np.flatnonzero(keep)
    blocks = [kept[first : first + width] for first in range(0, len(kept), width)]
    without = np.repeat(keep[None], len(blocks), axis=0)
    for row, block in zip(without, blocks):
        row[block] = False
    holds = support(without)
    spared = [place for place in np.argsort(-holds, kind="stable") if np.isfinite(holds[place])]
    if not spared:
        return None
    together = np.logical_and.accumulate(without[spared], axis=0)
    longest = int(np.flatnonzero(np.isfinite(support(together)))[-1])
    return together[longest]
