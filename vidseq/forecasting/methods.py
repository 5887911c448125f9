"""Methods of long-term anticipation side by side: baselines, similar moments, a model, and both pooled.

Class forecasts of a video are (shares, STEPS, C): after each of `OBSERVED`, the probability of each class in each part
of the longest horizon; see `vidseq.forecasting.class_forecast`.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from vidseq.baselines import BigramForecast, RepeatLastLabel
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.evaluation.rows import Run
from vidseq.features.store import VideoFeatures
from vidseq.forecasting.class_forecast import OFFSETS, ClassMeanChoice, named_forecast, pooled
from vidseq.forecasting.long_term import OBSERVED, Forecast, evaluate_long_term, fill_gaps
from vidseq.forecasting.similar_moments import SimilarMoments
from vidseq.inference.predictor import Predictor
from vidseq.segmentation.segment_metrics import runs_of
from vidseq.tasks import FutureTask

#: Class forecasts of each video, (shares, STEPS, C).
ClassForecasts = Mapping[str, np.ndarray]
#: Share of a video over which a model's weight grows from 0: similar moments forecast the next frames better.
RAMP = 0.05
#: The method that trains nothing, and the baseline that is hardest to beat.
SIMILAR, PATIENT = "similar moments", "bigram, patient"


class LabelMethods:
    """The methods that know labels alone, learnt from the labels of training videos.

    Args:
        training: the class of each frame of each training video, (n,); frames below 0 have no label.
        test: the same of the videos to forecast.
        num_classes: number of classes C.
        similar: similar moments; None: those of all training videos.
    """

    def __init__(
        self,
        training: Mapping[str, np.ndarray],
        test: Mapping[str, np.ndarray],
        num_classes: int,
        similar: SimilarMoments | None = None,
    ) -> None:
        known = {video: fill_gaps(labels) for video, labels in training.items() if (labels >= 0).any()}
        if not known or not test:
            raise UserError(
                f"Long-term anticipation expects labelled training and test videos, got {len(known)} and {len(test)}."
            )
        self._training, self._test = known, test
        self._choice = ClassMeanChoice(known.values(), num_classes, len(test))
        self._similar = SimilarMoments(known.values(), num_classes) if similar is None else similar

    def baselines(self) -> dict[str, Mapping[str, Forecast]]:
        """The baselines, which name labels without probabilities.

        Bigrams know the length of the video, as in the published protocol; those of "mean length" take the mean of
        the training videos for it.
        """
        bigram, patient = (BigramForecast(self._training.values(), patient=value) for value in (False, True))
        mean = round(float(np.mean([len(labels) for labels in self._training.values()])))
        lengths = {video: len(labels) for video, labels in self._test.items()}
        return {
            "last label": dict.fromkeys(self._test, RepeatLastLabel.forecast),
            "bigram": {video: bigram.for_length(length) for video, length in lengths.items()},
            PATIENT: {video: patient.for_length(length) for video, length in lengths.items()},
            f"{PATIENT}, mean length": dict.fromkeys(lengths, patient.for_length(mean)),
        }

    def similar_moments(self) -> ClassForecasts:
        """The forecasts of what followed similar moments of training videos; they know the length of the video."""
        return {video: observed_forecasts(self._similar, labels) for video, labels in self._test.items()}

    def named(self, forecasts: ClassForecasts, *, likeliest: bool = False) -> dict[str, Forecast]:
        """The class at each step of class forecasts: what adds most to the measure, or the likeliest one."""
        return {
            video: named_forecast(
                {
                    share: forecast.argmax(axis=1) if likeliest else self._choice(forecast, share)
                    for share, forecast in zip(OBSERVED, forecasts[video])
                },
                len(labels),
            )
            for video, labels in self._test.items()
        }

    def score(
        self,
        methods: Mapping[str, Mapping[str, Forecast]],
        *,
        split: str | int,
        groups: Mapping[str, str],
        seed: int = 0,
    ) -> pd.DataFrame:
        """Scores methods by name on the test videos; the rows are those of `evaluate_long_term`."""
        rows = [
            evaluate_long_term(forecasts, self._test, split=split, groups=groups, run=Run(run=name, seed=seed))
            for name, forecasts in methods.items()
        ]
        return pd.concat(rows, ignore_index=True)


def observed_forecasts(similar: SimilarMoments, labels: np.ndarray) -> np.ndarray:
    """Forecasts a video from similar moments, (shares, STEPS, C); of its classes (n,), it sees those up to a share."""
    ends = [int(share * len(labels)) for share in OBSERVED]
    return np.stack([similar.forecast(fill_gaps(labels[:end]), len(labels)) for end in ends])


def pool(of_model: np.ndarray, of_similar: np.ndarray, weight: float) -> np.ndarray:
    """Pools the class forecasts of a model and of similar moments, after each observed share.

    Args:
        of_model: (shares, STEPS, C).
        of_similar: the same.
        weight: weight of the model after the first `RAMP` of the video, from 0 to 1.
    """
    growing = weight * np.minimum(OFFSETS / RAMP, 1)
    return np.stack([pooled(pair, (growing, 1 - growing)) for pair in zip(of_model, of_similar)])


class Forecaster:
    """Forecasts classes with a model that reads features, alone or pooled with similar moments of training videos.

    Args:
        predictor: the model.
        task: its task that forecasts.
        labels: the classes in the order that is wanted, such as `Dataset.action_labels`.
        similar: similar moments to pool with; None: the model alone.
        weight: weight of the model, see `pool`.
    """

    def __init__(
        self,
        predictor: Predictor,
        task: FutureTask,
        labels: Iterable[str],
        *,
        similar: SimilarMoments | None = None,
        weight: float = 0.5,
    ) -> None:
        if not 0 <= weight <= 1:
            raise UserError(f"Pooled forecasts expect a weight of the model from 0 to 1, got {weight}.")
        self._predictor, self._task, self._similar, self._weight = predictor, task, similar, weight
        index_of = {label: index for index, label in enumerate(task.labels)}
        self._columns = np.array([index_of.get(label, -1) for label in labels])

    def __call__(self, features: VideoFeatures, video: str, observed: np.ndarray | None = None) -> np.ndarray:
        """Forecasts after each of `OBSERVED` of a video; the model sees the samples up to there.

        Args:
            features: all samples of the video, n of them.
            video: its name, so that it is not retrieved for itself.
            observed: the class of each sample, (n,), of which similar moments see those up to there; needed to pool.

        Returns:
            (shares, STEPS, C).
        """
        times, num_frames = features.pts_seconds, len(features.pts_seconds)
        step = float(np.median(np.diff(times))) if num_frames > 1 else 1.0
        ends = [int(share * num_frames) for share in OBSERVED]
        if ends[0] < 1:
            raise UserError(f"Long-term anticipation expects an observed frame, got {num_frames} frames in '{video}'.")
        asked = [float(times[end - 1]) for end in ends]
        decoded = self._predictor.decoded(self._task.name, features.features, times, asked, video)
        of_model = []
        for row, end in zip(decoded.split(1), ends):
            seconds = OFFSETS * num_frames * step
            shares = self._task.class_shares(row, seconds, max((num_frames - end) * step, step))
            of_model.append(np.where(self._columns >= 0, shares[:, self._columns], 0))
        if self._similar is None:
            return np.stack(of_model)
        if observed is None:
            raise UserError("Pooled forecasts expect the observed labels of the video, got none.")
        return pool(np.stack(of_model), observed_forecasts(self._similar, observed), self._weight)


def one_of_each_performance(dataset: Dataset, videos: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keeps one video of each performance, which is a group's sequence of actions; several cameras may show it.

    Args:
        dataset: the groups of the videos.
        videos: the class of each frame, (n,), of each video.
    """
    first: dict[tuple[object, ...], str] = {}
    for video, labels in videos.items():
        first.setdefault((dataset.group_of(video), *runs_of(labels).labels.tolist()), video)
    return {video: videos[video] for video in first.values()}
