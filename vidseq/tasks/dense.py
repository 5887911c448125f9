"""The dense family: tasks that give each frame a class."""

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED
from vidseq.data.schema import Query, Segment
from vidseq.segmentation.action_order import actions_of
from vidseq.segmentation.found_segments import FoundSegment, segments_of_classes
from vidseq.segmentation.live_segments import ClosedSegment, LiveSegments
from vidseq.segmentation.segmenter import Segmenter
from vidseq.tasks.base import Task
from vidseq.tasks.calibration import ScoredAnswers
from vidseq.tasks.prediction import Prediction, Ranking, rank_classes

#: Decoding takes a smaller probability for this one, so that no label is impossible.
MIN_PROBABILITY = 1e-12


class DenseTask(Task):
    """A task with a class for each frame. The class is decoded from the head's output at that frame.

    A query gives the class of the newest frame. It uses no text, and no memory other than the head's output.
    """

    works_noncausal = True
    many_labels: ClassVar[bool] = False
    """Whether a frame may have several classes, so that targets are int8 (T, C) and probabilities do not sum to 1."""

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.segmenter: Segmenter | None = None
        """Makes segments of scores; None: the model was saved without one, or its training labels hold no action."""

    @abc.abstractmethod
    def targets(self, dataset: Dataset, video: str, pts_seconds: np.ndarray, labels: Sequence[str]) -> Tensor:
        """The class of each frame of a video.

        Args:
            dataset: the data set with the annotations.
            video: the video's name.
            pts_seconds: the times of its frames, (T,).
            labels: the classes in order: the task's own, or those that a data set lists.

        Returns:
            long (T,), `IGNORED` where there is none; with many labels a frame int8 (T, C), 1 where a frame is of a
            class, and `IGNORED` in all columns of a frame that does not count.
        """

    def true_segments(self, dataset: Dataset, video: str, pts_seconds: np.ndarray) -> list[Segment]:
        """The segments that found ones are compared with: those of `targets`, unless a task has annotated ones.

        Args:
            dataset: the data set with the annotations.
            video: the video's name.
            pts_seconds: the times of its frames, (T,).
        """
        classes = self.targets(dataset, video, pts_seconds, self.labels).numpy()
        times = [*pts_seconds.tolist(), dataset.videos[video].duration]
        return [
            Segment(video=video, start=times[item.first], end=times[item.stop], label=self.labels[item.label])
            for item in segments_of_classes(classes, np.ones((len(classes), len(self.labels))))
        ]

    def background(self, dataset: Dataset) -> str | None:
        """The label that segment metrics leave out; None: they count all labels."""
        return None

    def background_index(self, dataset: Dataset) -> int | None:
        """The index of `background` among the task's labels; None: it is not one of them."""
        name = self.background(dataset)
        return self.labels.index(name) if name in self.labels else None

    def learn_segments(self, targets: Iterable[Tensor], dataset: Dataset) -> None:
        """Learns from training labels how long actions last and which follow; see `Segmenter`.

        Args:
            targets: the classes of each training video's frames, long (T,).
            dataset: says which label is no action.
        """
        background = self.background_index(dataset)
        videos = [classes.numpy() for classes in targets]
        has_actions = any(len(actions_of(labels, background)) for labels in videos)
        self.segmenter = Segmenter.fit(videos, len(self.labels), background) if has_actions else None

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

    def find_segments(self, probabilities: np.ndarray, decoding: str | None = None) -> list[FoundSegment]:
        """Makes segments of a whole video's probabilities.

        Args:
            probabilities: of each frame, (T, C), in the order of the task's labels.
            decoding: one of those that the segmenter offers; None: its default. Without a segmenter, neighbouring
                frames of one class are joined.

        Returns:
            the segments by first frame.
        """
        if self.segmenter is None:
            return segments_of_classes(probabilities.argmax(axis=1), probabilities)
        scores = np.log(probabilities.clip(min=MIN_PROBABILITY))
        return segments_of_classes(self.segmenter.decode(scores, decoding), probabilities)

    def label_segments(
        self, probabilities: np.ndarray, pts_seconds: np.ndarray, end: float, *, video: str, top: int
    ) -> list[Prediction]:
        """The rows that a person reads of a whole video: its segments, as `find_segments` makes them.

        A row's probabilities are the means of its frames'.

        Args:
            probabilities: of each frame, (T, C).
            pts_seconds: the times of the frames, (T,).
            end: when the video ends, in seconds.
            video: its name.
            top: how many classes to rank.
        """
        times = [*pts_seconds.tolist(), end]
        rows = []
        for item in self.find_segments(probabilities):
            start, mean = times[item.first], probabilities[item.first : item.stop].mean(axis=0)
            closed = ClosedSegment(item.label, start, max(times[item.stop], start), mean)
            rows.append(self.segment_row(closed, video, top))
        return rows

    def segment_row(self, segment: ClosedSegment, video: str, top: int) -> Prediction:
        """The row that a person reads of one segment; the other arguments are those of `label_segments`."""
        (ranking,) = rank_classes(torch.from_numpy(segment.probabilities)[None], self.labels, top)
        return Prediction(
            video=video,
            time=segment.start,
            end=segment.end,
            kind=self.query_kind,
            answer=self.labels[segment.label],
            probability=float(segment.probabilities[segment.label]),
            ranking=ranking,
        )

    def live_segments(self) -> LiveSegments | None:
        """Finds segments while frames come; None: the task labels the newest frame when it is asked, and no more."""
        return None
