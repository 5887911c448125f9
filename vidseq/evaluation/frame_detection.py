"""Metrics of online action detection: average precision of frames, calibrated, and by the stage of an action.

A class is scored by how well its scores rank the frames: frames of the class before all others. Frames may have
several classes. Equal scores count as one threshold: all frames of a score are found together, so their order never
matters. All values are fractions in [0, 1].
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vidseq.errors import UserError

#: Stages of an action: its first tenth to its last.
NUM_STAGES = 10


class ClassPrecision(NamedTuple):
    """Average precision of each class, and its mean."""

    of_class: np.ndarray
    """(C,); NaN for a class without positive frames, and for the class that is left out."""
    num_empty: int
    """Classes without positive frames, which the mean leaves out."""

    @property
    def mean(self) -> float:
        """The mean over classes with positive frames; NaN if there is none."""
        known = self.of_class[~np.isnan(self.of_class)]
        return float(known.mean()) if len(known) else float("nan")


class Stages(NamedTuple):
    """The stages of an action that each frame of it belongs to, `first` to `last`, counted from 0.

    Both are int (T, C), -1 where a frame is not of the class. In an action of at least as many frames as stages, every
    frame belongs to one stage; in a shorter one, to several.
    """

    first: np.ndarray
    last: np.ndarray


def average_precision(scores: np.ndarray, positives: np.ndarray, *, calibrated: bool = False) -> float:
    """Computes the average precision of one class: precision at each score of a positive frame, then the mean.

    Calibrated precision is w TP / (w TP + FP), where w is the ratio of negative to positive frames. It does not depend
    on how rare the class is: random scores have about 0.5.

    Args:
        scores: the score of each frame, (N,).
        positives: whether a frame is of the class, bool (N,).
        calibrated: whether precision is calibrated.

    Returns:
        a fraction; NaN without positive frames.

    Raises:
        UserError: the lengths differ, or a score is NaN.

    Source: de Geest et al., Online Action Detection, arXiv:1604.06506, section 4.
    """
    scores, positives = np.asarray(scores), np.asarray(positives, bool)
    if scores.ndim != 1 or scores.shape != positives.shape or np.isnan(scores).any():
        raise UserError(
            f"Average precision expects a score other than NaN for each frame (N,), got {scores.shape} scores, "
            f"{int(np.isnan(scores).sum())} of them NaN, and {positives.shape} labels."
        )
    return float(precision_of_counts(*count_by_score(scores, positives), calibrated=calibrated))


def count_by_score(scores: np.ndarray, positives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts the positive and the negative frames of each distinct score, highest score first, (K,) each."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    found = np.add.reduceat(positives[order].astype(float), starts) if len(starts) else np.zeros(0)
    return found, np.diff(np.append(starts, len(ordered))) - found


def precision_of_counts(positives: np.ndarray, negatives: np.ndarray, *, calibrated: bool = False) -> np.ndarray:
    """Computes average precision from how many frames each score has.

    Args:
        positives: positive frames of each of K scores, highest score first, (..., K).
        negatives: negative frames of each, (..., K).
        calibrated: whether precision is calibrated.

    Returns:
        (...); NaN without positive frames.
    """
    num_positives, num_negatives = positives.sum(axis=-1), negatives.sum(axis=-1)
    true, false = positives.cumsum(axis=-1), negatives.cumsum(axis=-1)
    if calibrated:  # w TP / (w TP + FP) is the share of the positives, over itself plus the share of the negatives
        true, false = (
            counts / np.maximum(number, 1)[..., None]
            for counts, number in ((true, num_positives), (false, num_negatives))
        )
    precision = np.divide(true, true + false, out=np.zeros(true.shape), where=true > 0)
    mean = (precision * positives).sum(axis=-1) / np.maximum(num_positives, 1)
    return np.where(num_positives > 0, mean, np.nan)


def frame_average_precision(
    scores: np.ndarray,
    targets: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    left_out: int | None = None,
    calibrated: bool = False,
) -> ClassPrecision:
    """Computes the average precision of each class over the frames of all videos.

    Args:
        scores: of each frame and class, (N, C).
        targets: whether a frame is of a class, bool or 0 and 1, (N, C).
        mask: bool (N,), False for frames that do not count, such as ambiguous ones; None: all count.
        left_out: the class that does not count, such as the background; None: all count.
        calibrated: see `average_precision`.

    Raises:
        UserError: shapes do not fit, or a score is NaN.
    """
    scores, targets = _checked(scores, targets, mask)
    of_class = np.full(scores.shape[1], np.nan)
    for index in _counted_classes(scores.shape[1], left_out):
        of_class[index] = average_precision(scores[:, index], targets[:, index], calibrated=calibrated)
    return ClassPrecision(of_class, _num_empty(of_class, left_out))


def action_stages(targets: np.ndarray, num_stages: int = NUM_STAGES) -> Stages:
    """Finds the stages of the frames of each action of one video; an action is a run of frames of one class.

    Stage s of an action of n frames has the frames from floor(n s / S) to below floor(n (s + 1) / S), at least one, so
    that every action has all stages.

    Args:
        targets: whether a frame is of a class, bool or 0 and 1, (T, C).
        num_stages: the number S of stages.

    Source: the per-stage metric of arXiv:2107.03377; its code counts n - 1 frames, so that the last one has no stage.
    """
    targets = np.asarray(targets, bool)
    first, last = (np.full(targets.shape, -1, np.int16) for _ in range(2))
    for column in np.flatnonzero(targets.any(axis=0)):
        bounds = np.flatnonzero(np.diff(targets[:, column], prepend=False, append=False))
        for start, end in bounds.reshape(-1, 2):
            frames, length = np.arange(end - start), end - start
            last[start:end, column] = -(-(frames + 1) * num_stages // length) - 1
            first[start:end, column] = np.minimum(-(-frames * num_stages // length), last[start:end, column])
    return Stages(first, last)


def stage_average_precision(
    scores: np.ndarray,
    targets: np.ndarray,
    stages: Stages,
    *,
    mask: np.ndarray | None = None,
    left_out: int | None = None,
    calibrated: bool = False,
    num_stages: int = NUM_STAGES,
) -> list[ClassPrecision]:
    """Computes average precision by stage: the frames of one stage of a class against all frames of other classes.

    Args:
        scores: of each frame and class, (N, C).
        targets: whether a frame is of a class, bool or 0 and 1, (N, C).
        stages: those of `action_stages` of each video, concatenated to (N, C).
        mask: see `frame_average_precision`.
        left_out: see `frame_average_precision`.
        calibrated: see `average_precision`; w is the ratio of negative frames to those of the stage.
        num_stages: the number S of stages.

    Returns:
        S items, from the first stage to the last.

    Raises:
        UserError: shapes do not fit, or a score is NaN.
    """
    if any(np.shape(part) != np.shape(targets) for part in stages):
        shapes = " and ".join(str(np.shape(part)) for part in stages)
        raise UserError(f"Average precision by stage expects stages {np.shape(targets)}, got {shapes}.")
    keep = slice(None) if mask is None else np.asarray(mask, bool)
    scores, targets = _checked(scores, targets, mask)
    first, last = (np.asarray(part)[keep] for part in stages)
    of_class = np.full((num_stages, scores.shape[1]), np.nan)
    for index in _counted_classes(scores.shape[1], left_out):
        order = np.argsort(-scores[:, index], kind="stable")  # once a class; each stage then sorts what is in order
        ordered, positives, starts, ends = (part[order, index] for part in (scores, targets, first, last))
        for stage in range(num_stages):
            of_stage = positives & (starts <= stage) & (stage <= ends)
            counted = of_stage | ~positives
            of_class[stage, index] = average_precision(ordered[counted], of_stage[counted], calibrated=calibrated)
    return [ClassPrecision(row, _num_empty(row, left_out)) for row in of_class]


def _checked(scores: np.ndarray, targets: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the scores and targets of the frames that count."""
    scores, targets = np.asarray(scores), np.asarray(targets).astype(bool)
    if scores.ndim != 2 or scores.shape != targets.shape:
        raise UserError(
            f"Average precision of frames expects scores and targets (N, C), got {scores.shape} and {targets.shape}."
        )
    if mask is None:
        return scores, targets
    mask = np.asarray(mask, bool)
    if mask.shape != scores.shape[:1]:
        raise UserError(f"Average precision of frames expects a mask {scores.shape[:1]}, got {mask.shape}.")
    return scores[mask], targets[mask]


def _counted_classes(num_classes: int, left_out: int | None) -> Iterator[int]:
    return (index for index in range(num_classes) if index != left_out)


def _num_empty(of_class: np.ndarray, left_out: int | None) -> int:
    counted = list(_counted_classes(len(of_class), left_out))
    return int(np.isnan(of_class[counted]).sum())
