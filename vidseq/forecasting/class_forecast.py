"""Class forecasts over the longest horizon of the published long-term tables, and the choice of a class from them.

A class forecast holds the probability of each class in each of `STEPS` equal parts of the horizon, (STEPS, C). The
most probable class is the best choice for the share of right frames. The published measure is the mean over classes,
in which a right frame counts more if its class has fewer frames.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vidseq.forecasting.long_term import OBSERVED, PREDICTED, Forecast, Horizon

#: Number of equal parts of the longest horizon.
STEPS = 200
#: Middle of each part, as a share of the video counted from the last observed frame.
OFFSETS = (np.arange(STEPS) + 0.5) / STEPS * max(PREDICTED)


def pooled(
    forecasts: Sequence[np.ndarray], weights: Sequence[float | np.ndarray], *, least: float = 1e-5
) -> np.ndarray:
    """Computes the weighted geometric mean of several class forecasts, (STEPS, C).

    Args:
        forecasts: class forecasts, (STEPS, C) each.
        weights: weight of each forecast, a number or one per step, (STEPS,); they sum to 1.
        least: added to each probability, so that a forecast cannot rule out a class that it never saw.

    Source: Genest and Zidek, Statistical Science 1(1), 1986 (logarithmic opinion pools).
    """
    columns = [np.reshape(weight, (-1, 1)) for weight in weights]
    logs = sum(
        weight * np.log(class_forecast + least) for weight, class_forecast in zip(columns, forecasts, strict=True)
    )
    product = np.exp(logs)
    return product / product.sum(axis=-1, keepdims=True)


class ClassMeanChoice:
    """Chooses, at each step of a class forecast, the class that adds most to the mean over classes.

    A right frame of class c adds 1 / N_c in each horizon that holds it. N_c is the number of frames of the class in
    that horizon of the test videos. It is estimated from the training videos: the number expected in `num_videos`
    videos, plus `own` times the mean number in a video with the class, because the class is taken to occur in this
    video.

    Args:
        training: true classes of every frame of each training video, (n,).
        num_classes: number of classes C.
        num_videos: number of test videos that the measure pools.
        own: weight of the class's other frames in this video. Use more than 1 if one performance gives several videos;
            a larger weight chooses rare classes less often.
        power: exponent of N_c. 1 is the measure itself. A smaller exponent chooses rare classes, whose probabilities
            are mostly error, less often; 0 chooses the most probable class.
    """

    def __init__(
        self,
        training: Iterable[np.ndarray],
        num_classes: int,
        num_videos: int,
        *,
        own: float = 4.0,
        power: float = 0.75,
    ) -> None:
        videos = list(training)

        def weights(horizon: Horizon) -> np.ndarray:
            worth = _worth(horizon, videos, num_classes, num_videos, own) ** power
            return np.where(OFFSETS[:, None] < horizon.predicted, worth, 0)

        self._weights = {
            observed: sum(weights(Horizon(observed, predicted)) for predicted in PREDICTED) for observed in OBSERVED
        }

    def __call__(self, class_forecast: np.ndarray, observed: float) -> np.ndarray:
        """Chooses the class at each step, (STEPS,), of a class forecast (STEPS, C) after an observed share."""
        return (class_forecast * self._weights[observed]).argmax(axis=1)


def _worth(
    horizon: Horizon, videos: Sequence[np.ndarray], num_classes: int, num_videos: int, own: float
) -> np.ndarray:
    """Returns what a right frame of each class adds, (C,); 0 for classes that no training video has in the horizon."""
    parts = [labels[slice(*horizon.frames(len(labels)))] for labels in videos]
    counts = np.array([np.bincount(part, minlength=num_classes) for part in parts])
    total, holding = counts.sum(axis=0), (counts > 0).sum(axis=0)
    there = np.maximum(holding, 1)
    return np.where(total > 0, 1 / (np.maximum(total, 1) * (num_videos / len(videos) + own / there)), 0.0)


def named_forecast(named: Mapping[float, np.ndarray], num_frames: int) -> Forecast:
    """Returns a forecast of a video's frames from the class chosen at each step, (STEPS,), by observed share."""
    of_start = {
        Horizon(observed, max(PREDICTED)).frames(num_frames)[0]: classes for observed, classes in named.items()
    }

    def forecast(observed: np.ndarray, frames: int) -> np.ndarray:
        classes = of_start[len(observed)]
        return classes[((np.arange(frames) + 0.5) / frames * STEPS).astype(int)]

    return forecast
