"""Decoding in steps of several frames, and back to frames: an hour at 15 labels a second takes seconds."""

import numpy as np


def pool_scores(scores: np.ndarray, stride: int) -> np.ndarray:
    """Sums the scores (T, C) of each `stride` frames: (ceil(T / stride), C); the last step may have fewer frames."""
    return np.add.reduceat(scores, np.arange(0, len(scores), stride), axis=0) if len(scores) else scores


def spread_labels(labels: np.ndarray, stride: int) -> np.ndarray:
    """The class of the middle frame of each `stride` frames, (ceil(T / stride),)."""
    labels = np.asarray(labels)
    middles = np.arange(0, len(labels), stride) + stride // 2
    return labels[np.minimum(middles, len(labels) - 1)] if len(labels) else labels


def refine_edges(labels: np.ndarray, scores: np.ndarray, stride: int) -> np.ndarray:
    """Moves each edge between two segments to the frame, at most `stride` away, where the scores change sides.

    Args:
        labels: class of each frame, (T,), with edges at multiples of `stride`.
        scores: log-probabilities, (T, C).
        stride: see above; 1: nothing is moved.

    Returns:
        classes, (T,), with the same segments in the same order, each of at least one frame.
    """
    refined = labels.copy()
    if stride == 1:
        return refined
    edges: list[int] = (np.flatnonzero(np.diff(labels)) + 1).tolist()
    ends = [*edges[1:], len(labels)]
    start = 0
    for edge, end in zip(edges, ends):
        low, high = max(start + 1, edge - stride), min(end - 1, edge + stride)
        before, after = labels[edge - 1], labels[edge]
        gain = scores[low:high, before] - scores[low:high, after]
        best = low + int(np.concatenate([[0.0], gain.cumsum()]).argmax())
        refined[start:best], refined[best:end] = before, after
        start = best
    return refined
