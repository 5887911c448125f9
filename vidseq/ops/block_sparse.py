"""Attention of blocks of queries on a few blocks of keys each, in time and memory linear in the number of frames."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from vidseq.ops.flash import flash_attention, flash_gradients
from vidseq.ops.merge import NOTHING, Part, attend_part, gradients_beside, merge_parts

WORKSPACE = 2**18
"""Numbers that are gathered at once, keys and values each: they should stay in a core's cache."""


class Pattern(NamedTuple):
    """Which keys each block of queries sees."""

    table: Tensor
    """int64 (B, n, m): the numbers of the blocks of keys, of each of n blocks of queries."""
    valid: Tensor
    """bool (B, n, m * block): which of their keys may be seen by any query of the block."""
    order: Tensor
    """bool (B or 1, t, m * block): which of them query t of a block may see, the same for all blocks."""


def block_sparse_attention(q: Tensor, k: Tensor, v: Tensor, pattern: Pattern, block: int, beside: Part) -> Tensor:
    """Softmax attention on listed blocks of keys together with those of another part.

        keys     │  0  │  1  │  2  │  3  │  4  │        table of block 4: 1, 3, 4
        queries         ▲           ▲     ▲  4          T x T is never made, nor all gathered keys at once

    Args:
        q: queries in blocks, (B, H, n, t, d).
        k: keys, (B, H, N * block, d).
        v: values, like `k`.
        pattern: who sees whom.
        block: frames in a block of keys.
        beside: what the queries read elsewhere, (B, H, n, t, d) and (B, H, n, t).

    Returns:
        (B, H, n, t, d).
    """
    return block_sparse_parts([q], k, v, pattern, block, [beside])[0]


def block_sparse_parts(
    parts: Sequence[Tensor], k: Tensor, v: Tensor, pattern: Pattern, block: int, beside: Sequence[Part]
) -> Sequence[Tensor]:
    """The same for queries in parts that follow one another, which need not lie in one place: gradients of keys are
    added up once for all of them. The pattern is of all their blocks; returns a part for each."""
    dtype = parts[0].dtype
    k, v = (part.to(dtype).contiguous().unflatten(2, (-1, block)) for part in (k, v))
    counts = [q.shape[2] for q in parts]
    if k.device.type != "cpu" or not all(q.numel() for q in parts):
        tables, valid = (part.split(counts, dim=1) for part in pattern[:2])
        patterns = (Pattern(*some, pattern.order) for some in zip(tables, valid))
        return [
            gathered_attention(q, k, v, some, Part(aside.read.to(dtype), aside.mass))
            for q, some, aside in zip(parts, patterns, beside)
        ]
    reads, masses = ([part[index] for part in beside] for index in range(2))
    flat = (*parts, *(read.to(dtype) for read in reads), *masses)
    return cast("tuple[Tensor, ...]", _BlockSparse.apply(k, v, *pattern, *flat))


def gathered_attention(q: Tensor, k: Tensor, v: Tensor, pattern: Pattern, beside: Part) -> Tensor:
    """The same from keys in blocks (B, H, N, block, d), all gathered at once: what devices without the kernel do."""
    row = torch.arange(len(k), device=q.device)[:, None, None]
    some_k, some_v = (
        part.transpose(1, 2)[row, pattern.table].permute(0, 3, 1, 2, 4, 5).flatten(3, 4) for part in (k, v)
    )
    seen = (pattern.valid[:, :, None] & pattern.order[:, None])[:, None]
    return merge_parts(attend_part(q, some_k, some_v, seen), beside).read


class _Group(NamedTuple):
    """Some blocks of queries at a time."""

    part: int
    """Which of the parts of queries they belong to."""
    blocks: slice
    """Their numbers in that part."""
    rows: Tensor
    """Which of all heads' blocks of keys, (B * H * N, block, d), they see: (B * g * H, m)."""
    bias: Tensor
    """(B * g or 1, 1, t, m * block)."""


