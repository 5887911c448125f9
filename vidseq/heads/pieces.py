"""Asking a head at many places by reading the frames in pieces, each up to the next place of every row."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from vidseq.ops.places import PlacedQueries

#: Largest number of frames of a piece, which bounds memory.
MAX_PIECE_FRAMES = 4096


@dataclass(frozen=True)
class Piece:
    """A number of frames that all clips scan together, and the queries after them."""

    length: int
    stops: list[tuple[int, int]]
    """(clip, frames seen) of each clip that has a query after this piece."""


@dataclass(frozen=True)
class ReadingPlan:
    """The pieces in which the clips of a batch are read."""

    pieces: list[Piece]
    frames: Tensor
    """The frame at each position of the joined pieces, as an index into its clip, long (B, S)."""
    mask: Tensor
    """The positions that hold a frame, bool (B, S); within a piece a row's frames come first."""

    def cut(self, x: Tensor) -> Iterator[tuple[Piece, Tensor, Tensor]]:
        """Yields each piece with its part of clips (B, T, D) and of the mask."""
        frames, mask = self.frames.to(x.device), self.mask.to(x.device)
        # Indexes and splits once, because slicing each piece would make the backward pass quadratic.
        x = x.gather(1, frames[..., None].expand(-1, -1, x.shape[-1]))
        widths = [piece.length for piece in self.pieces]
        return zip(self.pieces, x.split(widths, dim=1), mask.split(widths, dim=1))

    def in_order(self, values: Tensor, num_frames: int) -> Tensor:
        """Sorts values at the positions (B, S, C) by frame: (B, T, C), zero for frames that are not read."""
        # Padding goes to an extra position after the last frame, which is cut off.
        frames = torch.where(self.mask, self.frames, num_frames).to(values.device)
        placed = values.new_zeros(values.shape[0], num_frames + 1, values.shape[2])
        return placed.scatter(1, frames[..., None].expand_as(values), values)[:, :-1]

    def going(self) -> Iterator[list[int]]:
        """Yields, for each piece, the clips that still have frames to read."""
        ends = (self.mask * torch.arange(1, self.mask.shape[1] + 1)).amax(dim=1).tolist() if self.pieces else []
        start = 0
        for piece in self.pieces:
            yield [row for row, end in enumerate(ends) if end > start]
            start += piece.length


def plan_pieces(lengths: Sequence[int], stops: Sequence[Sequence[int]]) -> ReadingPlan:
    """Cuts clips into pieces that end at queries, and reads every clip to its end.

    Rows are not in step: a piece takes each row to its own next stop, or a fair share of the clip towards it. If no
    row has more than K stops, there are at most about 2 K pieces, which together are at most about twice as long as
    the longest clip.

    Args:
        lengths: number of frames of each clip, B values.
        stops: for each clip, the numbers of frames after which queries are asked.

    Raises:
        ValueError: a stop is after the end of its clip.
    """
    for length, row in zip(lengths, stops):
        if row and not 0 <= min(row) <= max(row) <= length:
            raise ValueError(f"A clip of {length} frames expects queries after 0 to {length} frames, got {max(row)}.")
    asked = [set(row) for row in stops]
    ahead = [sorted({*row, length} - {0}) for length, row in zip(lengths, stops)]
    farthest = max((row[-1] for row in ahead if row), default=0)
    span = max(1, min(MAX_PIECE_FRAMES, math.ceil(farthest / max(1, *map(len, ahead)))))
    at = [0] * len(lengths)
    pieces, steps = [], []
    while any(ahead):
        steps.append([min(row[0] - start, span) if row else 0 for row, start in zip(ahead, at)])
        at = [start + step for start, step in zip(at, steps[-1])]
        arrived = [clip for clip, stops_left in enumerate(ahead) if stops_left and stops_left[0] == at[clip]]
        due = [(clip, at[clip]) for clip in arrived if at[clip] in asked[clip]]
        pieces.append(Piece(max(steps[-1]), due))
        for clip in arrived:
            del ahead[clip][0]
    return ReadingPlan(pieces, *_layout(len(lengths), [piece.length for piece in pieces], steps))


def plan_together(lengths: Sequence[int], stops: Sequence[Sequence[int]]) -> ReadingPlan:
    """Cuts clips into pieces that all clips read in step; a piece ends where any clip has a query.

    The pieces together are as long as the longest clip, with one piece per distinct stop. This suits clips with common
    stops, such as those of one context length.

    Args:
        lengths: number of frames of each clip, B values.
        stops: for each clip, the numbers of frames after which queries are asked.
    """
    asked = [set(row) for row in stops]
    ends = np.array(lengths, dtype=np.int64)
    edges = sorted({*lengths, *(stop for row in asked for stop in row)} - {0})
    pieces, steps, at = [], [], 0
    for edge in edges:
        while at < edge:
            stop = min(edge, at + MAX_PIECE_FRAMES)
            steps.append(np.clip(ends - at, 0, stop - at).tolist())
            due = [(row, stop) for row in range(len(lengths)) if stop in asked[row]]
            pieces.append(Piece(stop - at, due))
            at = stop
    return ReadingPlan(pieces, *_layout(len(lengths), [piece.length for piece in pieces], steps))


