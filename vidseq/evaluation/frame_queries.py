"""Makes queries at regular times that ask for the label of the newest frame, to measure frame labels by context."""

from collections.abc import Sequence

import numpy as np

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED
from vidseq.data.schema import Query
from vidseq.data.visible import count_visible
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.tasks import DenseTask
from vidseq.video.sampling import count_intervals


def frame_label_queries(
    dataset: Dataset, store: FeatureStore, every_seconds: float, task: DenseTask, labels: Sequence[str] | None = None
) -> list[Query]:
    """Makes a query for a frame's label every `every_seconds` seconds of each video that has features.

    The first query is `every_seconds` after the video's first frame. Frames without a class are left out.

    Args:
        dataset: the true labels. The background counts as a label, as in frame accuracy.
        store: the times of the frames.
        every_seconds: time from one query to the next.
        task: the task that labels frames.
        labels: the classes in order; None: those of the task.

    Raises:
        UserError: `every_seconds` is not above 0, or frames may have many labels.
    """
    if task.many_labels:
        raise UserError(
            "Frame-label queries expect a model with one label a frame, got one with multi_label. "
            "`vidseq evaluate` scores it by the mAP of frames."
        )
    if not every_seconds > 0:
        raise UserError(f"Frame-label queries expect a time between them above 0 s, got {every_seconds}.")
    labels, queries = task.labels if labels is None else labels, []
    for video in dataset.videos:
        if video not in store:
            continue
        times = store.read(video).pts_seconds
        wanted = times[0] + every_seconds * np.arange(1, count_intervals(times[0], times[-1], every_seconds) + 1)
        frames = [count_visible(times, time) - 1 for time in wanted]
        classes = task.targets(dataset, video, times, labels).numpy()
        queries += [
            Query(video=video, time=float(times[frame]), kind=task.query_kind, answer=labels[classes[frame]])
            for frame in np.unique(frames)
            if classes[frame] != IGNORED
        ]
    return queries
