"""Reads clips and answers queries on the way, for training and prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.errors import DataError
from vidseq.model import VideoReasoner
from vidseq.ops.places import PlacedQueries, Places


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
    """The head's output at the frames up to the last one that was read, (B, T, D); zero where none was."""


def output_of(model: VideoReasoner, outputs: Reading, task: str) -> Tensor:
    """Returns a task's output: the decoded output of its N queries, or class scores of frames (B, T, C)."""
    return outputs.logits[task] if task in outputs.logits else model.frame_logits(outputs.y, task)


def read_clips(
    model: VideoReasoner,
    features: Tensor,
    mask: Tensor,
    asked: Mapping[str, QueryBatch],
    *,
    whole: bool = False,
    videos: Sequence[str] | None = None,
    levelled: bool = False,
) -> Reading:
    """Reads each clip once and answers every query from the frames that it sees.

    Args:
        model: the model; gradients flow if they are enabled.
        features: features of the clips, (B, T, F).
        mask: bool (B, T), True = valid, a row's valid frames first.
        asked: the queries of each task, by its name.
        whole: read every clip to its end, for frame labels, instead of to its last query.
        videos: the video of each clip, so that no video retrieves itself; None: unknown.
        levelled: the features of whole videos come from `VideoReasoner.level`.

    Returns:
        the answers, and the head's output at every frame read.

    Raises:
        ValueError: a query is after the end of its clip.
    """
    if not model.config.causal:
        return Reading({}, model(features, mask, levelled=levelled))
    return _read(model, model.project(features, mask), mask, asked, whole=whole, videos=videos)


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
    return _read(model, x, mask, asked, whole=False, videos=videos).logits


def _read(
    model: VideoReasoner,
    projected: Tensor,
    mask: Tensor,
    asked: Mapping[str, QueryBatch],
    *,
    whole: bool,
    videos: Sequence[str] | None,
) -> Reading:
    places = _places(asked, projected.device)
    if not whole:
        projected, mask = _up_to_last_query(projected, mask, places)
    (x, tokens), state, vectors = model.split(projected), model.init_state(len(mask), videos), _vectors(model, asked)
    every = torch.cat([*vectors.values()]) if vectors else x.new_zeros(0, x.shape[2])
    seen = _look(model, every, tokens, state.tokens, places)
    y, contexts = model.head.ask_along(x, state.memory, mask, PlacedQueries(every + seen, places))
    present, sizes = places.newest(y, state.present) + seen, [len(own) for own in vectors.values()]
    parts = zip(vectors.items(), contexts.split(sizes), present.split(sizes))
    logits = {task: model.find_task(task).decode_query(context, own, newest) for (task, own), context, newest in parts}
    return Reading(logits, y)


def _look(model: VideoReasoner, vectors: Tensor, tokens: Tensor, before: Tensor, places: Places) -> Tensor:
    """Returns what queries see of the newest tokens at their places; queries at one place share these."""
    if model.look is None:
        return torch.zeros_like(vectors)
    distinct, index = places.distinct()
    asked = PlacedQueries(vectors, Places(index, places.seen)).by_row(len(distinct.rows))
    return asked.flatten(model.look_at(asked.vectors, distinct.newest(tokens, before)))


def _places(asked: Mapping[str, QueryBatch], device: torch.device) -> Places:
    """Returns the places of all queries, task after task."""
    rows = [row for queries in asked.values() for row in queries.rows]
    frames = [count for queries in asked.values() for count in queries.frames]
    return Places(*(torch.tensor(part, dtype=torch.int64, device=device) for part in (rows, frames)))


def _up_to_last_query(x: Tensor, mask: Tensor, places: Places) -> tuple[Tensor, Tensor]:
    """Leaves out the frames after each clip's last query."""
    ends = torch.zeros(len(x), dtype=torch.int64, device=x.device).scatter_reduce(0, places.rows, places.seen, "amax")
    length = min(int(ends.max()) if len(x) else 0, x.shape[1])
    seen = torch.arange(length, device=x.device) < ends[:, None]
    return x[:, :length], mask[:, :length] & seen


def _vectors(model: VideoReasoner, asked: Mapping[str, QueryBatch]) -> dict[str, Tensor]:
    """Returns what the head is asked with, (N, D) of each task; texts that tasks share are encoded once."""
    if not asked:
        return {}
    width = max(queries.tokens.shape[1] for queries in asked.values())
    tokens = [F.pad(queries.tokens, (0, width - queries.tokens.shape[1])) for queries in asked.values()]
    texts = model.encode_texts(torch.cat(tokens)).split([len(part) for part in tokens])
    return {task: model.find_task(task).query_vectors(own) for task, own in zip(asked, texts)}
