"""Attention in buckets block by block on a CPU, all rounds under one softmax."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.flash import flash_attention, flash_gradients

SEGMENT = 1024
"""Queries that are worked on at once."""
ROW = 8 * SEGMENT
"""Short rows are laid end to end up to this length, for each row has its fixed cost."""


class Round(NamedTuple):
    """One round of hashing: how it sorts frames."""

    order: Tensor
    """int64 (N, L): which frame comes first, second, ..."""
    place: Tensor
    """int64 (N, L): the inverse."""
    ids: Tensor
    """int64 (N, L): buckets, in that order."""


def attend_in_rounds(
    q: Tensor,
    keys: Sequence[Tensor],
    values: Sequence[Tensor],
    rounds: Sequence[Round],
    before: int,
    after: int,
    alone: float,
) -> Tensor:
    """Softmax attention on frames near in sorted order and of the same bucket; one softmax, unscaled, for all rounds.

    Args:
        q: queries, (N, L, d).
        keys: of each round, (N, L, d).
        values: like `keys`.
        rounds: how each sorts.
        before: frames seen before a query's own.
        after: frames seen after it.
        alone: taken from the score of a frame with itself.

    Returns:
        (N, L, d).
    """
    together = _rows_together(*q.shape[:2])
    if together == 1:
        return _InRounds.apply(q, rounds, (before, after, alone), *keys, *values)
    q, *kv = (_end_to_end(part, together) for part in (q, *keys, *values))
    rounds = [_rounds_end_to_end(one, together) for one in rounds]
    return _InRounds.apply(q, rounds, (before, after, alone), *kv).unflatten(1, (together, -1)).flatten(0, 1)


def _rows_together(num_rows: int, length: int) -> int:
    """How many rows are laid end to end: a divisor of their number."""
    most = max(1, min(num_rows, ROW // max(1, length)))
    return next(count for count in range(most, 0, -1) if num_rows % count == 0)


def _end_to_end(x: Tensor, together: int) -> Tensor:
    """Rows (N, L, ...) as longer ones, (N / together, together * L, ...)."""
    return x.unflatten(0, (-1, together)).flatten(1, 2)


def _rounds_end_to_end(one: Round, together: int) -> Round:
    """The same sort of longer rows: buckets of different rows stay apart, for they get numbers of their own."""
    length, row = one.ids.shape[1], torch.arange(len(one.ids), device=one.ids.device)[:, None] % together
    first, apart = row * length, row * (one.ids.max() + 2)
    order, place = _end_to_end(one.order + first, together), _end_to_end(one.place + first, together)
    return Round(order, place, _end_to_end(one.ids + apart, together))


class _InRounds(torch.autograd.Function):
    """What a query has read in all rounds and its mass, the logarithm of its sum of exponentials, give each key's true
    weight; so the backward pass of every round needs those alone, and none through the masses."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, rounds: Sequence[Round], reach: tuple[int, int, float], *kv: Tensor) -> Tensor:
        """Rounds one after the other; each is merged with those before it."""
        read, mass = q.new_empty(q.shape), q.new_empty(q.shape[:2])
        sorted_read, sorted_mass = q.new_empty(q.shape[1:]), q.new_empty(q.shape[1:2])
        for index, one in enumerate(rounds):
            for row in range(len(q)):
                queries, keys, values = _sorted(q, kv, one, index, row, reach)
                for piece in _pieces(one.ids[row], reach, q.dtype):
                    seen = (piece.slabs(keys), piece.slabs(values))
                    y, its_mass = flash_attention(piece.cut(queries), *seen, piece.bias, scale=1.0)
                    piece.cut(sorted_read).copy_(y)
                    piece.cut(sorted_mass[:, None])[..., 0].copy_(its_mass)
                if index == 0:
                    for whole, part in ((read, sorted_read), (mass, sorted_mass)):
                        torch.index_select(part, 0, one.place[row], out=whole[row])
                    continue
                here, its_mass = (part.index_select(0, one.place[row]) for part in (sorted_read, sorted_mass))
                both = torch.logaddexp(mass[row], its_mass)
                read[row].mul_((mass[row] - both).exp_()[:, None]).addcmul_(here, (its_mass - both).exp_()[:, None])
                mass[row] = both
        ctx.save_for_backward(q, read, mass, *kv)
        ctx.rounds, ctx.reach = rounds, reach
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        """Each round with the reads and masses of all."""
        q, read, mass, *kv = ctx.saved_tensors
        before = ctx.reach[0]
        of_q, of_kv = torch.zeros_like(q), [torch.empty_like(part) for part in kv]
        of_sorted_q = q.new_empty(q.shape[1:])
        length, count = q.shape[1], len(ctx.rounds)
        for index, one in enumerate(ctx.rounds):
            for row in range(len(q)):
                queries, keys, values = _sorted(q, kv, one, index, row, ctx.reach)
                parts = (part[row].index_select(0, one.order[row]) for part in (gradient, read, mass))
                asked, given, its_mass = parts
                of_keys, of_values = torch.zeros_like(keys), torch.zeros_like(values)
                for piece in _pieces(one.ids[row], ctx.reach, q.dtype):
                    ours, of_slabs_k, of_slabs_v = flash_gradients(
                        piece.cut(asked),
                        piece.cut(queries),
                        piece.slabs(keys),
                        piece.slabs(values),
                        piece.bias,
                        piece.cut(given),
                        piece.cut(its_mass[:, None])[..., 0],
                        scale=1.0,
                    )
                    piece.cut(of_sorted_q).copy_(ours)
                    piece.add_slabs(of_keys, of_slabs_k)
                    piece.add_slabs(of_values, of_slabs_v)
                of_q[row] += of_sorted_q.index_select(0, one.place[row])
                for total, part in ((of_kv[index], of_keys), (of_kv[count + index], of_values)):
                    total[row] = part[before : before + length].index_select(0, one.place[row])
        return of_q, None, None, *of_kv


