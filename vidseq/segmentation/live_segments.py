"""Segments by thresholds while frames come: each is known when its class falls below its threshold again."""

from typing import NamedTuple

import numpy as np


class ClosedSegment(NamedTuple):
    """A segment of one class that has ended."""

    label: int
    """The index of the class."""
    start: float
    """When its first frame stands, in seconds."""
    end: float
    """When the next frame stands, in seconds."""
    probabilities: np.ndarray
    """The mean probabilities of all classes over its frames, (C,)."""


class LiveSegments:
    """Finds the segments of `vidseq.segmentation.found_segments.segments_above` frame by frame, in constant memory.

    Args:
        thresholds: of each class, (C,).
        background: the class that is no action; None: none is.
    """

    def __init__(self, thresholds: np.ndarray, background: int | None = None) -> None:
        self._thresholds, self._background = thresholds, background
        self._total = np.zeros(len(thresholds))
        self._num_frames = 0
        self._open: dict[int, tuple[float, np.ndarray, int]] = {}

    def push(self, probabilities: np.ndarray, time: float) -> list[ClosedSegment]:
        """Reads the next frame: its probabilities (C,), and when it stands. Returns the segments that end there."""
        there = probabilities >= self._thresholds
        if self._background is not None:
            there[self._background] = False
        closed = [self._close(label, time) for label in sorted(self._open) if not there[label]]
        for label in np.flatnonzero(there).tolist():
            if label not in self._open:
                self._open[label] = (time, self._total.copy(), self._num_frames)
        self._total += probabilities
        self._num_frames += 1
        return closed

    def finish(self, end: float) -> list[ClosedSegment]:
        """Ends the segments that are open, at the end of the video."""
        return [self._close(label, end) for label in sorted(self._open)]

    def _close(self, label: int, end: float) -> ClosedSegment:
        start, before, first = self._open.pop(label)
        mean = (self._total - before) / (self._num_frames - first)
        return ClosedSegment(label, start, max(start, end), mean)
