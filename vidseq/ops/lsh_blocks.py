"""Attention in buckets on a CPU, block by block, all rounds under one softmax."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.flash import flash_attention, flash_gradients

SEGMENT = 1024
"""Queries of a piece."""
ROW = 8 * SEGMENT
"""Short rows are concatenated up to this length, because each row has a fixed cost."""


class Round(NamedTuple):
    """One round of hashing: how it sorts T new frames, and P stored ones without queries; L = T + P."""

    source: Tensor
    """int64 (N, L): index of the new frame at each sorted position; undefined at those of stored frames."""
    position: Tensor
    """int64 (N, T): sorted positions of the new frames."""
    stored: Tensor
    """int64 (N, P): sorted positions of the stored frames."""
    ids: Tensor
    """int64 (N, L): buckets, in sorted order."""


Stored = Sequence[tuple[Tensor, Tensor]]
"""Stored keys and values of each round, each (N, P, d); empty: no round has any."""


def attend_in_rounds(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    rounds: Sequence[Round],
    tables: Stored,
    before: int,
    after: int,
    self_penalty: float,
) -> Tensor:
    """Softmax attention to frames near in sorted order and in the same bucket; one softmax, unscaled, for all rounds.

    Args:
        q: queries, (N, T, d).
        k: keys, like `q`.
        v: values, like `q`.
        rounds: how each round sorts.
        tables: stored keys and values of each round.
        before: frames seen before a query's own.
        after: frames seen after it.
        self_penalty: subtracted from the score of a frame with itself.

    Returns:
        (N, T, d).
    """
    together = _rows_together(*rounds[0].ids.shape)
    qkv, stored, reach = [q, k, v], [part for both in zip(*tables) for part in both], (before, after, self_penalty)
    if together == 1:
        return _InRounds.apply(rounds, reach, *qkv, *stored)
    ends = [_end_to_end(part, together) for part in (*qkv, *stored)]
    read = _InRounds.apply([_rounds_end_to_end(one, together) for one in rounds], reach, *ends)
    return read.unflatten(1, (together, -1)).flatten(0, 1)


def _rows_together(num_rows: int, length: int) -> int:
    """Returns how many rows are concatenated: a divisor of their number."""
    most = max(1, min(num_rows, ROW // max(1, length)))
    return next(count for count in range(most, 0, -1) if num_rows % count == 0)


def _end_to_end(x: Tensor, together: int) -> Tensor:
    """Concatenates rows (N, L, ...) to longer ones, (N / together, together * L, ...)."""
    return x.unflatten(0, (-1, together)).flatten(1, 2)


def _rounds_end_to_end(one: Round, together: int) -> Round:
    """Makes the round of concatenated rows; the buckets of different rows get ids of their own."""
    row = torch.arange(len(one.ids), device=one.ids.device)[:, None] % together
    steps: tuple[int | Tensor, ...] = (one.position.shape[1], one.ids.shape[1], one.ids.shape[1], one.ids.max() + 2)
    return Round(*(_end_to_end(part + row * step, together) for part, step in zip(one, steps)))


class _InRounds(torch.autograd.Function):
    """Attention over all rounds. A query's output and logsumexp over all rounds give each key's true weight, so the
    backward pass of a round needs only those, and no gradients of logsumexps."""

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
        """Runs and merges one round after the other. `stored` has the keys of all rounds, then their values."""
        read, logsumexp = q.new_empty(q.shape), q.new_empty(q.shape[:2])
        workspace = _Workspace(q, rounds, reach)
        sorted_read, sorted_logsumexp = torch.empty_like(workspace.queries), q.new_empty(len(workspace.queries))
        for index, row, sorted_row in _sorted_rows(rounds):
            queries, keys, values = sorted_row.sort_all((q, k, v), stored[index :: len(rounds)], workspace)
            for piece in _pieces(sorted_row.ids, reach, q.dtype):
                seen = (piece.slabs(keys), piece.slabs(values))
                y, round_logsumexp = flash_attention(piece.cut(queries), *seen, piece.bias, scale=1.0)
                piece.cut(sorted_read).copy_(y)
                piece.cut(sorted_logsumexp[:, None])[..., 0].copy_(round_logsumexp)
            if index == 0:
                for whole, part in ((read, sorted_read), (logsumexp, sorted_logsumexp)):
                    torch.index_select(part, 0, sorted_row.position, out=whole[row])
                continue
            here, round_logsumexp = (
                part.index_select(0, sorted_row.position) for part in (sorted_read, sorted_logsumexp)
            )
            both = torch.logaddexp(logsumexp[row], round_logsumexp)
            read[row].mul_((logsumexp[row] - both).exp_()[:, None]).addcmul_(
                here, (round_logsumexp - both).exp_()[:, None]
            )
            logsumexp[row] = both
        ctx.save_for_backward(q, k, v, read, logsumexp, *stored)
        ctx.rounds, ctx.reach = rounds, reach
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        """Runs each round with the merged outputs and logsumexps. Stored frames have no queries, so zero gradients."""
        q, k, v, read, logsumexp, *stored = ctx.saved_tensors
        rounds, reach = ctx.rounds, ctx.reach
        grad_qkv, grad_stored = (
            [torch.empty(q.shape, dtype=q.dtype) for _ in range(3)],
            [*map(torch.empty_like, stored)],
        )
        workspace = _Workspace(q, rounds, reach)
        grad_queries, grad_rows, read_rows = (torch.empty_like(workspace.queries) for _ in range(3))
        round_logsumexp = q.new_empty(len(grad_rows))
        grad_keys, grad_values = torch.empty_like(workspace.keys), torch.empty_like(workspace.values)
        for index, row, sorted_row in _sorted_rows(rounds):
            queries, keys, values = sorted_row.sort_all((q, k, v), stored[index :: len(rounds)], workspace)
            for part, there in ((gradient, grad_rows), (read, read_rows), (logsumexp, round_logsumexp)):
                sorted_row.sort(part[row], there)
            grad_keys.zero_()
            grad_values.zero_()
            for piece in _pieces(sorted_row.ids, reach, q.dtype):
                ours, grad_slabs_k, grad_slabs_v = flash_gradients(
                    piece.cut(grad_rows),
                    piece.cut(queries),
                    piece.slabs(keys),
                    piece.slabs(values),
                    piece.bias,
                    piece.cut(read_rows),
                    piece.cut(round_logsumexp[:, None])[..., 0],
                    scale=1.0,
                )
                piece.cut(grad_queries).copy_(ours)
                piece.add_slabs(grad_keys, grad_slabs_k)
                piece.add_slabs(grad_values, grad_slabs_v)
            in_line = [grad_queries, *(part[reach[0] :][: len(sorted_row.ids)] for part in (grad_keys, grad_values))]
            for whole, part in zip(grad_qkv, in_line):
                if index == 0:
                    torch.index_select(part, 0, sorted_row.position, out=whole[row])
                else:
                    whole[row] += part.index_select(0, sorted_row.position)
            for whole, part in zip(grad_stored[index :: len(rounds)], in_line[1:]):
                torch.index_select(part, 0, sorted_row.stored, out=whole[row])
        return None, None, *grad_qkv, *grad_stored


class _SortedRow(NamedTuple):
    """How one round sorts one row; as in `Round`, without N."""

    source: Tensor
    position: Tensor
    stored: Tensor
    ids: Tensor
    row: int

    def sort(self, x: Tensor, y: Tensor) -> Tensor:
        """Sorts the new frames' x (T, ...) into y (L, ...), zero at stored frames."""
        return torch.index_select(x, 0, self.source, out=y).index_fill_(0, self.stored, 0)

    def sort_all(
        self, qkv: Sequence[Tensor], stored: Sequence[Tensor], workspace: "_Workspace"
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sorts this row's queries, and its keys and values with the stored ones."""
        queries, *parts = (self.sort(x[self.row], y) for x, y in zip(qkv, workspace.insides))
        for part, old in zip(parts, stored):
            part.index_copy_(0, self.stored, old[self.row])
        return queries, workspace.keys, workspace.values


class _Workspace:
    """Buffers in which one row after the other is sorted, to avoid an allocation for each.

    Keys and values have `before` zeros in front of them and `after` behind.
    """

    def __init__(self, q: Tensor, rounds: Sequence[Round], reach: tuple[int, int, float]) -> None:
        (before, after, _), length = reach, rounds[0].ids.shape[1]
        self.queries = q.new_empty(length, q.shape[2])
        self.keys, self.values = (q.new_zeros(before + length + after, q.shape[2]) for _ in range(2))
        self.insides = (self.queries, *(part[before : before + length] for part in (self.keys, self.values)))


def _sorted_rows(rounds: Sequence[Round]) -> Iterator[tuple[int, int, _SortedRow]]:
    """Yields the index of a round and of a row, and how the round sorts the row."""
    for index, one in enumerate(rounds):
        for row in range(len(one.ids)):
            yield index, row, _SortedRow(one.source[row], one.position[row], one.stored[row], one.ids[row], row)


class _Piece(NamedTuple):
    """Several blocks of queries, and the slabs of keys that they see."""

    start: int
    block: int
    blocks: int
    bias: Tensor
    """(blocks, 1, block, slab): minus infinity where a query must not see a key."""

    def cut(self, x: Tensor) -> Tensor:
        """Returns the part of the queries' x (L, d), a view (blocks, 1, block, d)."""
        part = x[self.start : self.start + self.blocks * self.block]
        return part.unflatten(0, (self.blocks, self.block))[:, None]

    def slabs(self, x: Tensor) -> Tensor:
        """Returns the part of the keys' x (before + L + after, d), an overlapping view (blocks, 1, slab, d)."""
        slab = self.bias.shape[-1]
        part = x[self.start : self.start + (self.blocks - 1) * self.block + slab]
        return part.unfold(0, slab, self.block).transpose(1, 2)[:, None]

    def add_slabs(self, total: Tensor, slabs: Tensor) -> None:
        """Adds slabs to their frames in `total`, one offset of all slabs at a time, so that they do not overlap."""
        for offset in range(0, slabs.shape[2], self.block):
            part = slabs[:, 0, offset : offset + self.block]
            width, first = part.shape[1], self.start + offset
            target = total[first : first + (self.blocks - 1) * self.block + width]
            target.unfold(0, width, self.block).transpose(1, 2).add_(part)


def _pieces(ids: Tensor, reach: tuple[int, int, float], dtype: torch.dtype) -> Iterator[_Piece]:
    """Cuts sorted frames with buckets `ids` (L,) into pieces; the remainder at the end is a piece of its own."""
    before, after, self_penalty = reach
    length, both = len(ids), before + after
    block = min(length, max(32, (both + 1) // 4))
    slab = block + both
    ahead = torch.arange(slab, device=ids.device) - torch.arange(block, device=ids.device)[:, None]
    near = torch.zeros(block, slab, dtype=dtype).masked_fill_((ahead < 0) | (ahead > both), -torch.inf)
    near[ahead == before] = -self_penalty
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
