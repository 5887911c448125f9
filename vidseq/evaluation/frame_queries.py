"""Frame labels against context: what is going on, asked every so many seconds, of the newest frame shown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import count_visible
from vidseq.errors import UserError
from vidseq.inference.predictor import Predictor
from vidseq.video.sampling import SAME_TIME_SECONDS

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore

#: The kind of these queries, which no data set holds: they are made of its segments.
FRAME_LABELS = "frame_labels"


def frame_label_queries(dataset: "Dataset", store: "FeatureStore", every_seconds: float) -> list[Query]:
    """Asks for the label of one frame in every so many seconds of each video that has features.

    The first of them is `every_seconds` after the video's first frame. Frames without a class are left out.

    Args:
        dataset: its segments say what is true; its background counts as a label, as in frame accuracy.
        store: the times of the frames.
        every_seconds: from one to the next.

    Raises:
        UserError: `every_seconds` is not above 0.
    """
    from vidseq.data.examples import frame_labels_of  # needs torch, which listing options does not

    if not every_seconds > 0:
        raise UserError(f"Frame labels expect to be asked every so many seconds above 0, got {every_seconds}.")
    labels, queries = dataset.action_labels, []
    for video in dataset.videos:
        if video not in store:
            continue
        times = store.read(video).pts_seconds
        wanted = np.arange(times[0] + every_seconds, times[-1] + SAME_TIME_SECONDS, every_seconds)
        frames = [count_visible(times, time) - 1 for time in wanted]
        classes = frame_labels_of(dataset.segments_of(video), times, labels, dataset.info.background)
        queries += [
            Query(video=video, time=float(times[frame]), kind=FRAME_LABELS, answer=labels[classes[frame]])
            for frame in np.unique(frames)
            if classes[frame] >= 0
        ]
    return queries


class NewestFrame:
    """Answers such queries with a model's label of the newest frame of each clip; what `evaluate` asks.

    Args:
        predictor: of a model with the task `frame_labels`.

    Raises:
        UserError: the model was not trained for it.
    """

    def __init__(self, predictor: Predictor) -> None:
        predictor.model.find_task(FRAME_LABELS)
        self._predictor = predictor

    def __call__(
        self, features: Sequence[np.ndarray], pts_seconds: Sequence[np.ndarray], queries: Sequence[Query]
    ) -> np.ndarray:
        """Log-probabilities (N, C) of the newest frame's classes.

        Raises:
            UserError: a clip of no frames, as the control `blind` has.
        """
        for clip, query in zip(features, queries):
            if not len(clip):
                raise UserError(
                    f"Frame labels expect a frame to be labelled, got none of '{query.video}' at {query.time:.3f} s. "
                    "Leave the control blind out."
                )
        return self._predictor.newest_labels(features, [query.video for query in queries])
