"""Frames of tools that count them, and the exact times that stand beside.

A frame is longer than a millisecond. Exporters therefore write the exact times beside the frames, as a text that tools
keep. Importers use it as long as it agrees with the frames: who moves an action in the tool changes its frames alone.
"""

import re
from fractions import Fraction

from vidseq.data.fields import Row

_EXACT = re.compile(r"(\d{1,9}\.\d{3}) to (\d{1,9}\.\d{3}) s")


def file_rate(row: Row, key: str) -> Fraction | None:
    """Returns a frame rate that a tool has rounded, such as 29.97002997 for 30000/1001; None if there is none."""
    rate = row.optional_fps(key)
    return None if rate is None else rate.limit_denominator(1001)


def frames_between(start: float, end: float, fps: Fraction) -> tuple[int, int]:
    """Returns the first frame of an interval, and the first one after it; there is at least one frame.

    Args:
        start: in seconds.
        end: in seconds.
        fps: frames a second; frame k is at k / fps.
    """
    first = round(start * fps)
    return first, max(first + 1, round(end * fps))


def exact_text(start: float, end: float) -> str:
    """Writes the exact times of an interval, in seconds."""
    return f"{start:.3f} to {end:.3f} s"


def seconds_between(first: int, after: int, fps: Fraction, exact: str | None) -> tuple[float, float]:
    """Returns start and end of an interval in seconds: each the exact time, unless the frames were changed.

    Args:
        first: its first frame.
        after: the first frame after it.
        fps: frames a second.
        exact: the text of `exact_text`; None: there is none.
    """
    counted = float(first / fps), float(after / fps)
    found = _EXACT.fullmatch(exact or "")
    if found is None:
        return counted
    start, end = float(found.group(1)), float(found.group(2))
    start = start if round(start * fps) == first else counted[0]
    end = end if max(first + 1, round(end * fps)) == after else counted[1]
    return (start, end) if start < end else counted
