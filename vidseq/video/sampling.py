"""The times of samples, and which frame is on screen at each."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from vidseq.errors import UserError

#: Times that differ by no more than this are one time: files and people write times to the millisecond, which is at
#: most half of one off; the rest is for sums of floating-point numbers.
SAME_TIME_SECONDS = 5e-4 + 1e-9


def exact_rate(fps: float | Fraction) -> Fraction:
    """Turns a frame rate into a fraction; 29.97 and its kin become 30000/1001.

    Raises:
        UserError: not a positive number.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise UserError(f"A frame rate expects a positive number, got {fps}. Give frames a second, such as 4 or 0.5.")
    if isinstance(fps, Fraction):
        return fps
    broadcast = Fraction(round(fps * 1.001) * 1000, 1001)
    if broadcast and abs(float(broadcast) - fps) < 0.005 and fps != round(fps):
        return broadcast
    return Fraction(fps).limit_denominator(100_000)


def count_intervals(start: float, end: float, every_seconds: float) -> int:
    """Counts the intervals of equal length that fit between two times; what ends at `end` fits.

    Args:
        start: when the first one begins, in seconds.
        end: no interval ends after it, in seconds.
        every_seconds: length of an interval, above 0.
    """
    return max(0, math.floor((end - start + SAME_TIME_SECONDS) / every_seconds))


def sample_times(
    duration_seconds: float, fps: float | Fraction, start: float = 0.0, end: float | None = None
) -> np.ndarray:
    """Counts the times of samples: start, start + 1 / fps, start + 2 / fps, ... before the end.

    Args:
        duration_seconds: length of the video.
        fps: times a second.
        start: the first time, in seconds.
        end: sampling stops before this time, in seconds; None for the end of the video.

    Returns:
        float64 (N,), ascending.

    Raises:
        UserError: a rate that is not positive, or a range that is empty or outside the video.
    """
    end = duration_seconds if end is None else end
    if not 0 <= start < end <= duration_seconds:
        raise UserError(
            f"Sampling expects 0 <= start < end <= {duration_seconds:.6g} s (the video's end), got {start} to {end} s."
        )
    rate = exact_rate(fps)
    count = math.ceil((Fraction(end) - Fraction(start)) * rate)
    times = start + np.arange(count) * (rate.denominator / rate.numerator)
    return times[times < end]


def frame_indices(
    pts_seconds: np.ndarray, duration_seconds: float, times_seconds: Sequence[float] | np.ndarray, tick_seconds: float
) -> np.ndarray:
    """Finds the frame that is on screen at each time.

    Times that miss a frame's beginning by less than half a tick of the file's clock (at most half a millisecond) count
    as reaching it: files round their times, Matroska to milliseconds, so that 2 / 30 s lies before the frame at 67 ms.

    Args:
        pts_seconds: when each frame appears, ascending. (N,)
        duration_seconds: when the last one disappears.
        times_seconds: the times of samples, in any order. (Q,)
        tick_seconds: the unit in which the file counts time.

    Returns:
        int64 (Q,), indices of frames.

    Raises:
        UserError: a time before the first frame, or after the end.
    """
    times = np.asarray(times_seconds, dtype=np.float64)
    tolerance = min(tick_seconds / 2 + 1e-9, SAME_TIME_SECONDS)
    outside = ~((times >= -tolerance) & (times <= duration_seconds + tolerance))  # catches NaN too
    if outside.any():
        raise UserError(
            f"frames_at expects times from 0 to {duration_seconds:.6g} s, got {times[outside][0]:.6g} s. "
            f"Time 0 is the first frame."
        )
    return np.maximum(np.searchsorted(pts_seconds, times + tolerance, side="right") - 1, 0)
