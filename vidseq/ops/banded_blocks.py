"""Banded attention block by block on a CPU, in workspaces small enough to stay in its cache."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.flash import flash_attention, flash_gradients
from vidseq.ops.merge import NOTHING, Part, gradients_beside, merge_parts

SEGMENT = 1024
"""Queries that are worked on at once."""
BLOCK = 32
"""Queries in a block on the way forward: as many as the kernel takes at a time, for what larger blocks see besides is
masked. Backward, gradients of slabs have to be added up, which is less the fewer slabs there are."""
LANES = 16
"""Slabs of a multiple of so many keys are read a fifth faster: as many numbers as a processor takes at a time."""


def attend_in_blocks(q: Tensor, k: Tensor, v: Tensor, valid: Tensor, beside: Part | None = None) -> Tensor:
    """Softmax attention of query i on the keys i to i + reach, where there are `reach` more keys than queries.

    Blocks of queries meet overlapping slabs of keys, which are views. The backward pass works block by block, too, and
    adds slabs up where they overlap; autograd would keep and fill all slabs at once, which are several times as large
    as the keys.

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, T + reach, d).
        v: values, like `k`.
        valid: bool (B, T + reach), False for keys that must not be seen.
        beside: what each query reads elsewhere, (B, H, T, d) and (B, H, T), one softmax with its band; None: nothing.

    Returns:
        (B, H, T, d), lying in memory as (B, T, H, d); zero for a query that may see no key.
    """
    aside = (None, None) if beside is None else (beside.read.to(q.dtype), beside.mass)
    return _Blocks.apply(q, k.to(q.dtype), v.to(q.dtype), valid, *aside)


class _Blocks(torch.autograd.Function):
    """Inside, tensors are (B, T, H, ...)."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        valid: Tensor,
        aside_read: Tensor | None,
        aside_mass: Tensor | None,
    ) -> Tensor:
        """Keeps what was read and each query's mass: the logarithm of its sum of exponentials."""
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        beside, parts = _beside(aside_read, aside_mass), []
        for piece in _pieces(q, k, valid, BLOCK):
            here = Part(*flash_attention(piece.cut(q), piece.slabs(k), piece.slabs(v), piece.bias))
            if piece.blind is not None:
                here.mass.masked_fill_(piece.blind, 0 if beside is None else NOTHING)
            if beside is not None:
                here = merge_parts(here, piece.cut_part(beside))
            parts.append(Part(*(part.transpose(1, 2).flatten(0, 1) for part in here)))
        read, mass = (_one(list(part)).view(*q.shape[:3], *part[0].shape[2:]) for part in zip(*parts))
        ctx.save_for_backward(q, k, v, valid, read, mass, aside_read, aside_mass)
        return read.transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Weights are made again from the masses, piece by piece."""
        q, k, v, valid, read, mass, *aside = ctx.saved_tensors
        gradient, beside = gradient.transpose(1, 2), _beside(*aside)
        of_q, of_k, of_v = (torch.zeros(part.shape, dtype=part.dtype) for part in (q, k, v))
        of_beside = None if beside is None else Part(torch.empty_like(of_q), beside.mass.new_empty(mass.shape))
        for piece in _pieces(q, k, valid, max(2 * BLOCK, (k.shape[1] - q.shape[1]) // 4)):
            queries, keys, values = piece.cut(q), piece.slabs(k), piece.slabs(v)
            asked, given = piece.cut(gradient), piece.cut_part(Part(read, mass))
            ours, of_slabs_k, of_slabs_v = flash_gradients(asked, queries, keys, values, piece.bias, *given)
            piece.cut(of_q).copy_(ours)
            piece.add_slabs(of_k, of_slabs_k)
            piece.add_slabs(of_v, of_slabs_v)
            if beside is not None and of_beside is not None:
                parts = gradients_beside(asked, piece.cut_part(beside), given)
                for whole, part in zip(piece.cut_part(of_beside), parts):
                    whole.copy_(part)
        of_aside = (None, None) if of_beside is None else (part.transpose(1, 2) for part in of_beside)
        return *(part.transpose(1, 2) for part in (of_q, of_k, of_v)), None, *of_aside


def _beside(read: Tensor | None, mass: Tensor | None) -> Part | None:
    return None if read is None or mass is None else Part(read.transpose(1, 2), mass.transpose(1, 2))


def _one(parts: list[Tensor]) -> Tensor:
    """Parts put together; one alone is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class _Piece(NamedTuple):
    """Some blocks of queries of one row, and the slabs of keys they see."""

    row: int
    start: int
    block: int
    blocks: int
    bias: Tensor
    """0 where a query sees a key, else minus infinity: (1 or blocks, 1, block, slab)."""
    blind: Tensor | None
    """Queries that see no key, (blocks, 1, block); None: there are none."""

    def cut(self, x: Tensor) -> Tensor:
        """Of what queries have, x (B, T, H, d), a view (blocks, H, block, d)."""
        part = x[self.row, self.start : self.start + self.blocks * self.block]
        return part.unflatten(0, (self.blocks, self.block)).transpose(1, 2)

    def cut_part(self, part: Part) -> Part:
        """Of what queries read, (B, T, H, d) and (B, T, H), views (blocks, H, block, d) and (blocks, H, block)."""
        return Part(self.cut(part.read), self.cut(part.mass[..., None])[..., 0])

    def slabs(self, x: Tensor) -> Tensor:
        """Of what keys have, x (B, L, H, d), an overlapping view (blocks, H, slab, d)."""
        slab = self.bias.shape[-1]
        part = x[self.row, self.start : self.start + (self.blocks - 1) * self.block + slab]
        return part.unfold(0, slab, self.block).transpose(2, 3)

    def add_slabs(self, total: Tensor, slabs: Tensor) -> None:
        """Adds (blocks, H, slab, d) where the slabs lie in (B, L, H, d): the same part of all slabs at once."""
        for offset in range(0, slabs.shape[2], self.block):
            some = slabs[:, :, offset : offset + self.block]
            width, first = some.shape[2], self.start + offset
            there = total[self.row, first : first + (self.blocks - 1) * self.block + width]
            there.unfold(0, width, self.block).transpose(2, 3).add_(some)


