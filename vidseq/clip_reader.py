"""Reads clips in pieces that end at queries, for training and prediction."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vidseq.errors import DataError
from vidseq.model import ModelState, VideoReasoner

#: Largest number of frames of a piece, which bounds memory.
MAX_PIECE_FRAMES = 4096


def check_frames(features: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """Checks features and turns them into a tensor.

    Args:
        features: features of T frames, (T, F) or (T, N, F); T may be 0.
        shape: expected shape of one frame, (F,) or (N, F).

    Returns:
        float32 (T, F) or (T, N, F).

    Raises:
        DataError: the shape is wrong, or a value is NaN or infinite.
    """
    frames = torch.from_numpy(np.array(features, dtype=np.float32))
    if frames.shape[1:] != shape:
        expected = ", ".join(map(str, shape))
        raise DataError(
            f"The model expects features (T, {expected}), got {tuple(frames.shape)}. Use those it was trained on."
        )
    finite = torch.isfinite(frames).flatten(1).all(dim=1)
    if not bool(finite.all()):
        frame = int((~finite).nonzero()[0])
        raise DataError(
            f"The model expects finite features, got NaN or infinity in frame {frame}. Extract them again."
        )
    return frames


@dataclass(frozen=True)
class QueryBatch:
    """Queries of one task about the clips of a batch."""

    rows: Sequence[int]
    """The clip of each query, (N,)."""
    frames: Sequence[int]
    """Number of frames of its clip that each query sees, (N,); 0: it is asked before the first frame."""
    tokens: Tensor
    """Word indices, long (N, W)."""


@dataclass(frozen=True)
class Reading:
    """The outputs of a model for a batch of clips."""

    logits: dict[str, Tensor]
    """Decoded output of each task in the order of its queries: class scores (N, C), or vectors for a writer."""
    y: Tensor
    """The head's output, piece after piece, (B, S, D)."""
    frames: Tensor
    """The frame at each position of `y`, as an index into its clip, long (B, S)."""
    mask: Tensor
    """The positions of `y` that hold a frame, bool (B, S)."""
    num_frames: int
    """Padded length T of the clips."""

    def in_order(self, values: Tensor) -> Tensor:
        """Sorts values that were computed from `y` by frame.

        Args:
            values: values at the positions of `y`, (B, S, C).

        Returns:
            values of the frames, (B, T, C), zero for frames that were not read.
        """
        # Padding goes to an extra position after the last frame, which is cut off.
        frames = torch.where(self.mask, self.frames, self.num_frames)
        placed = values.new_zeros(values.shape[0], self.num_frames + 1, values.shape[2])
        return placed.scatter(1, frames[..., None].expand_as(values), values)[:, :-1]


def output_of(model: VideoReasoner, outputs: Reading, task: str) -> Tensor:
    """Returns a task's output: the decoded output of its N queries, or class scores of frames (B, T, C)."""
    if task in outputs.logits:
        return outputs.logits[task]
    return outputs.in_order(model.frame_logits(outputs.y, task))


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

    def going(self) -> Iterator[list[int]]:
        """Yields, for each piece, the clips that still have frames to read."""
        ends = (self.mask * torch.arange(1, self.mask.shape[1] + 1)).amax(dim=1).tolist() if self.pieces else []
        start = 0
        for piece in self.pieces:
            yield [row for row, end in enumerate(ends) if end > start]
            start += piece.length


def plan_pieces(lengths: Sequence[int], stops: Sequence[Sequence[int]], *, whole: bool) -> ReadingPlan:
    """Cuts clips into pieces that end at queries.

    Rows are not in step: a piece takes each row to its own next stop, or a fair share of the clip towards it. If no
    row has more than K stops, there are at most about 2 K pieces, which together are at most about twice as long as
    the longest clip.

    Args:
        lengths: number of frames of each clip, B values.
        stops: for each clip, the numbers of frames after which queries are asked.
        whole: read every clip to its end instead of its last query.

    Raises:
        ValueError: a stop is after the end of its clip.
    """
    for length, row in zip(lengths, stops):
        if row and not 0 <= min(row) <= max(row) <= length:
            raise ValueError(f"A clip of {length} frames expects queries after 0 to {length} frames, got {max(row)}.")
    asked = [set(row) for row in stops]
    ahead = [sorted({*row, *([length] if whole else [])} - {0}) for length, row in zip(lengths, stops)]
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
    ends = np.array([max(row, default=0) for row in asked])
    edges = sorted({stop for row in asked for stop in row} - {0})
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