def _layout(num_rows: int, widths: Sequence[int], steps: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Returns the frames and the mask of the joined pieces; see `ReadingPlan`."""
    frames = np.zeros((num_rows, sum(widths)), dtype=np.int64)
    mask = np.zeros(frames.shape, dtype=bool)
    start, at = 0, np.zeros(num_rows, dtype=np.int64)
    for width, taken in zip(widths, np.array(steps, dtype=np.int64)):
        offset = np.arange(width)
        valid = offset < taken[:, None]
        frames[:, start : start + width] = np.where(valid, at[:, None] + offset, 0)
        mask[:, start : start + width] = valid
        start, at = start + width, at + taken
    return torch.from_numpy(frames), torch.from_numpy(mask)


class AskedInSteps(Protocol):
    """What is used of a head."""

    def step(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """Reads new frames."""

    def ask(self, queries: Tensor, state: Any) -> Tensor:
        """Answers queries (B, Q, D)."""


def read_in_pieces(
    head: AskedInSteps, x: Tensor, state: Any, mask: Tensor, queries: PlacedQueries
) -> tuple[Tensor, Tensor]:
    """Reads frames and asks queries on the way, for heads that can do no better; the others are tested against it.

    Args:
        head: steps and answers.
        x: new frames, (B, T, D).
        state: before them.
        mask: bool (B, T), True = valid, a row's valid frames first.
        queries: N queries.

    Returns:
        y (B, T, D), zero where invalid, and the answers (N, D).
    """
    lengths, asked = mask.sum(dim=1).tolist(), _AtStops(head, queries)
    stops = asked.stops(len(lengths))
    plan = min(plan_pieces(lengths, stops), plan_together(lengths, stops), key=_cost)
    rows, ys = [*range(len(lengths))], []
    asked.ask([(row, 0) for row in rows], state, rows)
    for (piece, part, valid), going in zip(plan.cut(x), plan.going()):
        if len(going) < len(rows):  # drops the clips that have ended
            state = _rows_of(state, torch.tensor([rows.index(row) for row in going], device=x.device))
            rows = going
        index = torch.tensor(rows, device=x.device)
        y, state = head.step(part.index_select(0, index), state, valid.index_select(0, index))
        ys.append(y.new_zeros(len(x), *y.shape[1:]).index_copy(0, index, y) if len(rows) < len(x) else y)
        asked.ask(piece.stops, state, rows)
    return (plan.in_order(torch.cat(ys, dim=1), x.shape[1]) if ys else torch.zeros_like(x)), asked.answers()


def _cost(plan: ReadingPlan) -> int:
    """Estimates the time of a plan in frames: the start of a piece takes about as long as four frames."""
    return plan.frames.shape[1] + 4 * len(plan.pieces)


def _rows_of(state: Any, indices: Tensor) -> Any:
    """Selects rows of a head's state by their indices (N,), which may come twice."""
    return type(state)(*(part.index_select(0, indices) for part in state))


class _AtStops:
    """The queries of a batch by the place at which they are asked, and the answers so far."""

    def __init__(self, head: AskedInSteps, queries: PlacedQueries) -> None:
        self._head, self._vectors = head, queries.vectors
        self._at: dict[tuple[int, int], list[int]] = {}
        for index, place in enumerate(zip(queries.places.rows.tolist(), queries.places.seen.tolist())):
            self._at.setdefault(place, []).append(index)
        self._asked: list[Tensor] = []
        self._answers: list[Tensor] = []

    def stops(self, num_rows: int) -> list[list[int]]:
        """Returns the numbers of frames after which each row has queries."""
        stops: list[list[int]] = [[] for _ in range(num_rows)]
        for row, seen in self._at:
            stops[row].append(seen)
        return stops

    def ask(self, stops: Sequence[tuple[int, int]], state: Any, rows: Sequence[int]) -> None:
        """Asks the queries of (row, frames seen) pairs; `rows` are the rows that the state holds."""
        due = [(rows.index(stop[0]), self._at[stop]) for stop in stops if stop in self._at]
        if not due:
            return
        device, width = self._vectors.device, max(len(indices) for _, indices in due)
        own = torch.tensor([row for row, _ in due], device=device)
        index = torch.tensor([indices + [-1] * (width - len(indices)) for _, indices in due], device=device)
        answers = self._head.ask(self._vectors[index], _rows_of(state, own))
        self._asked.append(index[index >= 0])
        self._answers.append(answers[index >= 0])

    def answers(self) -> Tensor:
        """Returns the answers in the order of the queries, (N, D)."""
        if not self._asked:
            return self._vectors
        order = torch.cat(self._asked).argsort()
        assert len(order) == len(self._vectors), "a query was not asked exactly once"
        return torch.cat(self._answers).index_select(0, order)
