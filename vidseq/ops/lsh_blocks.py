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
    """One round of hashing: how it sorts T new frames, and P stored ones which ask nothing; L = T + P."""

    source: Tensor
    """int64 (N, L): which new frame comes first, second, ...; anything where a stored one does."""
    place: Tensor
    """int64 (N, T): where the new frames come."""
    stored: Tensor
    """int64 (N, P): where the stored ones do."""
    ids: Tensor
    """int64 (N, L): buckets, in that order."""


Stored = Sequence[tuple[Tensor, Tensor]]
"""Keys and values that each round has stored, each (N, P, d); empty: none has any."""


def attend_in_rounds(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    rounds: Sequence[Round],
    tables: Stored,
    before: int,
    after: int,
    alone: float,
) -> Tensor:
    """Softmax attention on frames near in sorted order and of the same bucket; one softmax, unscaled, for all rounds.

    Args:
        q: queries, (N, T, d).
        k: keys, like `q`.
        v: values, like `q`.
        rounds: how each sorts.
        tables: what each has stored besides.
        before: frames seen before a query's own.
        after: frames seen after it.
        alone: taken from the score of a frame with itself.

    Returns:
        (N, T, d).
    """
    together = _rows_together(*rounds[0].ids.shape)
    qkv, stored, reach = [q, k, v], [part for both in zip(*tables) for part in both], (before, after, alone)
    if together == 1:
        return _InRounds.apply(rounds, reach, *qkv, *stored)
    ends = [_end_to_end(part, together) for part in (*qkv, *stored)]
    read = _InRounds.apply([_rounds_end_to_end(one, together) for one in rounds], reach, *ends)
    return read.unflatten(1, (together, -1)).flatten(0, 1)


