"""Attention of blocks of queries on a few blocks of keys each, in time and memory linear in the number of frames."""

from collections.abc import Iterator
from typing import Any, NamedTuple

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
    k, v, read = (part.to(q.dtype) for part in (k, v, beside.read))
    k, v = (part.contiguous().unflatten(2, (-1, block)) for part in (k, v))
    if q.device.type != "cpu" or not q.numel():
        return gathered_attention(q, k, v, pattern, Part(read, beside.mass))
    return _BlockSparse.apply(q, k, v, *pattern, read, beside.mass)


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

    blocks: slice
    rows: Tensor
    """Which of all heads' blocks of keys, (B * H * N, block, d), they see: (B * g * H, m)."""
    bias: Tensor
    """(B * g or 1, 1, t, m * block)."""


def _groups(k: Tensor, table: Tensor, valid: Tensor, order: Tensor) -> Iterator[_Group]:
    """All blocks of queries in groups whose keys fit into the workspace."""
    batch, heads, num_keys = k.shape[:3]
    size = max(1, WORKSPACE // max(1, batch * heads * table.shape[2] * k.shape[3] * k.shape[4]))
    first = torch.arange(batch * heads, device=k.device).view(batch, 1, heads, 1) * num_keys
    whole = valid.all(dim=2).all(dim=0).tolist()
    shared = _bias(order[:, None], k.dtype) if len(order) == 1 else None
    for start in range(0, table.shape[1], size):
        blocks = slice(start, start + size)
        rows = (first + table[:, blocks, None]).flatten(0, 2)
        if shared is None or not all(whole[blocks]):
            bias = _bias((valid[:, blocks, None] & order[:, None]).flatten(0, 1)[:, None], k.dtype)
        else:
            bias = shared
        yield _Group(blocks, rows, bias)


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
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        table: Tensor,
        valid: Tensor,
        order: Tensor,
        read: Tensor,
        mass: Tensor,
    ) -> Tensor:
        """Attends, then merges, while what was read is still in the cache."""
        all_read = torch.empty(q.shape, dtype=q.dtype)
        all_mass = torch.empty(q.shape[:-1], dtype=torch.promote_types(q.dtype, torch.float32))
        for group in _groups(k, table, valid, order):
            some_k, some_v = _gather(k, group.rows), _gather(v, group.rows)
            here = Part(*flash_attention(_by_block(q, group.blocks), some_k, some_v, group.bias))
            beside = Part(_by_block(read, group.blocks), _by_block(mass, group.blocks).to(here.mass.dtype))
            merged = merge_parts(here, beside)
            all_read[:, :, group.blocks] = _back(merged.read, len(q))
            all_mass[:, :, group.blocks] = _back(merged.mass, len(q))
        ctx.save_for_backward(q, k, v, table, valid, order, read, mass, all_read, all_mass)
        return all_read

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The kernel's own, added up where keys were seen more than once; that of the other part by hand."""
        q, k, v, table, valid, order, read, mass, all_read, all_mass = ctx.saved_tensors
        of_all = gradients[0]
        of_q, of_k, of_v = (torch.zeros(part.shape, dtype=part.dtype) for part in (q, k, v))
        for group in _groups(k, table, valid, order):
            of_read, some_q, some_read, some_mass = (
                _by_block(part, group.blocks) for part in (of_all, q, all_read, all_mass)
            )
            some_k, some_v = _gather(k, group.rows), _gather(v, group.rows)
            parts = flash_gradients(of_read, some_q, some_k, some_v, group.bias, some_read, some_mass)
            of_q[:, :, group.blocks] = _back(parts[0], len(q))
            for whole, part in zip((of_k, of_v), parts[1:]):
                whole.flatten(0, 2).flatten(1).index_add_(
                    0, group.rows.flatten(), part.reshape(group.rows.numel(), -1)
                )
        of_beside = gradients_beside(of_all, Part(read, mass), Part(all_read, all_mass))
        return of_q, of_k, of_v, None, None, None, *of_beside


def _gather(x: Tensor, rows: Tensor) -> Tensor:
    """Keys (B, H, N, block, d) as (B * g, H, m * block, d)."""
    some = x.flatten(0, 2).flatten(1).index_select(0, rows.flatten())
    return some.view(-1, x.shape[1], rows.shape[1] * x.shape[3], x.shape[4])
