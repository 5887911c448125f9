"""Learns to forecast from observed labels: a training set of moments, and the class forecasts of a model of them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.features.store import FeatureStore
from vidseq.forecasting.class_forecast import OFFSETS
from vidseq.forecasting.long_term import OBSERVED
from vidseq.forecasting.methods import ClassForecasts, one_of_each_performance
from vidseq.forecasting.moments import moment_name, moments_of
from vidseq.inference.predictor import Predictor
from vidseq.tasks import FutureTask

#: The moments to learn from lie between these shares of a video.
_SPAN = (0.05, 0.6)


class LabelMoments:
    """The moments of a data set whose videos are labelled from start to end, with their features.

    Half of the training moments lie evenly between 5% and 60% of a video, and half at the shares that are tested.

    Args:
        dataset: the videos and their segments, without gaps; a frame rate that labels are counted at.
        folder: folder for the features.
        count: number of training moments of each video, one video of each performance.
        stretch: see `moments_of`.

    Raises:
        DataError: a video has gaps, or the data set has no frame rate.
    """

    def __init__(self, dataset: Dataset, folder: Path, *, count: int, stretch: float) -> None:
        self._dataset = dataset
        self.training = one_of_each_performance(dataset, self.labels("train"))
        """The class of each frame, (n,), of one training video of each performance."""
        shares = (*np.linspace(*_SPAN, count // 2).tolist(), *OBSERVED * (count // 4))
        self.dataset = moments_of(dataset, folder, self.training, shares, stretch=stretch)
        """The data set to learn, a video a moment."""
        moments_of(dataset, folder, [video.video for video in dataset.split("test")], OBSERVED)
        self.store = FeatureStore.open_in(folder)
        """The features of training and test moments."""

    def labels(self, split: str) -> dict[str, np.ndarray]:
        """The class of each frame, (n,), of each video of a split."""
        fps = self._dataset.info.fps
        if fps is None:
            raise DataError(f"Moments expect a frame rate of '{self._dataset.info.name}', got none. Give fps.")
        index_of = {label: index for index, label in enumerate(self._dataset.action_labels)}
        return {
            video.video: np.concatenate(
                [
                    np.full(round(item.end * fps) - round(item.start * fps), index_of[item.label])
                    for item in self._dataset.segments_of(video.video)
                ]
            )
            for video in self._dataset.split(split)
        }

    def forecasts(self, predictor: Predictor, videos: Iterable[str]) -> ClassForecasts:
        """Forecasts test videos with a model that learnt the moments.

        Args:
            predictor: the model.
            videos: names of test videos.

        Raises:
            UserError: the model forecasts seconds, which stretched moments do not have.
        """
        task = predictor.model.task_of(FutureTask)
        if not task.given_length:
            raise UserError(f"Moments of labels expect a task that forecasts shares of a video, got {task.name}.")
        found = {}
        for video in videos:
            of_share = []
            for index, share in enumerate(OBSERVED):
                moment = moment_name(video, index)
                stored = self.store.read(moment)
                now = [float(stored.pts_seconds[-1])]
                decoded = predictor.decoded(task.name, stored.features, stored.pts_seconds, now, moment)
                of_share.append(task.class_shares(decoded, OFFSETS, 1 - share))
            found[video] = np.stack(of_share)
        return found
