"""Learns to forecast from observed labels alone: the moments to learn from, and the class forecasts of a model."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from vidseq.data.dataset import Dataset
from vidseq.data.moments import classes_of, moment_name, moments_of
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.forecasting.class_forecast import OFFSETS
from vidseq.forecasting.long_term import MIN_FRAMES, OBSERVED
from vidseq.forecasting.methods import ClassForecasts, one_of_each_performance
from vidseq.inference.predictor import Predictor
from vidseq.tasks import TASKS, FutureTask
from vidseq.tasks.base import make_options
from vidseq.tasks.future import FutureOptions
from vidseq.training.config import TrainConfig

#: The moments to learn from lie between these shares of a video.
_SPAN = (0.05, 0.6)
#: Options of the task that say which moments are learnt.
_OPTIONS = tuple(field.name for field in fields(FutureOptions))


def moments_to_learn(dataset: Dataset, config: TrainConfig) -> tuple[Dataset, FeatureStore]:
    """Makes the data set that a forecast from observed labels is learnt from, with its features.

    Of each performance one training video counts. Half of its moments lie evenly between 5% and 60% of it, and half
    at the shares that are tested. Validation videos are asked at the shares that are tested.

    Args:
        dataset: the videos and their segments.
        config: its task says how many moments a video has (`queries_per_video`) and how much the lengths of segments
            vary (`stretch`); without a task it is `labels_ahead`.

    Raises:
        UserError: a task that does not forecast shares of a video.
        DataError: a video has gaps, see `vidseq.data.moments.moments_of`.
    """
    known = [name for name, task in TASKS.items() if task.learns_observed_labels]
    tasks = config.tasks or {name: {} for name in known}
    if len(tasks) > 1 or not set(tasks) <= set(known):
        raise UserError(f"Observed labels expect one task of {', '.join(known)}, got {', '.join(tasks)}.")
    ((name, values),) = tasks.items()
    options = make_options(name, FutureOptions, {key: values[key] for key in _OPTIONS if key in values})
    training = [video.video for video in dataset.split("train")]
    chosen = one_of_each_performance(dataset, {video: classes_of(dataset, video) for video in training})
    learnt, store = moments_of(dataset, chosen, _shares(options.queries_per_video), stretch=options.stretch)
    held_out = [video.video for video in dataset.split("val")] if "val" in dataset.info.splits else []
    asked, seen = moments_of(dataset, [video for video in held_out if _is_long(dataset, video)], OBSERVED)
    for video in asked.videos:
        store.put(video, seen.read(video).features, seen.read(video).pts_seconds)
    return replace(
        learnt,
        info=replace(learnt.info, tasks={name: {}}),
        videos=learnt.videos | asked.videos,
        queries=learnt.queries + asked.queries,
    ), store


def forecasts_from_labels(
    predictor: Predictor, task: FutureTask, dataset: Dataset, videos: Sequence[str]
) -> ClassForecasts:
    """Forecasts videos with a model that learnt `moments_to_learn`; it sees their labels up to each share.

    Args:
        predictor: the model.
        task: its task, which forecasts shares of a video.
        dataset: the labels.
        videos: names of the videos.

    Raises:
        DataError: a video has gaps, or a class that the model does not know.
    """
    labels = task.labels
    _, store = moments_of(dataset, videos, OBSERVED, labels=labels)
    index_of = {label: index for index, label in enumerate(labels)}
    columns = np.array([index_of.get(label, -1) for label in dataset.action_labels])
    found: dict[str, np.ndarray] = {}
    for video in videos:
        of_share = []
        for index, share in enumerate(OBSERVED):
            moment = moment_name(video, index)
            stored = store.read(moment)
            now = [float(stored.pts_seconds[-1])]
            decoded = predictor.decoded(task.name, stored.features, stored.pts_seconds, now, moment)
            shares = task.class_shares(decoded, OFFSETS, 1 - share)
            of_share.append(np.where(columns >= 0, shares[:, columns], 0))
        found[video] = np.stack(of_share)
    return found


def _shares(count: int) -> list[float]:
    evenly = (count + 1) // 2
    return [*np.linspace(*_SPAN, evenly).tolist(), *(OBSERVED * count)[: count - evenly]]


def _is_long(dataset: Dataset, video: str) -> bool:
    return len(classes_of(dataset, video)) >= MIN_FRAMES
