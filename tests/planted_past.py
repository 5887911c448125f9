"""Models whose answers rest on known frames."""

from collections.abc import Callable

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import Past

CLASSES = ("red", "green", "blue")
FPS = 4.0


def past_of_length(num_frames):
    """Each frame's one feature is its number plus one, so that a model can tell which frames it is shown."""
    frames = np.arange(1, num_frames + 1, dtype=np.float32)
    return Past(frames[:, None], np.arange(num_frames) / FPS)


def query_at(past, evidence=(), family="colour", answer="green", choices=()):
    """A query at the last frame; evidence in frames [start, stop)."""
    intervals = tuple((start / FPS, (stop - 1) / FPS) for start, stop in evidence)
    time = float(past.pts_seconds[-1])
    return Query(video="v", time=time, kind="question", answer=answer, question="Which colour?", evidence=intervals,
                 family=family, choices=choices)  # fmt: skip


def model_of(rule: Callable[[set[int]], bool], sure=5.0):
    """Says green if `rule` holds for the numbers of the frames it sees, else red."""

    def predict(features, pts_seconds, queries):
        scores = np.zeros((len(queries), len(CLASSES)))
        for row, frames in enumerate(features):
            seen = {round(float(value)) - 1 for value in frames[:, 0] if value > 0}
            scores[row, 1 if rule(seen) else 0] = sure
        return scores

    return predict