def read_clips(
    model: VideoReasoner,
    features: Tensor,
    mask: Tensor,
    asked: Mapping[str, QueryBatch],
    *,
    whole: bool = False,
    videos: Sequence[str] | None = None,
) -> Reading:
    """Reads each clip once and answers every query from the frames that it sees.

    Args:
        model: the model; gradients flow if they are enabled.
        features: features of the clips, (B, T, F).
        mask: bool (B, T), True = valid, a row's valid frames first.
        asked: the queries of each task, by its name.
        whole: read every clip to its end, for frame labels, instead of to its last query.
        videos: the video of each clip, so that no video retrieves itself; None: unknown.

    Returns:
        the answers, and the head's output at every frame read.
    """
    if not model.config.causal:
        frames = torch.arange(features.shape[1], device=features.device).expand(mask.shape)
        return Reading({}, model(features, mask), frames, mask, features.shape[1])
    lengths, queries = mask.sum(dim=1).tolist(), _Queries(model, asked)
    plan, rows = plan_pieces(lengths, queries.stops(len(lengths)), whole=whole), [*range(len(lengths))]
    x, state, ys = model.project(features, mask), model.init_state(len(lengths), videos), []
    queries.ask([(row, 0) for row in rows], state, rows)
    for piece, part, valid in plan.cut(x):
        y, state = model.scan(part, state, valid)
        ys.append(y)
        queries.ask(piece.stops, state, rows)
    y = torch.cat(ys, dim=1) if ys else x[:, :0]
    return Reading(queries.logits(), y, plan.frames.to(x.device), plan.mask.to(x.device), features.shape[1])


def read_projected(
    model: VideoReasoner,
    x: Tensor,
    mask: Tensor,
    asked: Mapping[str, QueryBatch],
    *,
    videos: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """Answers queries of projected clips; each clip is read once, up to its last query.

    Args:
        model: a causal model.
        x: clips projected by `model.project`, (B, T, D).
        mask: bool (B, T), True = valid, a row's valid frames first.
        asked: the queries of each task, by its name.
        videos: the video of each clip; None: unknown.

    Returns:
        class scores of each task's queries, (N, C), in the order of the queries.
    """
    lengths, queries = mask.sum(dim=1).tolist(), _Queries(model, asked)
    stops = queries.stops(len(lengths))
    plan = min(plan_pieces(lengths, stops, whole=False), plan_together(lengths, stops), key=_cost)
    rows = [*range(len(x))]
    state = model.init_state(len(x), videos)
    queries.ask([(row, 0) for row in rows], state, rows)
    for (piece, part, valid), going in zip(plan.cut(x), plan.going()):
        if len(going) < len(rows):  # drops the clips that have ended
            state = state.rows(torch.tensor([rows.index(row) for row in going], device=x.device))
            rows = going
        _, state = model.scan(part[rows], state, valid[rows])
        queries.ask(piece.stops, state, rows)
    return queries.logits()


def _cost(plan: ReadingPlan) -> int:
    """Estimates the time of a plan in frames: the start of a piece takes about as long as four frames."""
    return plan.frames.shape[1] + 4 * len(plan.pieces)


class _Queries:
    """All queries of a batch in one list; those after the same frame are asked together, even of different tasks."""

    def __init__(self, model: VideoReasoner, asked: Mapping[str, QueryBatch]) -> None:
        self._model = model
        self._tasks = {task: len(queries.rows) for task, queries in asked.items()}
        vectors = [model.query_vectors(queries.tokens, task) for task, queries in asked.items()]
        self._vectors = torch.cat(vectors) if vectors else None
        self._at: dict[tuple[int, int], list[int]] = {}
        stops = [stop for queries in asked.values() for stop in zip(queries.rows, queries.frames)]
        for index, (row, frames) in enumerate(stops):
            self._at.setdefault((int(row), int(frames)), []).append(index)
        self._asked: list[int] = []
        self._contexts: list[Tensor] = []
        self._presents: list[Tensor] = []

    def stops(self, num_rows: int) -> list[list[int]]:
        """Returns the numbers of frames after which each row has queries."""
        stops: list[list[int]] = [[] for _ in range(num_rows)]
        for row, frames in self._at:
            stops[row].append(frames)
        return stops

    def ask(self, stops: Sequence[tuple[int, int]], state: ModelState, rows: Sequence[int]) -> None:
        """Asks the queries of (row, frames seen) pairs; `rows` are the rows that the state holds."""
        at = {row: position for position, row in enumerate(rows)}
        due = [(at[row], index) for row, frames in stops for index in self._at.get((row, frames), ())]
        if not due or self._vectors is None:
            return
        device = self._vectors.device
        its_row, indices = (torch.tensor(part, device=device) for part in zip(*due))
        state = state.rows(its_row)
        vectors = self._vectors[indices][:, None]
        seen = self._model.look_at(vectors, state.tokens)
        self._contexts.append(self._model.head.ask(vectors + seen, state.memory)[:, 0])
        self._presents.append(state.present + seen[:, 0])
        self._asked += indices.tolist()

    def logits(self) -> dict[str, Tensor]:
        """Returns the answers of each task, in the order of its queries."""
        if self._vectors is None:
            return {}
        contexts, presents = self._in_order(self._contexts), self._in_order(self._presents)
        assert len(contexts) == len(self._vectors), "a query was not asked exactly once"
        sizes = [*self._tasks.values()]
        parts = zip(self._tasks, contexts.split(sizes), self._vectors.split(sizes), presents.split(sizes))
        return {
            task: self._model.find_task(task).decode_query(context, vectors, present)
            for task, context, vectors, present in parts
        }

    def _in_order(self, parts: Sequence[Tensor]) -> Tensor:
        """Joins collected parts and sorts them by query."""
        assert self._vectors is not None
        if not parts:
            return self._vectors[:0]
        order = torch.tensor(self._asked, device=self._vectors.device).argsort()
        return torch.cat(list(parts)).index_select(0, order)