def _pieces(q: Tensor, k: Tensor, valid: Tensor, block: int) -> Iterator[_Piece]:
    """Cuts rows into pieces of about `SEGMENT` queries, what is left over at the end alone.

    Slabs are longer than need be, by masked keys, where the row goes on: the kernel likes their length.
    """
    num_queries, reach = q.shape[1], k.shape[1] - q.shape[1]
    slab = block + reach + -(block + reach) % LANES
    many, whole = max(1, SEGMENT // block), max(0, (k.shape[1] - slab) // block + 1)
    sizes = [(start * block, block, min(many, whole - start), slab) for start in range(0, whole, many)]
    if left := num_queries - whole * block:
        sizes.append((whole * block, left, 1, left + reach))
    bands = {size: _band(*size, reach, q.dtype)[None, None] for size in {(piece[1], piece[3]) for piece in sizes}}
    all_valid = [bool(row.all()) for row in valid]
    for row, known in enumerate(all_valid):
        for start, size, count, length in sizes:
            bias, blind = bands[size, length], None
            if not known:
                seen = valid[row, start : start + (count - 1) * size + length]
                if not bool(seen.all()):
                    seen = seen.unfold(0, length, size)[:, None, None]
                    bias = bias.expand(count, -1, -1, -1).masked_fill(~seen, -torch.inf)
                    blind = (bias == -torch.inf).all(dim=-1)
            yield _Piece(row, start, size, count, bias, blind)


def _band(num_queries: int, num_keys: int, reach: int, dtype: torch.dtype) -> Tensor:
    """(queries, keys): 0 where query i sees key j, 0 <= j - i <= reach, else minus infinity."""
    seen = torch.ones(num_queries, num_keys, dtype=torch.bool).triu().tril(reach)
    return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, -torch.inf)
