"""The intervals that hold what an answer needs, and the length of their certificate."""

from collections.abc import Iterable

Interval = tuple[float, float]

#: Certificates as in EgoSchema (arXiv:2308.09126): the sum of the intervals, of which those closer than this (seconds)
#: are merged, and at least the minimum.
CERTIFICATE_GAP = 5.0
MIN_CERTIFICATE_SECONDS = 0.1


def merge(intervals: Iterable[Interval], gap: float = 0.0) -> tuple[Interval, ...]:
    """Merges intervals (seconds) that overlap or are at most `gap` apart; returns them in order of time."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1] + gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def certificate_seconds(intervals: Iterable[Interval]) -> float | None:
    """Computes the length of the certificate of these intervals; None if there are none."""
    merged = merge(intervals, CERTIFICATE_GAP)
    if not merged:
        return None
    return round(max(MIN_CERTIFICATE_SECONDS, sum(end - start for start, end in merged)), 3)
