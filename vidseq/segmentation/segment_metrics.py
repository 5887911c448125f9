"""Frame-label metrics: accuracy, edit score and segmental F1 (Lea et al., CVPR 2017). All are fractions in [0, 1].

Every choice that changes a value is a named argument: the background label, and whether F1 is averaged over videos or
pooled. Frames whose true label is `UNLABELLED` are removed from both sequences before anything is counted.

Nothing against nothing is neither right nor wrong: where neither sequence has a segment, edit score and F1 are NaN,
and means leave that video out. Where one of them has a segment, both are 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vidseq.errors import UserError

#: True label of a frame without a label.
UNLABELLED = -100
#: Overlaps (intersection over union) at which F1 is reported.
OVERLAPS = (0.10, 0.25, 0.50)
#: How F1 is averaged. `per_video`: F1 of each video, then the mean (Lea et al.); `pooled`: counts over all videos.
F1_AVERAGES = ("per_video", "pooled")


class Runs(NamedTuple):
    """Maximal runs of one label: `labels`, first frames `starts`, and `ends`, one past the last; each (S,)."""

    labels: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


class Counts(NamedTuple):
    """True positives, false positives and false negatives."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN where all counts are 0. (Lea et al. count such a video as 0.)"""
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / total if total else float("nan")


def runs_of(labels: np.ndarray, background: int | None = None) -> Runs:
    """Splits frame labels into runs.

    Args:
        labels: class of each frame, (T,).
        background: class whose runs are left out; None: all runs are kept.
    """
    labels = np.asarray(labels)
    changes = np.flatnonzero(np.diff(labels)) + 1
    starts = np.concatenate([[0], changes]).astype(int)[: len(labels)]
    ends = np.concatenate([changes, [len(labels)]]).astype(int)[: len(labels)]
    keep = labels[starts] != background if background is not None else np.ones(len(starts), bool)
    return Runs(labels[starts][keep], starts[keep], ends[keep])


def frame_accuracy(predicted: np.ndarray, true: np.ndarray) -> float:
    """Computes the share of labelled frames that are right, background included; NaN where no frame is labelled."""
    predicted, true = _labelled(predicted, true)
    return float((predicted == true).mean()) if len(true) else float("nan")


def edit_score(predicted: np.ndarray, true: np.ndarray, background: int | None = None) -> float:
    """Computes one minus the edit distance of the two orders of segments, over the longer number of segments.

    Args:
        predicted: class of each frame, (T,).
        true: class of each frame, (T,).
        background: class left out of both; None: none.

    Returns:
        a fraction; NaN where neither has a segment.
    """
    predicted, true = _labelled(predicted, true)
    predicted_runs, true_runs = runs_of(predicted, background).labels, runs_of(true, background).labels
    longest = max(len(predicted_runs), len(true_runs))
    return 1 - edit_distance(predicted_runs, true_runs) / longest if longest else float("nan")


def edit_distance(one: np.ndarray, other: np.ndarray) -> int:
    """Computes the Levenshtein distance: the fewest insertions, deletions and substitutions from `one` to `other`."""
    previous = np.arange(len(other) + 1)
    for row, item in enumerate(one, start=1):
        step = np.concatenate([[row], np.minimum(previous[1:] + 1, previous[:-1] + (np.asarray(other) != item))])
        # An insertion costs one per column. With the column subtracted, a running minimum does all insertions at once.
        columns = np.arange(len(other) + 1)
        previous = np.minimum.accumulate(step - columns) + columns
    return int(previous[-1])


def segment_counts(predicted: np.ndarray, true: np.ndarray, overlap: float, background: int | None = None) -> Counts:
    """Matches predicted segments, in order, with the true segment of their class that they overlap most.

    A true segment is matched once; further predictions on it are false positives.

    Args:
        predicted: class of each frame, (T,).
        true: class of each frame, (T,).
        overlap: smallest intersection over union of a match, in (0, 1].
        background: class left out of both; None: none.
    """
    predicted, true = _labelled(predicted, true)
    predicted_runs, true_runs = runs_of(predicted, background), runs_of(true, background)
    if not len(true_runs.labels):
        return Counts(0, len(predicted_runs.labels), 0)
    found = np.zeros(len(true_runs.labels), bool)
    true_positives = 0
    for label, start, end in zip(*predicted_runs):
        shared = np.minimum(end, true_runs.ends) - np.maximum(start, true_runs.starts)
        union = np.maximum(end, true_runs.ends) - np.minimum(start, true_runs.starts)
        score = np.where(true_runs.labels == label, shared / union, 0.0)
        best = int(score.argmax())
        if score[best] >= overlap and not found[best]:
            found[best] = True
            true_positives += 1
    return Counts(true_positives, len(predicted_runs.labels) - true_positives, len(true_runs.labels) - true_positives)


def segment_f1(
    predicted: Sequence[np.ndarray],
    true: Sequence[np.ndarray],
    overlap: float,
    background: int | None = None,
    average: str = "per_video",
) -> float:
    """Computes segmental F1 over videos.

    Args:
        predicted: class of each frame, one array per video.
        true: the same videos in the same order.
        overlap: smallest intersection over union of a match.
        background: class left out; None: none.
        average: one of `F1_AVERAGES`.

    Returns:
        a fraction; videos without a segment on either side are left out, and it is NaN if no other is there.

    Raises:
        UserError: there is no video, or the average does not exist.
    """
    if average not in F1_AVERAGES:
        raise UserError(f"F1 expects an average among {', '.join(F1_AVERAGES)}, got '{average}'.")
    if not len(true) or len(predicted) != len(true):
        raise UserError(
            f"F1 expects as many predicted as true videos, at least one, got {len(predicted)}, {len(true)}."
        )
    counts = [segment_counts(labels, true_labels, overlap, background) for labels, true_labels in zip(predicted, true)]
    if average == "per_video":
        of_video = [count.f1 for count in counts if sum(count)]
        return float(np.mean(of_video)) if of_video else float("nan")
    return pooled_f1(counts)


def pooled_f1(counts: Sequence[Counts]) -> float:
    """Computes F1 of counts summed over videos."""
    return Counts(*(sum(column) for column in zip(*counts))).f1


def _labelled(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted, true = np.asarray(predicted), np.asarray(true)
    if predicted.shape != true.shape or true.ndim != 1:
        raise UserError(
            f"Frame-label metrics expect a predicted label for each true one (T,), "
            f"got {predicted.shape} and {true.shape}."
        )
    keep = true != UNLABELLED
    return predicted[keep], true[keep]
