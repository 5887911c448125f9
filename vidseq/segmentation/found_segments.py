"""Segments that a model finds, as frames: from one class a frame, or from probabilities of many."""

from typing import NamedTuple

import numpy as np

from vidseq.segmentation.segment_metrics import runs_of


class FoundSegment(NamedTuple):
    """Frames [first, stop) of one class."""

    label: int
    """The index of the class."""
    first: int
    stop: int
    score: float
    """The mean probability of the class over the frames."""


def segments_of_classes(classes: np.ndarray, probabilities: np.ndarray) -> list[FoundSegment]:
    """Joins neighbouring frames of one class.

    Args:
        classes: the class of each frame, (T,); frames below 0 are in no segment.
        probabilities: of each frame, (T, C).
    """
    runs = runs_of(classes)
    found = zip(runs.labels.tolist(), runs.starts.tolist(), runs.ends.tolist())
    return [
        FoundSegment(label, first, stop, float(probabilities[first:stop, label].mean()))
        for label, first, stop in found
        if label >= 0
    ]


def segments_above(
    probabilities: np.ndarray, thresholds: np.ndarray, background: int | None = None
) -> list[FoundSegment]:
    """Joins neighbouring frames in which a class reaches its threshold; segments of several classes may overlap.

    Args:
        probabilities: of each frame, (T, C).
        thresholds: of each class, (C,).
        background: the class that is no action, which has no segments; None: none is.

    Returns:
        the segments by first frame, and then by class.
    """
    there = probabilities >= thresholds
    if background is not None:
        there[:, background] = False
    found = []
    for label in np.flatnonzero(there.any(axis=0)).tolist():
        bounds = np.flatnonzero(np.diff(there[:, label], prepend=False, append=False))
        for first, stop in bounds.reshape(-1, 2).tolist():
            found.append(FoundSegment(label, first, stop, float(probabilities[first:stop, label].mean())))
    return sorted(found, key=lambda item: (item.first, item.label))
