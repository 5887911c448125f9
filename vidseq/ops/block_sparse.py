"""Attention of blocks of queries to a few blocks of keys each, in time and memory linear in the number of frames."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from einops import rearrange
from torch import Tensor

from vidseq.ops.exported import is_exporting
from vidseq.ops.flash import flash_attention, flash_gradients
from vidseq.ops.merge import EMPTY_LOGSUMEXP, PartialAttention, merge_gradients, merge_partial, partial_attention

WORKSPACE = 2**18
"""Numbers that are gathered at a time, for keys and for values, so that they fit a core's cache."""


class Pattern(NamedTuple):
    """The keys that each block of queries sees."""

    table: Tensor
    """int64 (B, n, m): indices of the m blocks of keys that each of n blocks of queries sees."""
    valid: Tensor
    """bool (B, n, m * block): keys of them that any query of the block may see."""
    order: Tensor
    """bool (B or 1, t, m * block): keys of them that query t of a block may see, the same for all blocks."""


def block_sparse_attention(
    q: Tensor, k: Tensor, v: Tensor, pattern: Pattern, block: int, other: PartialAttention
) -> Tensor:
    """Softmax attention to listed blocks of keys, merged with attention to other keys.

        keys     │  0  │  1  │  2  │  3  │  4  │        table of block 4: 1, 3, 4
        queries         ▲           ▲     ▲  4          T x T never exists, nor all gathered keys at once

    Args:
        q: queries in blocks, (B, H, n, t, d).
        k: keys, (B, H, N * block, d).
        v: values, like `k`.
        pattern: the keys that queries see.
        block: frames of a block of keys.
        other: attention of the queries to other keys, (B, H, n, t, d) and (B, H, n, t).

    Returns:
        (B, H, n, t, d).
    """
    return block_sparse_parts([q], k, v, pattern, block, [other])[0]


def block_sparse_parts(
    parts: Sequence[Tensor], k: Tensor, v: Tensor, pattern: Pattern, block: int, other: Sequence[PartialAttention]
) -> Sequence[Tensor]:
    """Like `block_sparse_attention`, for queries in consecutive parts, which may be separate tensors.

    The pattern is of the blocks of all parts. Gradients of keys are added up once for all parts. Returns one output
    per part.
    """
    dtype = parts[0].dtype
    k, v = (part.to(dtype).contiguous().unflatten(2, (-1, block)) for part in (k, v))
    counts = [q.shape[2] for q in parts]
    if k.device.type != "cpu" or is_exporting() or not all(q.numel() for q in parts):
        tables, valid = (part.split(counts, dim=1) for part in pattern[:2])
        patterns = (Pattern(*both, pattern.order) for both in zip(tables, valid))
        return [
            gathered_attention(q, k, v, part, PartialAttention(other_part.read.to(dtype), other_part.logsumexp))
            for q, part, other_part in zip(parts, patterns, other)
        ]
    reads, logsumexps = ([part[index] for part in other] for index in range(2))
    flat = (*parts, *(read.to(dtype) for read in reads), *logsumexps)
    return cast("tuple[Tensor, ...]", _BlockSparse.apply(k, v, *pattern, *flat))


def gathered_attention(q: Tensor, k: Tensor, v: Tensor, pattern: Pattern, other: PartialAttention) -> Tensor:
    """Like `block_sparse_attention`, with all keys (B, H, N, block, d) gathered at once: for other devices."""
    row = torch.arange(len(k), device=q.device)[:, None, None]
    some_k, some_v = (
        rearrange(part.transpose(1, 2)[row, pattern.table], "b n m h block d -> b h n (m block) d") for part in (k, v)
    )
    seen = (pattern.valid[:, :, None] & pattern.order[:, None])[:, None]
    return merge_partial(partial_attention(q, some_k, some_v, seen), other).read


class _Group(NamedTuple):
    """Several blocks of queries that are processed together."""

    part: int
    """Index of their part of queries."""
    blocks: slice
    """Their indices in that part."""
    rows: Tensor
    """Blocks of keys that they see, of all heads' (B * H * N, block, d): (B * g * H, m)."""
    bias: Tensor
    """(B * g or 1, 1, t, m * block)."""


