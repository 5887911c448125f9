"""What probes see of a query: its newest frame, or the frames of its evidence."""

from collections.abc import Sequence

import numpy as np

from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.data.visible import count_visible, within_intervals

#: Of more frames of evidence, so many are taken, evenly spread.
MAX_EVIDENCE_FRAMES = 8


def newest_frames(query_set: QuerySet, queries: Sequence[Query]) -> np.ndarray:
    """Returns the newest frame of each query, float16 (Q, N, F); N = 1 without a token axis."""
    return _stacked([query_set.past_of(query).features[-1] for query in queries])


def evidence_frames(query_set: QuerySet, queries: Sequence[Query]) -> np.ndarray:
    """Returns the mean of the frames of each query's evidence, float16 (Q, N, F); without evidence the newest frame.

    An interval between two samples shows what the sample before it shows.
    """
    return _stacked([_evidence(query_set, query) for query in queries])


def evidence_is_old(query_set: QuerySet, query: Query) -> bool:
    """Whether a query has evidence, and the newest frame is not part of it."""
    times = query_set.past_of(query).pts_seconds
    return bool(query.evidence) and len(times) - 1 not in _evidence_indices(times, query)


def _evidence(query_set: QuerySet, query: Query) -> np.ndarray:
    past = query_set.past_of(query)
    indices = _evidence_indices(past.pts_seconds, query)
    chosen = indices[np.linspace(0, len(indices) - 1, min(MAX_EVIDENCE_FRAMES, len(indices))).round().astype(int)]
    mean: np.ndarray = np.asarray(past.features[chosen], np.float32).mean(axis=0).astype(np.float16)
    return mean


def _evidence_indices(times: np.ndarray, query: Query) -> np.ndarray:
    """The visible samples of the evidence; the newest one if there is none."""
    if not query.evidence:
        return np.array([len(times) - 1])
    inside = within_intervals(times, query.evidence)
    for start, end in query.evidence:
        if not within_intervals(times, [(start, end)]).any():
            inside[max(0, count_visible(times, end) - 1)] = True
    return np.flatnonzero(inside)


def _stacked(frames: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack([frame.reshape(-1, frame.shape[-1]) for frame in frames])
