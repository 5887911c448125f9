"""A store of frames that grows with the video."""

import torch
from torch import Tensor

from vidseq.ops.exported import is_exporting


def append_frames(past: Tensor, count: Tensor, new: Tensor, mask: Tensor, dim: int = 1) -> Tensor:
    """Appends each row's valid new frames to its stored ones.

    Rows may have different numbers of frames: a row's frames come first, and zeros fill it up to the longest row.

        past  a b c .  + new  d e   ->  a b c d e
              A . . .         D .       A D . . .

    Args:
        past: (B, ..., N, ...) with N, the frames of the longest row, at `dim`; not changed.
        count: int64 (B,), frames of each row.
        new: T frames that follow, like `past`.
        mask: bool (B, T), a row's valid frames first.
        dim: dimension of the frames.

    Returns:
        like `past`, as long as the new longest row. Where a step is exported, as long as `past`: a frame takes the
        place of the oldest one when the store is full.
    """
    if is_exporting():
        return _overwrite_oldest(past, count, new, dim)
    size, added = past.shape[dim], mask.sum(dim=1)
    after = count + added
    longest = int(after.max()) if len(after) else size
    both = torch.cat([past, new], dim=dim)
    if bool(mask.all()) and bool((count == size).all()):
        return both
    slot = torch.arange(longest, device=past.device).expand(len(after), -1)
    source = torch.where(slot < count[:, None], slot, slot - count[:, None] + size).clamp(max=both.shape[dim] - 1)
    shape = [1] * past.ndim
    shape[0], shape[dim] = slot.shape
    target = [longest if axis == dim else length for axis, length in enumerate(past.shape)]
    kept = both.gather(dim, source.view(shape).expand(target))
    return kept.masked_fill((slot >= after[:, None]).view(shape), 0)


def _overwrite_oldest(past: Tensor, count: Tensor, new: Tensor, dim: int) -> Tensor:
    """Puts one frame of each row into a store of a fixed size."""
    size, shape = past.shape[dim], [1] * past.ndim
    shape[0], shape[dim] = len(count), size
    here = torch.arange(size, device=past.device) == (count % size)[:, None]
    return torch.where(here.view(shape), new, past)
