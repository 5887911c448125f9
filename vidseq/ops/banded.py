"""Attention within a band around the diagonal, in time and memory linear in the number of frames."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from vidseq.ops.banded_blocks import attend_in_blocks
from vidseq.ops.exported import all_true, is_exporting
from vidseq.ops.merge import PartialAttention, merged_attention

DENSE_FRAMES = 256
"""Number of queries up to which one dense block is fastest."""


def banded_attention(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, before: int, after: int = 0, other: PartialAttention | None = None
) -> Tensor:
    """Softmax attention of every query on the keys near it.

    Keys start `before` frames earlier than queries and end `after` frames later, so query i sees the keys i to
    i + before + after. Long inputs are cut into blocks of queries, each with the overlapping slab of keys it needs:

        keys     ├──before──┼──block──┼──after──┤
        queries             ├──block──┤              the T x T matrix never exists

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, before + T + after, d).
        v: values, like `k`.
        valid: bool (B, before + T + after), False for keys that must not be seen.
        before: keys seen before the query's own.
        after: keys seen after the query's own.
        other: attention of each query to other keys, (B, H, T, d), merged into one softmax with the band; None: none.

    Returns:
        (B, H, T, d), zero for a query that may see no key.
    """
    num_queries, reach = q.shape[2], before + after
    if num_queries <= max(DENSE_FRAMES, reach + 1):
        return _dense(q, k, v, valid, num_queries, reach, other)
    if q.device.type == "cpu":
        return attend_in_blocks(q, k, v, valid, other)
    return attend_in_slabs(q, k, v, valid, before, after, other)


def attend_in_slabs(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, before: int, after: int, other: PartialAttention | None
) -> Tensor:
    """Computes the same for many queries by autograd, on devices without the blockwise kernel."""
    num_queries, reach = q.shape[2], before + after
    block = max(32, (reach + 1) // 2)
    # The ends are separate, because they may see the empty time around a video; the other blocks share one mask.
    last = max(block, (num_queries - after) // block * block)
    pieces = []
    for start, end in ((0, block), (block, last), (last, num_queries)):
        if start < end:
            keys = slice(start, end + reach)
            attend, size = (_blocks, block) if start == block else (_dense, end - start)
            other_part = None if other is None else PartialAttention(*(part[:, :, start:end] for part in other))
            slabs = k[:, :, keys], v[:, :, keys], valid[:, keys]
            pieces.append(attend(q[:, :, start:end], *slabs, size, reach, other_part))
    return torch.cat(pieces, dim=2)


def _dense(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, block: int, reach: int, other: PartialAttention | None
) -> Tensor:
    """Attends in one block: compares all keys with all queries, then masks."""
    unseen = 0  # leading keys that no query may see, such as the time before a video
    if not is_exporting() and not bool(valid.all()):
        unseen = int(valid.any(dim=0).int().argmax())
        k, v, valid = k[:, :, unseen:], v[:, :, unseen:], valid[:, unseen:]
    whole = all_true(valid)
    if whole and block == 1 and other is None:
        return F.scaled_dot_product_attention(q, k, v)
    mask = _band(block, reach, q.device)[:, unseen:]
    return _attend(q, k, v, mask if whole else mask & valid[:, None, None], other)


def _blocks(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, block: int, reach: int, other: PartialAttention | None
) -> Tensor:
    """Attends from whole blocks of queries to overlapping slabs of keys, which are views and not copies."""
    batch, heads = q.shape[:2]
    slab = block + reach
    mask = _band(block, reach, q.device)
    if not bool(valid.all()):
        seen = valid.unfold(1, slab, block)[:, None, :, None] & mask  # (B, 1, blocks, block, slab)
        mask = seen.expand(batch, heads, *seen.shape[2:]).flatten(0, 1)
    blocks = rearrange(q, "b h (n t) d -> (b h) n t d", t=block)
    if other is not None:
        other = PartialAttention(*(rearrange(part, "b h (n t) ... -> (b h) n t ...", t=block) for part in other))
    k, v = (part.flatten(0, 1).unfold(1, slab, block).transpose(2, 3) for part in (k, v))
    return rearrange(_attend(blocks, k, v, mask, other), "(b h) n t d -> b h (n t) d", h=heads)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, other: PartialAttention | None) -> Tensor:
    if other is None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return merged_attention(q, k, v, mask, other)


def _band(num_queries: int, reach: int, device: torch.device) -> Tensor:
    """Returns bool (queries, queries + reach): True where query i may see key j, 0 <= j - i <= reach."""
    ones = torch.ones(num_queries, num_queries + reach, dtype=torch.bool, device=device)
    return ones.triu().tril(reach)
