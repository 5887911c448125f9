"""Long-term queries out of segments: what happens from now on, and how long each of it lasts."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from vidseq.data.schema import FUTURE, Query, Segment
from vidseq.errors import DataError, UserError

#: What happens one after another: labels with seconds.
Future = tuple[tuple[str, float], ...]


def future_of(segments: Sequence[Segment], time: float) -> Future:
    """What happens from a time on: what goes on now, with what is left of it, and all that follows.

    Gaps between segments are left out.

    Args:
        segments: of one video, by start.
        time: seconds.

    Raises:
        DataError: segments overlap, so that there is no one sequence.
    """
    for before, after in pairwise(segments):
        if after.start < before.end - 1e-6:
            raise DataError(
                f"A sequence of actions expects segments of '{after.video}' that do not overlap, got one that starts "
                f"at {after.start:.3f} s before the last ends at {before.end:.3f} s. Keep one track."
            )
    return tuple((item.label, item.end - max(item.start, time)) for item in segments if item.end > time + 1e-6)


def actions_at(future: Future, seconds: np.ndarray) -> np.ndarray:
    """Which action of a future goes on at some moments; behind its end the last one does.

    Args:
        future: at least one action.
        seconds: from now, (N,).

    Returns:
        their places in the future, (N,).
    """
    ends = np.cumsum([length for _, length in future])
    return np.minimum(np.searchsorted(ends, seconds, side="right"), len(future) - 1)


def write_future(future: Iterable[tuple[str, float]]) -> str:
    """A future as the text of an answer, seconds to the millisecond."""
    return json.dumps([[label, round(seconds, 3)] for label, seconds in future])


def read_future(text: str) -> Future:
    """What `write_future` wrote."""
    return tuple((str(label), float(seconds)) for label, seconds in json.loads(text))


def derive_action_sequences(segments: Sequence[Segment], times: Iterable[float]) -> list[Query]:
    """Asks of one video what happens from each of some times on; times with nothing to come are left out.

    Args:
        segments: of one video, by start.
        times: seconds.
    """
    futures = [(time, future_of(segments, time)) for time in times]
    return [
        Query(video=segments[0].video, time=time, kind=FUTURE, answer=write_future(future))
        for time, future in futures
        if future
    ]


def evenly(segments: Sequence[Segment], count: int) -> list[float]:
    """So many times, evenly spread over a video's segments, none at its very ends.

    Raises:
        UserError: a count below 1.
    """
    if count < 1:
        raise UserError(f"Evenly spread times expect a count of at least 1, got {count}.")
    if not segments:
        return []
    start, end = segments[0].start, max(item.end for item in segments)
    return [start + (end - start) * (number + 0.5) / count for number in range(count)]
