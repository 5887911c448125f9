"""Which class is how likely when, over the longest horizon of the published long-term tables, and which to name.

An outlook is the probabilities of the classes in each of `STEPS` equal parts of the horizon, (STEPS, C). Naming the
likeliest class is best for the share of right frames; the published measure is the mean over classes, where a right
frame counts by how few frames its class has.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vidseq.forecasting.long_term import OBSERVED, PREDICTED, Forecast, Horizon

#: Equal parts of the longest horizon.
STEPS = 200
#: Where each of them lies, as a share of the video from the last observed frame on.
OFFSETS = (np.arange(STEPS) + 0.5) / STEPS * max(PREDICTED)


def pooled(
    outlooks: Sequence[np.ndarray], weights: Sequence[float | np.ndarray], *, least: float = 1e-5
) -> np.ndarray:
    """The weighted geometric mean of several outlooks, (STEPS, C).

    Args:
        outlooks: each (STEPS, C).
        weights: one each, of sum 1; one number, or one a step, (STEPS,).
        least: added to each probability, so that what one of them never saw is not ruled out.

    Source: Genest and Zidek, Statistical Science 1(1), 1986 (logarithmic opinion pools).
    """
    columns = [np.reshape(weight, (-1, 1)) for weight in weights]
    logs = sum(weight * np.log(outlook + least) for weight, outlook in zip(columns, outlooks, strict=True))
    product = np.exp(logs)
    return product / product.sum(axis=-1, keepdims=True)


class ClassMeanChoice:
    """Names, at each step of an outlook, the class that adds most to the mean over classes.

    A right frame of class c adds 1 / N_c in each horizon that holds it, where N_c is how many frames of the class the
    test has there. N_c is what training videos let expect for so many test videos, and, given that the class occurs in
    this video, `own` times what a video that has it has of it besides.

    Args:
        training: true classes of every frame, (n,) a video.
        num_classes: C.
        num_videos: how many videos the test pools.
        own: the weight of the frames that come with the one in question: above 1 where one performance is several
            videos; a larger one names rare classes less.
        power: of N_c: 1 for the measure itself; below it, classes so rare that their probabilities are all error are
            named less, down to 0, the likeliest class.
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

    def __call__(self, outlook: np.ndarray, observed: float) -> np.ndarray:
        """The class to name at each step, (STEPS,), of an outlook (STEPS, C) behind an observed share."""
        return (outlook * self._weights[observed]).argmax(axis=1)


def _worth(
    horizon: Horizon, videos: Sequence[np.ndarray], num_classes: int, num_videos: int, own: float
) -> np.ndarray:
    """What a right frame of each class adds, (C,), and nothing for classes that training videos do not have there."""
    parts = [labels[slice(*horizon.frames(len(labels)))] for labels in videos]
    counts = np.array([np.bincount(part, minlength=num_classes) for part in parts])
    total, holding = counts.sum(axis=0), (counts > 0).sum(axis=0)
    there = np.maximum(holding, 1)
    return np.where(total > 0, 1 / (np.maximum(total, 1) * (num_videos / len(videos) + own / there)), 0.0)


def named_forecast(named: Mapping[float, np.ndarray], num_frames: int) -> Forecast:
    """A forecast of n frames out of the classes named at each step, (STEPS,), behind each observed share."""
    of_start = {
        Horizon(observed, max(PREDICTED)).frames(num_frames)[0]: classes for observed, classes in named.items()
    }

    def forecast(observed: np.ndarray, frames: int) -> np.ndarray:
        classes = of_start[len(observed)]
        return classes[((np.arange(frames) + 0.5) / frames * STEPS).astype(int)]

    return forecast