def _groups(parts: Sequence[Tensor], k: Tensor, table: Tensor, valid: Tensor, order: Tensor) -> Iterator[_Group]:
    """All blocks of queries in groups whose keys fit into the workspace."""
    batch, heads, num_keys = k.shape[:3]
    size = max(1, WORKSPACE // max(1, batch * heads * table.shape[2] * k.shape[3] * k.shape[4]))
    first = torch.arange(batch * heads, device=k.device).view(batch, 1, heads, 1) * num_keys
    whole = valid.all(dim=2).all(dim=0).tolist()
    shared = _bias(order[:, None], k.dtype) if len(order) == 1 else None
    before = 0
    for number, part in enumerate(parts):
        count = part.shape[2]
        for start in range(0, count, size):
            here = slice(start, min(start + size, count))
            everywhere = slice(before + here.start, before + here.stop)
            rows = (first + table[:, everywhere, None]).flatten(0, 2)
            if shared is None or not all(whole[everywhere]):
                bias = _bias((valid[:, everywhere, None] & order[:, None]).flatten(0, 1)[:, None], k.dtype)
            else:
                bias = shared
            yield _Group(number, here, rows, bias)
        before += count


def _bias(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """Finite, so that a query that sees no key has a mass and gradients; it weighs nothing beside others."""
    return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, NOTHING)


def _by_block(x: Tensor, blocks: slice) -> Tensor:
    """(B, H, n, ...) to (B * g, H, ...)."""
    return x[:, :, blocks].transpose(1, 2).flatten(0, 1)


def _back(x: Tensor, batch: int) -> Tensor:
    """(B * g, H, ...) to (B, H, g, ...)."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2)


class _BlockSparse(torch.autograd.Function):
    """Gathers keys group by group, forward and again backward, so that they are never all there at once."""

    @staticmethod
    def forward(
        ctx: Any, k: Tensor, v: Tensor, table: Tensor, valid: Tensor, order: Tensor, *flat: Tensor
    ) -> tuple[Tensor, ...]:
        """Attends, then merges, while what was read is still in the cache; flat: queries, then reads, then masses."""
        qs, reads, masses = _thirds(flat)
        all_reads = [torch.empty(q.shape, dtype=q.dtype) for q in qs]
        all_masses = [torch.empty(q.shape[:-1], dtype=torch.promote_types(q.dtype, torch.float32)) for q in qs]
        for part, blocks, rows, bias in _groups(qs, k, table, valid, order):
            here = Part(*flash_attention(_by_block(qs[part], blocks), _gather(k, rows), _gather(v, rows), bias))
            beside = Part(*(_by_block(some, blocks) for some in (reads[part], masses[part])))
            merged = merge_parts(here, Part(beside.read, beside.mass.to(here.mass.dtype)))
            for whole, some in zip((all_reads[part], all_masses[part]), merged):
                whole[:, :, blocks] = _back(some, len(k))
        ctx.save_for_backward(k, v, table, valid, order, *flat, *all_reads, *all_masses)
        return tuple(all_reads)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The kernel's own, added up where keys were seen more than once; that of the other part by hand."""
        k, v, table, valid, order, *rest = ctx.saved_tensors
        count = len(gradients)
        qs, reads, masses = _thirds(rest[: 3 * count])
        all_reads, all_masses = rest[3 * count : 4 * count], rest[4 * count :]
        of_k, of_v = (torch.zeros(part.shape, dtype=part.dtype) for part in (k, v))
        of_qs = [torch.empty(q.shape, dtype=q.dtype) for q in qs]
        for part, blocks, rows, bias in _groups(qs, k, table, valid, order):
            asked, q, read, mass = (_by_block(some[part], blocks) for some in (gradients, qs, all_reads, all_masses))
            ours, *of_some = flash_gradients(asked, q, _gather(k, rows), _gather(v, rows), bias, read, mass)
            of_qs[part][:, :, blocks] = _back(ours, len(k))
            for whole, some in zip((of_k, of_v), of_some):
                whole.flatten(0, 2).flatten(1).index_add_(0, rows.flatten(), some.reshape(rows.numel(), -1))
        besides, merged = (map(Part, *both) for both in ((reads, masses), (all_reads, all_masses)))
        of_reads, of_masses = zip(*map(gradients_beside, gradients, besides, merged))
        return of_k, of_v, None, None, None, *of_qs, *of_reads, *of_masses


def _thirds(flat: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    count = len(flat) // 3
    return flat[:count], flat[count : 2 * count], flat[2 * count :]


def _gather(x: Tensor, rows: Tensor) -> Tensor:
    """Keys (B, H, N, block, d) as (B * g, H, m * block, d)."""
    some = x.flatten(0, 2).flatten(1).index_select(0, rows.flatten())
    return some.view(-1, x.shape[1], rows.shape[1] * x.shape[3], x.shape[4])
