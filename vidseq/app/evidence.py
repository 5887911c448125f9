"""Finds which part of the past decided an answer: parts are deleted, and the model is asked again."""

from dataclasses import dataclass

import numpy as np
import torch

from vidseq.app.answers import Asked, count_seen
from vidseq.app.models import AppModel
from vidseq.app.videos import AppVideo
from vidseq.app.wanted import Check
from vidseq.data.schema import Query
from vidseq.data.visible import Past
from vidseq.errors import UserError
from vidseq.evaluation.answering import Predict
from vidseq.explain.occlusion import Block, block_widths, find_peak, occlude
from vidseq.explain.rescoring import Rescorer
from vidseq.inference.predictor import ProjectedClip

#: Tiles of the strip at most.
MAX_TILES = 12
#: Deleted blocks of each width at most; the finest blocks are a 32nd of the past.
_MAX_BLOCKS, _FINEST_SHARE = 12, 32
#: Answers that are computed before others get their turn.
_AT_ONCE = 8


@dataclass(frozen=True)
class Tile:
    """A part of the past."""

    start: float
    end: float
    time: float
    """When its most decisive sample is shown."""
    loss: float
    """The probability that the answer loses without that sample's block; negative if it gains."""


@dataclass(frozen=True)
class Evidence:
    """What an answer rests on."""

    answer: str
    probability: float
    tiles: tuple[Tile, ...]
    """The past from the oldest to the newest."""
    peak: tuple[float, float, float] | None
    """Start and end of the narrowest block that decides, and what deleting it costs; None: no block alone does."""


def find_evidence(model: AppModel, video: AppVideo, asked: Asked, check: Check) -> Evidence:
    """Finds the past that decided a model's answer.

    Args:
        model: which; its answers are classes.
        video: its features are known.
        asked: what, and when.
        check: called between answers; what it raises ends the search.

    Raises:
        UserError: the model writes its answers, or was not trained for it, or the time is before the first sample.
    """
    task = model.predictor.task_for(asked.query(model).kind)
    classes = model.model.find_task(task).answer_classes
    if not classes:
        raise UserError(f"Finding what decided expects answers that are classes, got words of {model.name}.")
    times = video.features_for(model).pts_seconds
    seen = count_seen(times, asked.time)
    past = Past(video.projected_for(model)[:seen].numpy(force=True), times[:seen])
    rescorer = Rescorer(_predict_of(model, check), classes, past, asked.query(model, video.name))
    whole = rescorer.probabilities(np.ones((1, seen), bool))[0]
    answer = int(whole.argmax())
    widths = block_widths(seen, max(1, seen // _FINEST_SHARE))
    levels = occlude(rescorer, answer, widths[2:] or widths, max_blocks=_MAX_BLOCKS)
    ends = np.append(past.pts_seconds[1:], asked.time)
    return Evidence(
        rescorer.names[answer],
        float(whole[answer]),
        _tiles(levels, past.pts_seconds, ends),
        _peak(levels, times, ends),
    )


def _peak(
    levels: dict[int, tuple[Block, ...]], times: np.ndarray, ends: np.ndarray
) -> tuple[float, float, float] | None:
    peak = find_peak(levels)
    return None if peak is None else (float(times[peak.start]), float(ends[peak.stop - 1]), peak.loss)


def _predict_of(model: AppModel, check: Check) -> Predict:
    """Asks a model from projected features; others get their turn in between."""
    device = next(model.model.parameters()).device

    def predict(features: list[np.ndarray], times: list[np.ndarray], queries: list[Query]) -> np.ndarray:
        scores: list[np.ndarray] = []
        for start in range(0, len(features), _AT_ONCE):
            check()
            parts = zip(features[start : start + _AT_ONCE], queries[start : start + _AT_ONCE])
            clips = [
                ProjectedClip(query.video, torch.from_numpy(x).to(device), [(len(x), query)]) for x, query in parts
            ]
            with model.turn:
                scores += [answers[0] for answers in model.predictor.answer_clips(clips)]
        return np.stack(scores)

    return predict


def _losses(levels: dict[int, tuple[Block, ...]], num_frames: int) -> np.ndarray:
    """What each sample costs, (T,): the costliest of the narrowest blocks that hold it, down to the peak's width.

    Narrower ones leave a part of what decides, so they cost nothing.
    """
    peak = find_peak(levels)
    losses = np.full(num_frames, np.nan)
    for width in sorted(width for width in levels if peak is None or width >= peak.width):
        costliest = np.full(num_frames, np.nan)
        for block in levels[width]:
            span = slice(block.start, block.stop)
            costliest[span] = np.fmax(costliest[span], block.loss)
        losses = np.where(np.isnan(losses), costliest, losses)
    return np.nan_to_num(losses)


def _tiles(levels: dict[int, tuple[Block, ...]], times: np.ndarray, ends: np.ndarray) -> tuple[Tile, ...]:
    losses = _losses(levels, len(times))
    parts = np.array_split(np.arange(len(times)), min(MAX_TILES, len(times)))
    return tuple(_tile(part, losses, times, ends) for part in parts)


def _tile(part: np.ndarray, losses: np.ndarray, times: np.ndarray, ends: np.ndarray) -> Tile:
    best = int(part[losses[part].argmax()])
    return Tile(float(times[part[0]]), float(ends[part[-1]]), float(times[best]), float(losses[best]))