def _sorted(
    q: Tensor, kv: Sequence[Tensor], one: Round, index: int, row: int, reach: tuple[int, int, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """A row's queries in a round's order, and its keys and values with empty places around them."""
    order, parts = one.order[row], (kv[index][row], kv[len(kv) // 2 + index][row])
    keys, values = (_sorted_between(part, order, reach[0], reach[1]) for part in parts)
    return q[row].index_select(0, order), keys, values


def _sorted_between(x: Tensor, order: Tensor, before: int, after: int) -> Tensor:
    """Frames (L, d) in another order, behind `before` zeros and in front of `after`."""
    y = x.new_empty(before + len(x) + after, x.shape[1])
    y[:before], y[before + len(x) :] = 0, 0
    torch.index_select(x, 0, order, out=y[before : before + len(x)])
    return y


class _Piece(NamedTuple):
    """Some blocks of queries, and the slabs of keys they see."""

    start: int
    block: int
    blocks: int
    bias: Tensor
    """(blocks, 1, block, slab): minus infinity where a query must not see a key."""

    def cut(self, x: Tensor) -> Tensor:
        """Of what queries have, x (L, d), a view (blocks, 1, block, d)."""
        part = x[self.start : self.start + self.blocks * self.block]
        return part.unflatten(0, (self.blocks, self.block))[:, None]

    def slabs(self, x: Tensor) -> Tensor:
        """Of what keys have, x (before + L + after, d), an overlapping view (blocks, 1, slab, d)."""
        slab = self.bias.shape[-1]
        part = x[self.start : self.start + (self.blocks - 1) * self.block + slab]
        return part.unfold(0, slab, self.block).transpose(1, 2)[:, None]

    def add_slabs(self, total: Tensor, slabs: Tensor) -> None:
        """Adds slabs where they lie: the same part of all at once, for those don't overlap."""
        for offset in range(0, slabs.shape[2], self.block):
            some = slabs[:, 0, offset : offset + self.block]
            width, first = some.shape[1], self.start + offset
            there = total[first : first + (self.blocks - 1) * self.block + width]
            there.unfold(0, width, self.block).transpose(1, 2).add_(some)


def _pieces(ids: Tensor, reach: tuple[int, int, float], dtype: torch.dtype) -> Iterator[_Piece]:
    """Cuts sorted frames with buckets `ids` (L,) into pieces, what is left over at the end alone."""
    before, after, alone = reach
    length, both = len(ids), before + after
    block = min(length, max(32, (both + 1) // 4))
    slab = block + both
    ahead = torch.arange(slab, device=ids.device) - torch.arange(block, device=ids.device)[:, None]
    near = torch.zeros(block, slab, dtype=dtype).masked_fill_((ahead < 0) | (ahead > both), -torch.inf)
    near[ahead == before] = -alone
    theirs = F.pad(ids, (before, after), value=-2)
    many, whole = max(1, SEGMENT // block), length // block
    sizes = [(start * block, block, min(many, whole - start)) for start in range(0, whole, many)]
    if length % block:
        sizes.append((whole * block, length % block, 1))
    for start, size, count in sizes:
        mine = ids[start : start + count * size].view(count, 1, size, 1)
        seen = theirs[start : start + count * size + both].unfold(0, size + both, size)[:, None, None]
        bias = torch.where(mine == seen, near[:size, : size + both], -torch.inf)
        yield _Piece(start, size, count, bias)
