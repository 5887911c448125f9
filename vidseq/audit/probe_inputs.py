"""What a probe is allowed to see of the past, as a few vectors."""

from collections.abc import Callable, Mapping

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import Past, visible_span

#: The past up to a query, to K vectors (K, F) that count alike.
ProbeInput = Callable[[Past, Query], np.ndarray]


def nothing(past: Past, query: Query) -> np.ndarray:
    """The question alone."""
    return np.zeros((0, 1), np.float32)


def elapsed_time(past: Past, query: Query) -> np.ndarray:
    """When it is asked, and nothing of the video."""
    return np.array([[query.time], [np.log1p(max(0.0, query.time))]], np.float32)


def last_frame(past: Past, query: Query) -> np.ndarray:
    """The newest frame."""
    return np.asarray(past.features[-1:], np.float32)


def bag_of_frames(past: Past, query: Query) -> np.ndarray:
    """The newest frame, and the mean of all: what there has been, in no order."""
    frames = np.asarray(past.features, np.float32)
    return np.stack([frames[-1], frames.mean(axis=0)])


def bag_of_seconds(seconds: float) -> ProbeInput:
    """The same of the last so many seconds."""

    def bag(past: Past, query: Query) -> np.ndarray:
        start, stop = visible_span(past.pts_seconds, query.time, context_seconds=seconds)
        first = min(start, stop - 1)  # the newest sample at least
        return bag_of_frames(Past(past.features[first:], past.pts_seconds[first:]), query)

    return bag


#: What needs no number.
PROBE_INPUTS: Mapping[str, ProbeInput] = {
    "blind": nothing,
    "time_only": elapsed_time,
    "last_frame": last_frame,
    "last_second": bag_of_seconds(1.0),
    "bag_of_frames": bag_of_frames,
}
