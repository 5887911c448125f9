"""Attention within a band around the diagonal, in time and memory linear in the number of frames."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.banded_blocks import attend_in_blocks
from vidseq.ops.merge import Part, attend_beside

DENSE_FRAMES = 256
"""Up to this many queries one dense block is fastest."""


def banded_attention(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, before: int, after: int = 0, beside: Part | None = None
) -> Tensor:
    """Softmax attention of every query on the keys near it.

    Keys start `before` frames earlier than queries and end `after` frames later, so query i sees the keys i to
    i + before + after. Long inputs are cut into blocks of queries, each with the overlapping slab of keys it needs:

        keys     ├──before──┼──block──┼──after──┤
        queries             ├──block──┤              T x T is never made

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, before + T + after, d).
        v: values, like `k`.
        valid: bool (B, before + T + after), False for keys that must not be seen.
        before: keys seen before the query's own.
        after: keys seen after the query's own.
        beside: what each query reads elsewhere, (B, H, T, d), one softmax with its band; None: nothing.

    Returns:
        (B, H, T, d), zero for a query that may see no key.
    """
    num_queries, reach = q.shape[2], before + after
    if num_queries <= max(DENSE_FRAMES, reach + 1):
        return _dense(q, k, v, valid, num_queries, reach, beside)
    if q.device.type == "cpu":
        return attend_in_blocks(q, k, v, valid, beside)
    return attend_in_slabs(q, k, v, valid, before, after, beside)


def attend_in_slabs(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, before: int, after: int, beside: Part | None
) -> Tensor:
    """The same for many queries, left to autograd: what devices without the kernel for blocks do."""
    num_queries, reach = q.shape[2], before + after
    block = max(32, (reach + 1) // 2)
    # Both ends alone, for they may look at the empty time around a video; the others then share one mask.
    last = max(block, (num_queries - after) // block * block)
    pieces = []
    for start, end in ((0, block), (block, last), (last, num_queries)):
        if start < end:
            keys = slice(start, end + reach)
            attend, size = (_blocks, block) if start == block else (_dense, end - start)
            aside = None if beside is None else Part(*(part[:, :, start:end] for part in beside))
            slabs = k[:, :, keys], v[:, :, keys], valid[:, keys]
            pieces.append(attend(q[:, :, start:end], *slabs, size, reach, aside))
    return torch.cat(pieces, dim=2)


def _dense(q: Tensor, k: Tensor, v: Tensor, valid: Tensor, block: int, reach: int, beside: Part | None) -> Tensor:
    """One block: every key is compared with every query, then masked."""
    nobody = 0  # the time before a video is left out
    if not bool(valid.all()):
        nobody = int(valid.any(dim=0).int().argmax())
        k, v, valid = k[:, :, nobody:], v[:, :, nobody:], valid[:, nobody:]
    whole = bool(valid.all())
    if whole and block == 1 and beside is None:
        return F.scaled_dot_product_attention(q, k, v)
    mask = _band(block, reach, q.device)[:, nobody:]
    return _attend(q, k, v, mask if whole else mask & valid[:, None, None], beside)


def _blocks(q: Tensor, k: Tensor, v: Tensor, valid: Tensor, block: int, reach: int, beside: Part | None) -> Tensor:
    """Whole blocks of queries against overlapping slabs of keys, which are views and not copies."""
    batch, heads, num_queries, _ = q.shape
    num_blocks, slab = num_queries // block, block + reach
    mask = _band(block, reach, q.device)
    if not bool(valid.all()):
        seen = valid.unfold(1, slab, block)[:, None, :, None] & mask  # (B, 1, blocks, block, slab)
        mask = seen.expand(batch, heads, *seen.shape[2:]).flatten(0, 1)
    blocks = q.flatten(0, 1).unflatten(1, (num_blocks, block))
    if beside is not None:
        beside = Part(*(part.flatten(0, 1).unflatten(1, (num_blocks, block)) for part in beside))
    k, v = (part.flatten(0, 1).unfold(1, slab, block).transpose(2, 3) for part in (k, v))
    return _attend(blocks, k, v, mask, beside).reshape(batch, heads, num_queries, -1)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, beside: Part | None) -> Tensor:
    if beside is None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return attend_beside(q, k, v, mask, beside)


def _band(num_queries: int, reach: int, device: torch.device) -> Tensor:
    """Bool (queries, queries + reach): True where query i may see key j, 0 <= j - i <= reach."""
    ones = torch.ones(num_queries, num_queries + reach, dtype=torch.bool, device=device)
    return ones.triu().tril(reach)
