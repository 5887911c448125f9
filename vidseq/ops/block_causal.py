"""Attention in blocks of time: a frame sees its own block up to itself, and summary rows of the blocks before.

Blocks begin where a stream's counter says, not where a call begins. So new frames are first appended to the kept
frames of the current block; all indices below count from the start of that block.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from vidseq.ops.exported import all_true, is_exporting, largest


class BlockSummaries(NamedTuple):
    """Rows that summarise complete blocks; block i sees the rows i * step to i * step + size."""

    keys: Tensor
    """(B, H, size + step * complete blocks, d)."""
    values: Tensor
    """Like `keys`."""
    valid: Tensor
    """bool (B, rows), False where no row exists yet."""
    size: int
    """Rows that a block sees."""
    step: int
    """Rows that a block adds."""


def append_to_block(kept: Tensor, new: Tensor, count: Tensor, dim: int) -> Tensor:
    """Appends new frames to the first `count` kept ones of each row.

    Args:
        kept: (B, ..., P, ...) with P at `dim`.
        new: (B, ..., T, ...).
        count: int64 (B,), at most P.
        dim: dimension of the frames.

    Returns:
        (B, ..., largest count + T, ...), undefined behind a row's new frames.
    """
    longest = largest(count, kept.shape[dim]) if len(count) else kept.shape[dim]
    both = torch.cat([kept.narrow(dim, 0, longest), new], dim=dim)
    if all_true(count == longest):
        return both
    index = torch.arange(both.shape[dim], device=both.device)
    moved = index + (index >= count[:, None]) * (longest - count[:, None])
    return _gather(both, moved.clamp(max=both.shape[dim] - 1), dim)


def slice_frames(x: Tensor, start: Tensor, length: int, dim: int) -> Tensor:
    """Slices `length` frames from each row's own start.

    Args:
        x: (B, ..., L, ...) with L at `dim`.
        start: int64 (B,).
        length: frames of the slice.
        dim: dimension of the frames.

    Returns:
        (B, ..., length, ...), never a view; undefined beyond the end.
    """
    if not is_exporting() and len(start):
        first = int(start[0])
        if first + length <= x.shape[dim] and bool((start == first).all()):
            return x.narrow(dim, first, length).clone()
    index = start[:, None] + torch.arange(length, device=x.device)
    return _gather(x, index.clamp(max=max(x.shape[dim] - 1, 0)), dim)


def keep_open_block(x: Tensor, total: Tensor, block: int, dim: int, before: int = 0) -> Tensor:
    """Returns the frames that a state must keep: those of the current block, and some before it.

    Args:
        x: (B, ..., before + L, ...), in which the current block starts at frame `before`.
        total: int64 (B,), valid frames from that start on.
        block: frames of a block.
        dim: dimension of the frames.
        before: frames to keep that are older than the current block.

    Returns:
        (B, ..., before + block - 1, ...), zero behind a row's last valid frame.
    """
    size, rest = before + block - 1, total % block
    kept = slice_frames(x, total - rest, size, dim)
    shape = [1] * x.ndim
    shape[0], shape[dim] = len(total), size
    exists = torch.arange(size, device=x.device) < (before + rest)[:, None]
    return kept.masked_fill(~exists.view(shape), 0)


def block_causal_attention(
    q: Tensor, k: Tensor, v: Tensor, count: Tensor, block: int, pasts: Sequence[BlockSummaries]
) -> Tensor:
    """Softmax attention of new frames to their own block up to themselves, and to summary rows of earlier blocks.

        keys     │ rows for blocks 0 .. 1 │ block 2 │        Each block of queries is compared only with the rows that
        queries                           │ ■ . . . │        it may see and with itself: linear in the frames.
                                          │ ■ ■ . . │
                                          │ ■ ■ ■ . │

    Args:
        q: new queries, (B, H, T, d).
        k: keys from the start of the current block, from `append_to_block`, (B, H, L, d).
        v: values, like `k`.
        count: int64 (B,), where each row's new frames begin in `k`.
        block: frames of a block.
        pasts: summary rows.

    Returns:
        (B, H, T, d).
    """
    num_heads, num_queries, length = *q.shape[1:3], k.shape[2]
    if num_queries == 1:  # a live frame: the other frames of the block have no queries
        own = torch.arange(length, device=q.device) <= count[:, None]
        mask = torch.cat([*(past.valid[:, : past.size] for past in pasts), own], dim=1)
        k = torch.cat([*(past.keys[:, :, : past.size] for past in pasts), k], dim=2)
        v = torch.cat([*(past.values[:, :, : past.size] for past in pasts), v], dim=2)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])

    num_blocks = -(-length // block)
    padding = num_blocks * block - length
    q = append_to_block(q.new_zeros(*q.shape[:2], block - 1, q.shape[3]), q, count, dim=2)
    q, k, v = (_in_blocks(F.pad(part, (0, 0, 0, padding)), block) for part in (q, k, v))
    slabs = [[_slabs(rows, past, num_blocks) for rows in (past.keys, past.values)] for past in pasts]
    k, v = (torch.cat([*(slab[part] for slab in slabs), own], dim=2) for part, own in enumerate((k, v)))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=_mask(pasts, num_blocks, block, num_heads))
    frames = rearrange(y, "(b h) n t d -> b h (n t) d", h=num_heads)
    return slice_frames(frames, count, num_queries, dim=2)


def _in_blocks(x: Tensor, block: int) -> Tensor:
    """Splits (B, H, blocks * block, d) to (B * H, blocks, block, d)."""
    return rearrange(x, "b h (n t) d -> (b h) n t d", t=block)


def _slabs(rows: Tensor, past: BlockSummaries, num_blocks: int) -> Tensor:
    """Returns the rows that each block sees, (B * H, blocks, size, d)."""
    return rows.flatten(0, 1).unfold(1, past.size, past.step)[:, :num_blocks].transpose(2, 3)


def _mask(pasts: Sequence[BlockSummaries], num_blocks: int, block: int, num_heads: int) -> Tensor:
    """Returns bool (block, keys) or (B * H, blocks, block, keys), True where a query may see a key."""
    causal = torch.ones(block, block, dtype=torch.bool, device=pasts[0].valid.device).tril()
    if all(all_true(past.valid) for past in pasts):
        size = sum(past.size for past in pasts)
        return F.pad(causal, (size, 0), value=True)
    valid = torch.cat([past.valid.unfold(1, past.size, past.step)[:, :num_blocks] for past in pasts], dim=2)
    parts = [valid[:, :, None].expand(-1, -1, block, -1), causal.expand(len(valid), num_blocks, block, block)]
    seen = torch.cat(parts, dim=3)
    return seen[:, None].expand(-1, num_heads, -1, -1, -1).flatten(0, 1)


def _gather(x: Tensor, index: Tensor, dim: int) -> Tensor:
    """Gathers each row's own frames: index (B, n) along `dim`."""
    shape, size = [1] * x.ndim, list(x.shape)
    shape[0], shape[dim] = index.shape
    size[dim] = index.shape[1]
    return x.gather(dim, index.view(shape).expand(size))
