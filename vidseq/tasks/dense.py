"""The dense family: tasks that give each frame a class."""

import abc
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED
from vidseq.data.schema import Query
from vidseq.tasks.base import Task
from vidseq.tasks.calibration import ScoredAnswers
from vidseq.tasks.prediction import Prediction, Ranking, rank_classes


class DenseTask(Task):
    """A task with a class for each frame. The class is decoded from the head's output at that frame.

    A query gives the class of the newest frame. It uses no text, and no memory other than the head's output.
    """

    works_noncausal = True

    @abc.abstractmethod
    def targets(self, dataset: Dataset, video: str, pts_seconds: np.ndarray, labels: Sequence[str]) -> Tensor:
        """The class of each frame of a video.

        Args:
            dataset: the data set with the annotations.
            video: the video's name.
            pts_seconds: the times of its frames, (T,).
            labels: the classes in order: the task's own, or those that a data set lists.

        Returns:
            long (T,), `IGNORED` where there is none.
        """

    def background(self, dataset: Dataset) -> str | None:
        """The label that segment metrics leave out; None: they count all labels."""
        return None

    @abc.abstractmethod
    def decode(self, y: Tensor) -> Tensor:
        """Turns the head's output (..., D) into class scores (..., C)."""

    @abc.abstractmethod
    def loss(self, logits: Tensor, targets: Tensor, mask: Tensor, /) -> Tensor:
        """The training loss.

        Args:
            logits: (B, T, C).
            targets: class indices, long (B, T); `IGNORED` where there is none.
            mask: bool (B, T), True = valid; nothing invalid counts.

        Returns:
            a scalar.
        """

    def right(self, logits: Tensor, targets: Tensor, mask: Tensor, /) -> Tensor:
        """Whether the class of each labelled frame is right, bool (number of labelled frames,)."""
        known = targets != IGNORED
        return logits.argmax(dim=-1)[known] == targets[known]

    def scored_answers(self, logits: Tensor, targets: Tensor, mask: Tensor, /) -> ScoredAnswers:
        """The scores of the labelled frames; see `Task.scored_answers`."""
        known = mask & (targets != IGNORED)
        return ScoredAnswers(logits[known].float(), targets[known])

    def query_vectors(self, text_vectors: Tensor) -> Tensor:
        """Zeros (..., D), because the class of the newest frame needs no memory."""
        return torch.zeros_like(text_vectors)

    def decode_query(self, context: Tensor, vectors: Tensor, present: Tensor) -> Tensor:
        """Class scores of the newest frame, (..., C)."""
        return self.decode(present)

    def answer(self, decoded: Tensor, queries: Sequence[Query], *, beam: int | None = None) -> Tensor:
        """Log-probabilities of the newest frame's classes, float32 (N, C); see `Task.answer`."""
        return self.log_probabilities(decoded)

    def rank(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[Ranking]:
        """The most probable classes of the newest frame; see `Task.rank`."""
        return rank_classes(self.answer(decoded, queries).exp(), self.labels, top)

    def label_segments(
        self, probabilities: np.ndarray, pts_seconds: np.ndarray, end: float, *, video: str, top: int
    ) -> list[Prediction]:
        """The rows that a person reads of a whole video: neighbouring frames of one class, joined.

        A segment's probabilities are the means of its frames'.

        Args:
            probabilities: of each frame, (T, C).
            pts_seconds: the times of the frames, (T,).
            end: when the video ends, in seconds.
            video: its name.
            top: how many classes to rank.
        """
        best = probabilities.argmax(axis=1)
        starts = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist()]
        times = [*pts_seconds.tolist(), end]
        rows = []
        for start, stop in zip(starts, [*starts[1:], len(best)]):
            mean = probabilities[start:stop].mean(axis=0)
            (ranking,) = rank_classes(torch.from_numpy(mean)[None], self.labels, top)
            rows.append(
                Prediction(
                    video=video,
                    time=times[start],
                    end=max(times[stop], times[start]),
                    kind=self.query_kind,
                    answer=self.labels[best[start]],
                    probability=float(mean[best[start]]),
                    ranking=ranking,
                )
            )
        return rows
