"""Makes queries for all future actions and their durations from segments."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from vidseq.data.dataset import Dataset
from vidseq.data.schema import FUTURE, Query, Segment
from vidseq.errors import DataError, UserError

#: Consecutive actions: a label and a duration in seconds each.
Future = tuple[tuple[str, float], ...]


def future_of(segments: Sequence[Segment], time: float) -> Future:
    """Returns the actions from a time on: the rest of the current action, and all that follow.

    Gaps between segments are left out.

    Args:
        segments: segments of one video, by start.
        time: in seconds.

    Raises:
        DataError: segments overlap, so they are not one sequence.
    """
    for before, after in pairwise(segments):
        if after.start < before.end - 1e-6:
            raise DataError(
                f"A sequence of actions expects segments of '{after.video}' that do not overlap, got one that starts "
                f"at {after.start:.3f} s before the last ends at {before.end:.3f} s. Keep one track."
            )
    return tuple((item.label, item.end - max(item.start, time)) for item in segments if item.end > time + 1e-6)


def overlapping_actions(dataset: Dataset) -> str | None:
    """Returns the first video whose segments overlap, so that they are not one sequence; None: there is none."""
    for video in dataset.videos:
        for before, after in pairwise(dataset.segments_of(video)):
            if after.start < before.end - 1e-6:
                return video
    return None


def actions_at(future: Future, seconds: np.ndarray) -> np.ndarray:
    """Finds the current action of a future at some moments; after its end, the last action continues.

    Args:
        future: at least one action.
        seconds: times from the start of the future, (N,).

    Returns:
        indices into the future, (N,).
    """
    ends = np.cumsum([length for _, length in future])
    return np.minimum(np.searchsorted(ends, seconds, side="right"), len(future) - 1)


def write_future(future: Iterable[tuple[str, float]]) -> str:
    """Writes a future as the text of an answer, with seconds rounded to the millisecond."""
    return json.dumps([[label, round(seconds, 3)] for label, seconds in future])


def read_future(text: str) -> Future:
    """Reads a future from the text of `write_future`."""
    return tuple((str(label), float(seconds)) for label, seconds in json.loads(text))


def derive_action_sequences(segments: Sequence[Segment], times: Iterable[float]) -> list[Query]:
    """Makes a query for the future actions at each time; times after the last segment are left out.

    Args:
        segments: segments of one video, by start.
        times: in seconds.
    """
    futures = [(time, future_of(segments, time)) for time in times]
    return [
        Query(video=segments[0].video, time=time, kind=FUTURE, answer=write_future(future))
        for time, future in futures
        if future
    ]


def evenly(segments: Sequence[Segment], count: int) -> list[float]:
    """Returns times that are evenly spaced over a video's segments, without the first and the last moment.

    Args:
        segments: segments of one video, by start.
        count: number of times.

    Raises:
        UserError: the count is below 1.
    """
    if count < 1:
        raise UserError(f"Evenly spread times expect a count of at least 1, got {count}.")
    if not segments:
        return []
    start, end = segments[0].start, max(item.end for item in segments)
    return [start + (end - start) * (index + 0.5) / count for index in range(count)]