def _rows_together(num_rows: int, length: int) -> int:
    """How many rows are laid end to end: a divisor of their number."""
    most = max(1, min(num_rows, ROW // max(1, length)))
    return next(count for count in range(most, 0, -1) if num_rows % count == 0)


def _end_to_end(x: Tensor, together: int) -> Tensor:
    """Rows (N, L, ...) as longer ones, (N / together, together * L, ...)."""
    return x.unflatten(0, (-1, together)).flatten(1, 2)


def _rounds_end_to_end(one: Round, together: int) -> Round:
    """The same sort of longer rows: buckets of different rows stay apart, for they get numbers of their own."""
    row = torch.arange(len(one.ids), device=one.ids.device)[:, None] % together
    steps: tuple[int | Tensor, ...] = (one.place.shape[1], one.ids.shape[1], one.ids.shape[1], one.ids.max() + 2)
    return Round(*(_end_to_end(part + row * step, together) for part, step in zip(one, steps)))


class _InRounds(torch.autograd.Function):
    """What a query has read in all rounds and its mass, the logarithm of its sum of exponentials, give each key's true
    weight; so the backward pass of every round needs those alone, and none through the masses."""

    @staticmethod
    def forward(
        ctx: Any,
        rounds: Sequence[Round],
        reach: tuple[int, int, float],
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *stored: Tensor,
    ) -> Tensor:
        """Rounds one after the other; each is merged with those before it. Stored: keys of all rounds, then values."""
        read, mass = q.new_empty(q.shape), q.new_empty(q.shape[:2])
        room = _Room(q, rounds, reach)
        sorted_read, sorted_mass = torch.empty_like(room.queries), q.new_empty(len(room.queries))
        for index, row, line in _lines(rounds):
            queries, keys, values = line.sort_all((q, k, v), stored[index :: len(rounds)], room)
            for piece in _pieces(line.ids, reach, q.dtype):
                seen = (piece.slabs(keys), piece.slabs(values))
                y, its_mass = flash_attention(piece.cut(queries), *seen, piece.bias, scale=1.0)
                piece.cut(sorted_read).copy_(y)
                piece.cut(sorted_mass[:, None])[..., 0].copy_(its_mass)
            if index == 0:
                for whole, part in ((read, sorted_read), (mass, sorted_mass)):
                    torch.index_select(part, 0, line.place, out=whole[row])
                continue
            here, its_mass = (part.index_select(0, line.place) for part in (sorted_read, sorted_mass))
            both = torch.logaddexp(mass[row], its_mass)
            read[row].mul_((mass[row] - both).exp_()[:, None]).addcmul_(here, (its_mass - both).exp_()[:, None])
            mass[row] = both
        ctx.save_for_backward(q, k, v, read, mass, *stored)
        ctx.rounds, ctx.reach = rounds, reach
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        """Each round with the reads and masses of all; stored frames ask nothing, so their gradients are zero."""
        q, k, v, read, mass, *stored = ctx.saved_tensors
        rounds, reach = ctx.rounds, ctx.reach
        of_qkv, of_stored = [torch.empty(q.shape, dtype=q.dtype) for _ in range(3)], [*map(torch.empty_like, stored)]
        room = _Room(q, rounds, reach)
        of_queries, asked, given = (torch.empty_like(room.queries) for _ in range(3))
        its_mass = q.new_empty(len(asked))
        of_keys, of_values = torch.empty_like(room.keys), torch.empty_like(room.values)
        for index, row, line in _lines(rounds):
            queries, keys, values = line.sort_all((q, k, v), stored[index :: len(rounds)], room)
            for part, there in ((gradient, asked), (read, given), (mass, its_mass)):
                line.sort(part[row], there)
            of_keys.zero_()
            of_values.zero_()
            for piece in _pieces(line.ids, reach, q.dtype):
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
                piece.cut(of_queries).copy_(ours)
                piece.add_slabs(of_keys, of_slabs_k)
                piece.add_slabs(of_values, of_slabs_v)
            in_line = [of_queries, *(part[reach[0] :][: len(line.ids)] for part in (of_keys, of_values))]
            for whole, part in zip(of_qkv, in_line):
                if index == 0:
                    torch.index_select(part, 0, line.place, out=whole[row])
                else:
                    whole[row] += part.index_select(0, line.place)
            for whole, part in zip(of_stored[index :: len(rounds)], in_line[1:]):
                torch.index_select(part, 0, line.stored, out=whole[row])
        return None, None, *of_qkv, *of_stored


class _Line(NamedTuple):
    """How one round sorts one row; as in `Round`, without N."""

    source: Tensor
    place: Tensor
    stored: Tensor
    ids: Tensor
    row: int

    def sort(self, x: Tensor, y: Tensor) -> Tensor:
        """Puts what new frames have, (T, ...), in order, y (L, ...); zero for stored ones."""
        return torch.index_select(x, 0, self.source, out=y).index_fill_(0, self.stored, 0)

    def sort_all(
        self, qkv: Sequence[Tensor], stored: Sequence[Tensor], room: "_Room"
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of this row, and keys and values, of which some may be stored, in order."""
        queries, *parts = (self.sort(x[self.row], y) for x, y in zip(qkv, room.insides))
        for part, old in zip(parts, stored):
            part.index_copy_(0, self.stored, old[self.row])
        return queries, room.keys, room.values


class _Room:
    """Where one row after the other is sorted, so that no memory is asked for and given back for each.

    Keys and values have `before` zeros in front of them and `after` behind.
    """

    def __init__(self, q: Tensor, rounds: Sequence[Round], reach: tuple[int, int, float]) -> None:
        (before, after, _), length = reach, rounds[0].ids.shape[1]
        self.queries = q.new_empty(length, q.shape[2])
        self.keys, self.values = (q.new_zeros(before + length + after, q.shape[2]) for _ in range(2))
        self.insides = (self.queries, *(part[before : before + length] for part in (self.keys, self.values)))


def _lines(rounds: Sequence[Round]) -> Iterator[tuple[int, int, _Line]]:
    """The number of a round, and of a row, and how this one sorts that."""
    for index, one in enumerate(rounds):
        for row in range(len(one.ids)):
            yield index, row, _Line(one.source[row], one.place[row], one.stored[row], one.ids[row], row)


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
