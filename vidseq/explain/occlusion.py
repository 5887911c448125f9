"""What a prediction loses when a block of the past is deleted, from the whole past down to single frames."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vidseq.explain.rescoring import Rescorer

#: Losses below this, of probability, are taken for none.
MIN_LOSS = 0.05


class Block(NamedTuple):
    """Frames [start, stop) of a past, and what deleting them costs."""

    start: int
    stop: int
    loss: float
    """Probability of the prediction with all of the past minus that without these frames; negative if they hurt."""

    @property
    def width(self) -> int:
        """How many frames."""
        return self.stop - self.start


def block_widths(num_frames: int, finest_frames: int = 1) -> list[int]:
    """All of the past, half of it, a quarter, ... down to `finest_frames`."""
    widths = [max(1, num_frames)]
    while widths[-1] > finest_frames:
        widths.append(max(finest_frames, -(-widths[-1] // 2)))
    return widths


def occlude(
    rescorer: Rescorer, answer: int, widths: Sequence[int], *, max_blocks: int = 256
) -> dict[int, tuple[Block, ...]]:
    """Deletes blocks that overlap by half, of one width after another, from coarse to fine.

    Overlapping blocks of many widths are needed since a model may see the same fact in many frames: no single one of
    those matters then, and neither does a block that misses some of them.

    Args:
        rescorer: asks the model.
        answer: place of the answer whose probability is watched, among `rescorer.names`.
        widths: in frames, falling; see `block_widths`.
        max_blocks: of each width at most so many are deleted, those where the width before lost most.

    Returns:
        the blocks of each width, by start; {} where there is no past.
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
    """The narrowest block that alone costs at least half of what the costliest one does; of those the costliest.

    None where no block costs more than `MIN_LOSS`: nothing in the past matters, or everything is there twice.
    """
    blocks = [block for level in levels.values() for block in level]
    most = max((block.loss for block in blocks), default=0.0)
    if most <= MIN_LOSS:
        return None
    heavy = [block for block in blocks if block.loss >= most / 2]
    return min(heavy, key=lambda block: (block.width, -block.loss, -block.start))


def frame_losses(blocks: Sequence[Block], num_frames: int) -> np.ndarray:
    """A loss for each frame: the mean over the blocks of one width that hold it; NaN where none was deleted, (T,)."""
    total, number = np.zeros(num_frames), np.zeros(num_frames)
    for block in blocks:
        total[block.start : block.stop] += block.loss
        number[block.start : block.stop] += 1
    return np.divide(total, number, out=np.full(num_frames, np.nan), where=number > 0)


def _starts(num_frames: int, width: int) -> list[int]:
    return sorted({*range(0, num_frames - width + 1, max(1, width // 2)), num_frames - width})


def _most_promising(starts: Sequence[int], width: int, coarser: Sequence[Block], max_blocks: int) -> list[int]:
    """Those starts whose block lies within what lost most when it was wider; all of them where they are few."""
    if len(starts) <= max_blocks:
        return list(starts)
    promise = np.full(len(starts), -np.inf)
    first = np.asarray(starts)
    for block in coarser:
        inside = (first < block.stop) & (first + width > block.start)
        promise[inside] = np.maximum(promise[inside], block.loss)
    best = np.argsort(-promise, kind="stable")[:max_blocks]
    return sorted(int(first[place]) for place in best)
