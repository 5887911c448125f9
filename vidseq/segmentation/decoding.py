"""From frame scores to segments: the most likely sequence of labels and lengths, learned from training labels.

A frame classifier flickers: it splits one action into many. Training labels give the durations of actions and their
order. With them, dynamic programming over whole segments finds the best segmentation (a semi-Markov model, after
Sarawagi and Cohen, NeurIPS 2004): offline from the whole video, online from the past only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy import stats
from vidseq.errors import UserError

#: Smallest standard deviation of the logarithm of a length.
_MIN_SPREAD = 0.3
#: Pseudo-counts of every start and of every pair of labels, so that none is impossible.
_PSEUDO_COUNT = 0.5
#: Longest segment that is considered, as a multiple of the longest in training.
_MAX_LENGTH = 2.0


@dataclass(frozen=True)
class SegmentModel:
    """Lengths of each class and transitions between classes; C classes, lengths in frames up to L."""

    log_start: np.ndarray
    """Log-probability that a video starts with a class, (C,)."""
    log_follow: np.ndarray
    """Log-probability of the next class after each class, (C, C); -inf on the diagonal."""
    log_length: np.ndarray
    """Log-probability of each length 1..L, log-normal, (L, C)."""
    log_survival: np.ndarray
    """Log-probability of at least each length, (L, C)."""

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.log_start)

    @classmethod
    def fit(cls, videos: Sequence[np.ndarray], num_classes: int) -> "SegmentModel":
        """Counts starts, pairs and lengths in training videos.

        Args:
            videos: class of each frame, (T,) per video; frames below 0 have no label and end a segment.
            num_classes: C.

        Raises:
            UserError: there is no segment, or a class does not exist.
        """
        start, follow = np.full(num_classes, _PSEUDO_COUNT), np.full((num_classes, num_classes), _PSEUDO_COUNT)
        lengths: list[list[int]] = [[] for _ in range(num_classes)]
        for labels in videos:
            _count(np.asarray(labels), start, follow, lengths)
        found = [length for class_lengths in lengths for length in class_lengths]
        if not found:
            raise UserError("A segment model expects training videos with labels, got none.")
        np.fill_diagonal(follow, 0.0)
        grid = np.arange(1, int(np.ceil(_MAX_LENGTH * max(found))) + 1)
        laws = [_length_law(class_lengths or found) for class_lengths in lengths]
        with np.errstate(divide="ignore"):
            return cls(
                np.log(start / start.sum()),
                np.log(follow / np.maximum(follow.sum(axis=1, keepdims=True), 1e-300)),
                np.stack([law.logpdf(np.log(grid)) - np.log(grid) for law in laws], axis=1),
                np.stack([law.logsf(np.log(grid - 0.5)) for law in laws], axis=1),
            )


class SegmentDecoder:
    """Reads scores frame by frame and keeps the best segmentation so far.

    Args:
        model: from training labels.
        score_weight: weight of a frame's log-probability; well below 1, because neighbouring frames are correlated.
        follow_weight: weight of starts and pairs of labels; 0 leaves only lengths.
    """

    def __init__(self, model: SegmentModel, *, score_weight: float = 0.2, follow_weight: float = 0.5) -> None:
        if not score_weight > 0 or follow_weight < 0:
            raise UserError(
                f"A segment decoder expects score_weight above 0 and follow_weight of at least 0, "
                f"got {score_weight} and {follow_weight}."
            )
        self._model = model
        self._score_weight = score_weight
        possible = np.isfinite(model.log_follow)
        self._follow = np.where(possible, follow_weight * np.where(possible, model.log_follow, 0.0), -np.inf)
        longest = len(model.log_length)
        # Newest first: row k is the start of a segment of length k + 1 that includes the newest frame.
        self._enter = np.full((longest, model.num_classes), -np.inf)
        self._next_enter = follow_weight * model.log_start

    def step(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Reads new frames; returns the class of each in the best segmentation up to it.

        Args:
            log_probabilities: of the classes, (N, C).

        Returns:
            classes, (N,).

        Raises:
            UserError: the shape is wrong, or there is NaN.
        """
        scores = checked_scores(log_probabilities, self._model.num_classes)
        return np.array([self._advance(row)[0].max(axis=0).argmax() for row in scores], dtype=int)

    def _advance(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reads one frame; returns the best scores (L, C) of open segments, and of segments that end with it."""
        self._enter = np.concatenate([self._next_enter[None], self._enter[:-1]])
        self._enter += self._score_weight * score
        closed = self._enter + self._model.log_length
        best = closed.max(axis=0)
        self._next_enter = (best[:, None] + self._follow).max(axis=0)
        return self._enter + self._model.log_survival, closed


def decode_segments(
    log_probabilities: np.ndarray, model: SegmentModel, *, score_weight: float = 0.2, follow_weight: float = 0.5
) -> np.ndarray:
    """Finds the best segmentation of a whole video.

    Args:
        log_probabilities: of the classes, (T, C).
        model: from training labels.
        score_weight: see `SegmentDecoder`.
        follow_weight: see `SegmentDecoder`.

    Returns:
        the class of each frame, (T,).

    Raises:
        UserError: the shape is wrong, or there is NaN.
    """
    scores = checked_scores(log_probabilities, model.num_classes)
    decoder = SegmentDecoder(model, score_weight=score_weight, follow_weight=follow_weight)
    lengths = np.empty(scores.shape, dtype=int)
    ending = np.empty(scores.shape)
    for frame, row in enumerate(scores):
        _, closed = decoder._advance(row)
        lengths[frame], ending[frame] = closed.argmax(axis=0) + 1, closed.max(axis=0)
    return _trace_back(lengths, ending, decoder._follow)


def _trace_back(lengths: np.ndarray, ending: np.ndarray, follow: np.ndarray) -> np.ndarray:
    labels = np.empty(len(lengths), dtype=int)
    end, label = len(lengths), int(ending[-1].argmax()) if len(lengths) else 0
    while end > 0:
        start = end - lengths[end - 1, label]
        labels[start:end] = label
        if start > 0:
            label = int((ending[start - 1] + follow[:, label]).argmax())
        end = start
    return labels


def _count(labels: np.ndarray, start: np.ndarray, follow: np.ndarray, lengths: list[list[int]]) -> None:
    if len(labels) and labels.max() >= len(start):
        raise UserError(f"A segment model expects classes below {len(start)}, got {labels.max()}.")
    edges = np.flatnonzero(np.diff(labels, prepend=np.nan, append=np.nan) != 0)
    runs = [(int(labels[first]), int(last - first)) for first, last in pairwise(edges)]
    for position, (label, length) in enumerate(runs):
        if label < 0:
            continue
        lengths[label].append(length)
        if position == 0:
            start[label] += 1
        elif runs[position - 1][0] >= 0:
            follow[runs[position - 1][0], label] += 1


def _length_law(lengths: Sequence[int]) -> "stats.rv_continuous":
    from scipy import stats  # only training needs it, and prediction starts sooner without

    logarithms = np.log(lengths)
    return stats.norm(logarithms.mean(), max(float(logarithms.std()), _MIN_SPREAD))


def checked_scores(log_probabilities: np.ndarray, num_classes: int) -> np.ndarray:
    """Checks scores of frames, (T, C), and returns them as float64.

    Raises:
        UserError: the shape is wrong, or there is NaN.
    """
    scores = np.asarray(log_probabilities, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] != num_classes or np.isnan(scores).any():
        raise UserError(
            f"A segment decoder expects log-probabilities (T, {num_classes}) without NaN, got {scores.shape} "
            f"with {int(np.isnan(scores).sum())} NaN."
        )
    return scores
