"""Mean average precision of detected segments at temporal IoU (intersection over union), as ActivityNet computes it.

Detections of a class are taken by falling score. A detection is right if it overlaps a true segment of its video and
class by at least the threshold and no detection before it has taken that segment; it takes the one that it overlaps
most. Average precision is the area under the interpolated precision-recall curve.

Equal scores count as one threshold: the curve has one point for all detections of a score. Among them, those that
start first, and then those that end first, take their segments first, so the order of the input never matters.

Source: Caba Heilbron et al., ActivityNet, CVPR 2015; the rules are those of its published evaluation code.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vidseq.data.schema import Segment
from vidseq.errors import UserError

#: The thresholds of ActivityNet: 0.5, 0.55, ..., 0.95.
ACTIVITYNET_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
#: The thresholds that THUMOS'14 is reported at.
THUMOS_OVERLAPS = (0.3, 0.4, 0.5, 0.6, 0.7)


class SegmentPrecision(NamedTuple):
    """Average precision of each class at each threshold, in [0, 1]."""

    labels: tuple[str, ...]
    overlaps: tuple[float, ...]
    of_class: np.ndarray
    """(thresholds, labels); NaN for a label without a true segment."""
    num_empty: int
    """Labels without a true segment, which means leave out."""

    @property
    def means(self) -> np.ndarray:
        """The mean over labels with true segments at each threshold, (thresholds,); NaN if there is none."""
        known = self.of_class[:, ~np.isnan(self.of_class).any(axis=0)]
        return known.mean(axis=1) if known.shape[1] else np.full(len(self.overlaps), np.nan)

    @property
    def mean(self) -> float:
        """The mean over labels and thresholds."""
        return float(self.means.mean())


def segment_average_precision(
    detected: Sequence[Segment],
    scores: Sequence[float],
    true: Sequence[Segment],
    *,
    overlaps: Sequence[float] = ACTIVITYNET_OVERLAPS,
    labels: Sequence[str] | None = None,
) -> SegmentPrecision:
    """Computes average precision of detected segments.

    Args:
        detected: segments of any videos, in any order; those of other labels do not count.
        scores: of each detected segment; higher is surer.
        true: the true segments.
        overlaps: thresholds of temporal IoU, in (0, 1].
        labels: the labels that count; None: those of the true segments, in order.

    Raises:
        UserError: scores are missing or NaN, or a threshold is not in (0, 1].
    """
    if len(detected) != len(scores) or np.isnan(np.asarray(scores, float)).any():
        raise UserError(
            f"Average precision of segments expects a score other than NaN for each of {len(detected)} segments, "
            f"got {len(scores)}, {int(np.isnan(np.asarray(scores, float)).sum())} of them NaN."
        )
    if not overlaps or not all(0 < overlap <= 1 for overlap in overlaps):
        raise UserError(f"Average precision of segments expects thresholds above 0 and up to 1, got {list(overlaps)}.")
    labels = sorted({segment.label for segment in true}) if labels is None else labels
    of_class = np.full((len(overlaps), len(labels)), np.nan)
    scored = list(zip(map(float, scores), detected))
    for column, label in enumerate(labels):
        of_label = [segment for segment in true if segment.label == label]
        if of_label:
            own = [(score, segment) for score, segment in scored if segment.label == label]
            of_class[:, column] = _average_precision(own, of_label, np.array(overlaps))
    empty = int(np.isnan(of_class).any(axis=0).sum())
    return SegmentPrecision(tuple(labels), tuple(overlaps), of_class, empty)


def interpolated_precision(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Computes the area under precision-recall curves; precision is raised to the best one at any higher recall.

    Args:
        precision: at each of N points, (..., N).
        recall: rising, (..., N).
    """
    best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    area: np.ndarray = (np.diff(recall, axis=-1, prepend=0) * best).sum(axis=-1)
    return area


def _average_precision(
    scored: Sequence[tuple[float, Segment]], true: Sequence[Segment], overlaps: np.ndarray
) -> np.ndarray:
    """Computes average precision of one label at each threshold, (thresholds,)."""
    if not scored:
        return np.zeros(len(overlaps))
    ordered, right = match_segments(scored, true, overlaps)
    scores = np.array([score for score, _ in ordered])
    ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    found = right.cumsum(axis=1)[:, ends]
    return interpolated_precision(found / (ends + 1), found / len(true))


def match_segments(
    scored: Sequence[tuple[float, Segment]], true: Sequence[Segment], overlaps: np.ndarray
) -> tuple[list[tuple[float, Segment]], np.ndarray]:
    """Finds which detections of one label are right.

    Args:
        scored: detections with their scores.
        true: the true segments of the label.
        overlaps: thresholds of temporal IoU.

    Returns:
        the detections in the order in which they take segments, and which are right, bool (thresholds, N).
    """
    ordered = sorted(scored, key=lambda item: (-item[0], item[1].start, item[1].end, item[1].video))
    return ordered, _match([segment for _, segment in ordered], true, overlaps)


def _match(ordered: Sequence[Segment], true: Sequence[Segment], overlaps: np.ndarray) -> np.ndarray:
    """Finds which detections are right at each threshold, bool (thresholds, N); they take segments in their order."""
    bounds: dict[str, list[tuple[float, float]]] = {}
    for segment in true:
        bounds.setdefault(segment.video, []).append((segment.start, segment.end))
    there = {video: np.array(rows) for video, rows in bounds.items()}
    free = {video: np.ones((len(overlaps), len(rows)), bool) for video, rows in bounds.items()}
    right = np.zeros((len(overlaps), len(ordered)), bool)
    for column, segment in enumerate(ordered):
        if segment.video not in there:
            continue
        overlap = temporal_overlap(segment.start, segment.end, there[segment.video])
        fits = free[segment.video] & (overlap >= overlaps[:, None])
        right[:, column] = fits.any(axis=1)
        best = np.where(fits, overlap, -1).argmax(axis=1)
        rows = np.flatnonzero(right[:, column])
        free[segment.video][rows, best[rows]] = False
    return right


def temporal_overlap(start: float, end: float, bounds: np.ndarray) -> np.ndarray:
    """Computes the IoU of one interval with others, (M,); 0 where both have no length.

    Args:
        start: of the interval, in seconds.
        end: of the interval.
        bounds: starts and ends of the others, (M, 2).
    """
    shared = np.maximum(np.minimum(end, bounds[:, 1]) - np.maximum(start, bounds[:, 0]), 0)
    union = (end - start) + (bounds[:, 1] - bounds[:, 0]) - shared
    return np.divide(shared, union, out=np.zeros(len(bounds)), where=union > 0)
