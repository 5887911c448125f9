"""Measures what a prediction loses when a block of the past is deleted, from the whole past to single frames."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vidseq.explain.rescoring import Rescorer

#: Smaller losses of probability count as none.
MIN_LOSS = 0.05


class Block(NamedTuple):
    """Frames [start, stop) of a past, and the probability lost by deleting them."""

    start: int
    stop: int
    loss: float
    """Probability of the prediction with all of the past minus that without these frames; negative if it rises."""

    @property
    def width(self) -> int:
        """Number of frames."""
        return self.stop - self.start


def block_widths(num_frames: int, finest_frames: int = 1) -> list[int]:
    """Returns the widths of all of the past, half of it, a quarter, and so on down to `finest_frames`."""
    widths = [max(1, num_frames)]
    while widths[-1] > finest_frames:
        widths.append(max(finest_frames, -(-widths[-1] // 2)))
    return widths


def occlude(
    rescorer: Rescorer, answer: int, widths: Sequence[int], *, max_blocks: int = 256
) -> dict[int, tuple[Block, ...]]:
    """Deletes blocks that overlap by half, of each width from coarse to fine.

    Blocks of many widths must overlap because many frames may show the same fact. Then no single frame matters, and
    neither does a block that misses some of these frames.

    Args:
        rescorer: asks the model.
        answer: index in `rescorer.names` of the answer whose probability is measured.
        widths: block widths in frames, in descending order; see `block_widths`.
        max_blocks: largest number of deleted blocks of each width; those where the wider blocks lost most come first.

    Returns:
        the blocks of each width, in order of their start; {} if there is no past.
    """
    if not rescorer.num_frames:
        return {}
    whole = float(rescorer.probabilities(np.ones((1, rescorer.num_frames), bool))[0, answer])
    levels: dict[int, tuple[Block, ...]] = {}
    coarser: tuple[Block, ...] = ()
    for width in widths:
        starts = _most_promising(_starts(rescorer.num_frames, width), width, coarser, max_blocks)
        keep = np.ones((len(starts), rescorer.num_frames), bool)
        for row, start in zip(keep, starts):
            row[start : start + width] = False
        left = rescorer.probabilities(keep)[:, answer]
        coarser = tuple(Block(start, start + width, whole - float(p)) for start, p in zip(starts, left))
        levels[width] = coarser
    return levels


def find_peak(levels: dict[int, tuple[Block, ...]]) -> Block | None:
    """Finds the narrowest block that costs at least half as much as the costliest one; of equal widths the costliest.

    The result is None if no block costs more than `MIN_LOSS`: the past does not matter, or other frames show the same.
    """
    blocks = [block for level in levels.values() for block in level]
    most = max((block.loss for block in blocks), default=0.0)
    if most <= MIN_LOSS:
        return None
    heavy = [block for block in blocks if block.loss >= most / 2]
    return min(heavy, key=lambda block: (block.width, -block.loss, -block.start))


def frame_losses(blocks: Sequence[Block], num_frames: int) -> np.ndarray:
    """Returns the mean loss of the deleted blocks of one width that hold each frame, (T,); NaN without a block."""
    total, count = np.zeros(num_frames), np.zeros(num_frames)
    for block in blocks:
        total[block.start : block.stop] += block.loss
        count[block.start : block.stop] += 1
    return np.divide(total, count, out=np.full(num_frames, np.nan), where=count > 0)


def _starts(num_frames: int, width: int) -> list[int]:
    return sorted({*range(0, num_frames - width + 1, max(1, width // 2)), num_frames - width})


def _most_promising(starts: Sequence[int], width: int, coarser: Sequence[Block], max_blocks: int) -> list[int]:
    """Returns at most `max_blocks` starts, those whose blocks overlap the wider blocks with the largest losses."""
    if len(starts) <= max_blocks:
        return list(starts)
    promise = np.full(len(starts), -np.inf)
    first = np.asarray(starts)
    for block in coarser:
        inside = (first < block.stop) & (first + width > block.start)
        promise[inside] = np.maximum(promise[inside], block.loss)
    best = np.argsort(-promise, kind="stable")[:max_blocks]
    return sorted(int(first[index]) for index in best)
