"""Frame labels against context: queries, one every so many seconds, for the label of the newest frame shown."""

from collections.abc import Sequence

import numpy as np

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED
from vidseq.data.schema import Query
from vidseq.data.visible import count_visible
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.tasks import DenseTask
from vidseq.video.sampling import SAME_TIME_SECONDS


def frame_label_queries(
    dataset: Dataset, store: FeatureStore, every_seconds: float, task: DenseTask, labels: Sequence[str] | None = None
) -> list[Query]:
    """Asks for the label of one frame in every so many seconds of each video that has features.

    The first of them is `every_seconds` after the video's first frame. Frames without a class are left out.

    Args:
        dataset: what is true; its background counts as a label, as in frame accuracy.
        store: the times of the frames.
        every_seconds: from one to the next.
        task: labels the frames.
        labels: the classes in order; None: the task's own.

    Raises:
        UserError: `every_seconds` is not above 0.
    """
    if not every_seconds > 0:
        raise UserError(f"Frame labels expect to be asked every so many seconds above 0, got {every_seconds}.")
    labels, queries = task.labels if labels is None else labels, []
    for video in dataset.videos:
        if video not in store:
            continue
        times = store.read(video).pts_seconds
        wanted = np.arange(times[0] + every_seconds, times[-1] + SAME_TIME_SECONDS, every_seconds)
        frames = [count_visible(times, time) - 1 for time in wanted]
        classes = task.targets(dataset, video, times, labels).numpy()
        queries += [
            Query(video=video, time=float(times[frame]), kind=task.query_kind, answer=labels[classes[frame]])
            for frame in np.unique(frames)
            if classes[frame] != IGNORED
        ]
    return queries
