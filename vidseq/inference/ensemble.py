"""Several models as one for frame labels: the mean of their probabilities."""

from collections.abc import Mapping, Sequence

import numpy as np

from vidseq.errors import UserError
from vidseq.inference.predictor import Predictor
from vidseq.model import VideoReasoner
from vidseq.tasks import DenseTask, of_family


class Ensemble(Predictor):
    """Labels frames with the mean of the probabilities of several models, such as the seeds of one training.

    Segments are made of the mean as the first model makes them of its own probabilities. Called with queries, it
    answers as the first model alone.

    Args:
        models: two or more, trained on one data set for the same labels of frames.
        labels: see `Predictor`.

    Raises:
        UserError: there are fewer than two models, they do not label frames, or their labels differ.
    """

    def __init__(self, models: Sequence[VideoReasoner], labels: Mapping[str, Sequence[str]] | None = None) -> None:
        if len(models) < 2:
            raise UserError(f"An ensemble expects two models or more, got {len(models)}.")
        super().__init__(models[0], labels)
        self._members = [Predictor(model, labels) for model in models]
        wanted, *others = (_frame_tasks(member) for member in self._members)
        if not wanted:
            raise UserError(
                f"An ensemble expects models that label frames, got some for {', '.join(self.model.tasks)}."
            )
        for number, found in enumerate(others, start=2):
            if found != wanted:
                raise UserError(
                    f"An ensemble expects models that label frames alike, got {_shown(found)} in model {number} and "
                    f"{_shown(wanted)} in the first."
                )

    def frame_labels(self, features: np.ndarray, video: str = "", *, task: str | None = None) -> np.ndarray:
        """The mean of the models' probabilities, float32 (T, C); see `Predictor.frame_labels`."""
        task = self.model.dense_task(task).name
        total = sum(member.frame_labels(features, video, task=task) for member in self._members)
        return np.asarray(total) / np.float32(len(self._members))


def _frame_tasks(predictor: Predictor) -> dict[str, tuple[bool, tuple[str, ...]]]:
    """Each task that labels frames: whether a frame may have many labels, and the classes."""
    tasks = of_family(predictor.model.tasks.values(), DenseTask)
    return {name: (task.many_labels, predictor.classes(name)) for name, task in tasks.items()}


def _shown(tasks: Mapping[str, tuple[bool, tuple[str, ...]]]) -> str:
    named = (
        f"{name} of {len(classes)} classes{', many a frame' if many else ''}"
        for name, (many, classes) in tasks.items()
    )
    return " and ".join(named) or "none"