def _groups(parts: Sequence[Tensor], k: Tensor, table: Tensor, valid: Tensor, order: Tensor) -> Iterator[_Group]:
    """Yields all blocks of queries in groups whose keys fit into the workspace."""
    batch, heads, num_keys = k.shape[:3]
    size = max(1, WORKSPACE // max(1, batch * heads * table.shape[2] * k.shape[3] * k.shape[4]))
    first = torch.arange(batch * heads, device=k.device).view(batch, 1, heads, 1) * num_keys
    whole = valid.all(dim=2).all(dim=0).tolist()
    shared = _bias(order[:, None], k.dtype) if len(order) == 1 else None
    before = 0
    for index, part in enumerate(parts):
        count = part.shape[2]
        for start in range(0, count, size):
            blocks = slice(start, min(start + size, count))
            overall = slice(before + blocks.start, before + blocks.stop)
            rows = (first + table[:, overall, None]).flatten(0, 2)
            if shared is None or not all(whole[overall]):
                bias = _bias((valid[:, overall, None] & order[:, None]).flatten(0, 1)[:, None], k.dtype)
            else:
                bias = shared
            yield _Group(index, blocks, rows, bias)
        before += count


def _bias(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """Makes a finite bias, so that a query without keys has a finite logsumexp and gradients, of no weight."""
    return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, EMPTY_LOGSUMEXP)


def _by_block(x: Tensor, blocks: slice) -> Tensor:
    """Selects blocks of (B, H, n, ...) as (B * g, H, ...)."""
    return x[:, :, blocks].transpose(1, 2).flatten(0, 1)


def _back(x: Tensor, batch: int) -> Tensor:
    """Reverses `_by_block`: (B * g, H, ...) to (B, H, g, ...)."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2)


class _BlockSparse(torch.autograd.Function):
    """Block-sparse attention that gathers keys group by group, forward and backward, to bound the workspace."""

    @staticmethod
    def forward(
        ctx: Any, k: Tensor, v: Tensor, table: Tensor, valid: Tensor, order: Tensor, *flat: Tensor
    ) -> tuple[Tensor, ...]:
        """Attends and merges while the output is in the cache; `flat` has all queries, then reads, then logsumexps."""
        qs, reads, logsumexps = _thirds(flat)
        all_reads = [torch.empty(q.shape, dtype=q.dtype) for q in qs]
        all_logsumexps = [torch.empty(q.shape[:-1], dtype=torch.promote_types(q.dtype, torch.float32)) for q in qs]
        for part, blocks, rows, bias in _groups(qs, k, table, valid, order):
            here = PartialAttention(
                *flash_attention(_by_block(qs[part], blocks), _gather(k, rows), _gather(v, rows), bias)
            )
            other = PartialAttention(*(_by_block(some, blocks) for some in (reads[part], logsumexps[part])))
            merged = merge_partial(here, PartialAttention(other.read, other.logsumexp.to(here.logsumexp.dtype)))
            for whole, some in zip((all_reads[part], all_logsumexps[part]), merged):
                whole[:, :, blocks] = _back(some, len(k))
        ctx.save_for_backward(k, v, table, valid, order, *flat, *all_reads, *all_logsumexps)
        return tuple(all_reads)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Adds up the kernel's gradients of keys, and computes those of the other attention."""
        k, v, table, valid, order, *rest = ctx.saved_tensors
        count = len(gradients)
        qs, reads, logsumexps = _thirds(rest[: 3 * count])
        all_reads, all_logsumexps = rest[3 * count : 4 * count], rest[4 * count :]
        grad_k, grad_v = (torch.zeros(part.shape, dtype=part.dtype) for part in (k, v))
        grad_qs = [torch.empty(q.shape, dtype=q.dtype) for q in qs]
        for part, blocks, rows, bias in _groups(qs, k, table, valid, order):
            grad_read, q, read, logsumexp = (
                _by_block(some[part], blocks) for some in (gradients, qs, all_reads, all_logsumexps)
            )
            some_k, some_v = _gather(k, rows), _gather(v, rows)
            grad_q, *grad_gathered = flash_gradients(grad_read, q, some_k, some_v, bias, read, logsumexp)
            grad_qs[part][:, :, blocks] = _back(grad_q, len(k))
            for total, gathered in zip((grad_k, grad_v), grad_gathered):
                total.flatten(0, 2).flatten(1).index_add_(0, rows.flatten(), gathered.reshape(rows.numel(), -1))
        others, merged = (map(PartialAttention, *both) for both in ((reads, logsumexps), (all_reads, all_logsumexps)))
        grad_reads, grad_logsumexps = zip(*map(merge_gradients, gradients, others, merged))
        return grad_k, grad_v, None, None, None, *grad_qs, *grad_reads, *grad_logsumexps


def _thirds(flat: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    count = len(flat) // 3
    return flat[:count], flat[count : 2 * count], flat[2 * count :]


def _gather(x: Tensor, rows: Tensor) -> Tensor:
    """Gathers keys (B, H, N, block, d) as (B * g, H, m * block, d)."""
    some = x.flatten(0, 2).flatten(1).index_select(0, rows.flatten())
    return some.view(-1, x.shape[1], rows.shape[1] * x.shape[3], x.shape[4])
