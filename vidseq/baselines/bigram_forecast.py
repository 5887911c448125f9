"""A bigram of labels with their lengths, as a forecast of frames."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from vidseq.baselines.chain import LabelChain
from vidseq.segmentation.segment_metrics import runs_of


class BigramForecast:
    """Each class is followed by the class, or the end of the video, that followed it most often, for its mean length.

    Lengths are shares of the video, whose length the published protocol gives. What is going on lasts as long as its
    mean, or ends at once if it has been longer.

    Args:
        training: the true class of every frame of each video, (n,).
        patient: what is going on lasts the mean of those that lasted longer than it has so far: a harder baseline.
    """

    def __init__(self, training: Iterable[np.ndarray], *, patient: bool = False) -> None:
        self._patient = patient
        self._lengths: dict[int, list[float]] = {}
        pairs: list[tuple[int, int | None]] = []
        for labels in training:
            runs = runs_of(labels)
            classes = runs.labels.tolist()
            for label, length in zip(classes, (runs.ends - runs.starts).tolist()):
                self._lengths.setdefault(label, []).append(length / len(labels))
            pairs += zip(classes, [*classes[1:], None])
        self._end = 1 + max(self._lengths, default=-1)
        examples = [((str(label),), self._end if after is None else after) for label, after in pairs]
        self._chain = LabelChain(examples, 1, self._end + 1)

    def for_length(self, num_frames: int) -> Callable[[np.ndarray, int], np.ndarray]:
        """Returns the forecast for a video of n frames: from observed classes (o,) to at most `frames` classes."""

        def forecast(observed: np.ndarray, frames: int) -> np.ndarray:
            runs = runs_of(observed)
            label, so_far = int(runs.labels[-1]), int(runs.ends[-1] - runs.starts[-1])
            ends = self._left(label, so_far / num_frames) * num_frames
            predicted = [np.full(round(ends), label)]
            for following in self._classes_after(label):
                if ends >= frames:
                    break
                length = float(np.mean(self._lengths[following])) * num_frames
                predicted.append(np.full(round(ends + length) - round(ends), following))
                ends += length
            joined = np.concatenate(predicted)
            return joined if len(joined) else np.array([label])

        return forecast

    def _classes_after(self, label: int) -> Iterator[int]:
        """The classes that follow a class, up to the end of the video."""
        following = self._chain.most_frequent([str(label)])
        while following is not None and following != self._end:
            yield following
            following = self._chain.most_frequent([str(following)])

    def _left(self, label: int, so_far: float) -> float:
        """How much longer a class lasts that has lasted `so_far`, as a share of the video."""
        lengths = np.array(self._lengths.get(label, [so_far]))
        longer = lengths[lengths > so_far]
        if self._patient:
            return float(longer.mean()) - so_far if len(longer) else 0.0
        return max(0.0, float(lengths.mean()) - so_far)
