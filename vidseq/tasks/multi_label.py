"""Many labels a frame: each class is there or not, so that segments of several classes may overlap."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED, frame_classes_of, frames_of
from vidseq.data.schema import Query, Segment
from vidseq.errors import UserError
from vidseq.segmentation.found_segments import FoundSegment, segments_above
from vidseq.segmentation.live_segments import LiveSegments
from vidseq.tasks.base import make_options
from vidseq.tasks.calibration import ScoredAnswers
from vidseq.tasks.frame_label_options import change_loss
from vidseq.tasks.prediction import Prediction, answer_row
from vidseq.tasks.segment_labels import SegmentLabels

#: The threshold of a class where no validation split chooses one.
USUAL_THRESHOLD = 0.5
#: The largest weight of a frame that is of a rare class.
MAX_WEIGHT = 100.0


class MultiLabelFrames(SegmentLabels):
    """Gives each frame every action that goes on in it, from the option `multi_label` of frame labels.

    A class has a sigmoid. Frames of a class weigh (frames without it / frames with it) ^ power in its loss, by the
    counts in training, from 1 to `MAX_WEIGHT`; the power is 0.5 unless `class_weighting` says otherwise. Answers take
    the weights back out, so that probabilities are those of training. A class is there where its probability reaches
    its threshold, which has the highest F1 over the frames of the validation split.

    Targets are int8 (T, C): 1 where a frame is of a class, `IGNORED` in all columns of a frame that does not count.
    The background is there where no other class is.
    """

    many_labels = True

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.register_buffer("thresholds", torch.full((len(labels),), USUAL_THRESHOLD))
        self.register_buffer("background_class", torch.tensor(-1))
        self.thresholds: Tensor
        self.background_class: Tensor

    def targets(self, dataset: Dataset, video: str, pts_seconds: np.ndarray, labels: Sequence[str]) -> Tensor:
        """All classes of each frame, int8 (T, C); see `vidseq.data.examples.frame_classes_of`."""
        _, ambiguous = self.options.split_ambiguous(dataset, video)
        segments = self.true_segments(dataset, video, pts_seconds)
        classes = frame_classes_of(segments, pts_seconds, labels, self.background(dataset))
        for frames in frames_of(ambiguous, pts_seconds):
            classes[frames] = IGNORED
        return classes

    def learn_segments(self, targets: Iterable[Tensor], dataset: Dataset) -> None:
        """Notes which class is no action; a threshold a class makes the segments."""
        name = self.background(dataset)
        self.background_class.fill_(self.labels.index(name) if name in self.labels else -1)

    def fit_statistics(self, targets: Iterable[Tensor]) -> None:
        """Sets the class weights by how many frames have each class, and how many do not."""
        positives, total = torch.zeros(len(self.labels), dtype=torch.long), 0
        for classes in targets:
            known = classes[_known(classes)]
            positives += known.long().sum(dim=0)
            total += len(known)
        ratio = (total - positives) / positives.clamp(min=1)
        weights = ratio.double().pow(self.options.weighting_power).clamp(1, MAX_WEIGHT)
        self.class_weights.copy_(torch.where(positives > 0, weights, 1))

    def loss(self, logits: Tensor, targets: Tensor, mask: Tensor, /) -> Tensor:
        """Binary cross-entropy, summed over classes, and smoothing; `targets` (B, T, C), else see `DenseTask.loss`."""
        known = mask & _known(targets)
        smooth = self.options.label_smoothing
        wanted = targets[known].float() * (1 - smooth) + smooth / 2
        loss = functional.binary_cross_entropy_with_logits(
            logits[known].float(), wanted, pos_weight=self.class_weights, reduction="sum"
        ) / known.sum().clamp(min=1)
        if self.options.smoothing > 0:
            change = change_loss(functional.logsigmoid(logits.float()), mask, limit=self.options.smoothing_limit)
            loss = loss + self.options.smoothing * change
        return loss

    def right(self, logits: Tensor, targets: Tensor, mask: Tensor, /) -> Tensor:
        """Whether the most probable classes are there: of a frame with n classes its first n, one value each.

        A frame without a class has one value: whether all probabilities are below a half.
        """
        known = mask & _known(targets)
        odds, wanted = self._log_odds(logits[known]), targets[known].bool()
        count = wanted.sum(dim=1)
        ranked = wanted.gather(1, odds.argsort(dim=1, descending=True))
        first = torch.arange(len(self.labels), device=odds.device) < count[:, None]
        return torch.cat([ranked[first], (odds[count == 0] < 0).all(dim=1)])

    def scored_answers(self, logits: Tensor, targets: Tensor, mask: Tensor, /) -> ScoredAnswers:
        """Each class of each labelled frame as an answer of two classes, there or not; frame by frame."""
        known = mask & _known(targets)
        odds = self._log_odds(logits[known]).flatten()
        return ScoredAnswers(torch.stack([torch.zeros_like(odds), odds], dim=1), targets[known].flatten().long())

    def fit_decisions(self, answers: ScoredAnswers) -> None:
        """Chooses the thresholds of the highest F1; a class that no frame has takes the median of the others."""
        shape = (-1, len(self.labels))
        probabilities = (answers.scores[:, 1].view(shape) / self.temperature).sigmoid().double().numpy()
        there = answers.targets.view(shape).bool().numpy()
        best = np.array([_best_threshold(*columns) for columns in zip(probabilities.T, there.T)])
        known = ~np.isnan(best)
        usual = float(np.median(best[known])) if known.any() else USUAL_THRESHOLD
        self.thresholds.copy_(torch.from_numpy(np.where(known, best, usual)))

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """Class scores (..., C) to the log-probability that each class is there, float32."""
        return functional.logsigmoid(self._log_odds(scores) / self.temperature)

    def find_segments(self, probabilities: np.ndarray, decoding: str | None = None) -> list[FoundSegment]:
        """The segments in which a class reaches its threshold; see `DenseTask.find_segments`."""
        return segments_above(probabilities, *self._decisions())

    def live_segments(self) -> LiveSegments:
        """The same segments, each known when it ends; see `DenseTask.live_segments`."""
        return LiveSegments(*self._decisions())

    def predict(self, decoded: Tensor, queries: Sequence[Query], top: int) -> list[list[Prediction]]:
        """A row of each class that reaches its threshold in the newest frame, the most probable first."""
        thresholds, background = self._decisions()
        least = {
            label: value for index, (label, value) in enumerate(zip(self.labels, thresholds)) if index != background
        }
        rows = []
        for query, ranking in zip(queries, self.rank(decoded, queries, len(self.labels))):
            row = answer_row(query, ranking[:top])
            there = [(label, value) for label, value in ranking if label in least and value >= least[label]]
            rows.append([replace(row, answer=label, probability=value) for label, value in there])
        return rows

    def _decisions(self) -> tuple[np.ndarray, int | None]:
        """The threshold of each class, and which class is no action."""
        background = int(self.background_class)
        return self.thresholds.double().cpu().numpy(), background if background >= 0 else None

    def _log_odds(self, scores: Tensor) -> Tensor:
        """The log-odds that a class is there, without the weights of training."""
        return scores.float() - self.class_weights.log()


class TrackLabels(MultiLabelFrames):
    """Many labels a frame, with the labels of each track as classes of their own, such as "Ann: cut".

    From the option `per_track`. The classes are those that training videos hold, so that tracks must have the same
    names in all videos: people or places, not numbers. Segments of pairs that no training video holds are left out.
    """

    label_kind = "track_action"

    @classmethod
    def find_labels(cls, dataset: Dataset, train: Collection[str], options: Mapping[str, object]) -> tuple[str, ...]:
        """The pairs of track and label in the training videos, sorted; see `Task.find_labels`.

        Raises:
            UserError: no training segment has a track.
        """
        chosen = make_options(cls.name, cls.Options, options)
        chosen.check_ambiguous(dataset.action_labels)
        if not any(segment.track for segment in dataset.segments if segment.video in train):
            raise UserError(
                f"frame_labels task expects training segments with a track where it has per_track: true, got none in "
                f"'{dataset.info.name}'. Leave per_track out."
            )
        return tuple(
            sorted(
                {
                    track_label(segment)
                    for segment in dataset.segments
                    if segment.video in train and segment.label not in (chosen.ambiguous, dataset.info.background)
                }
            )
        )

    def background(self, dataset: Dataset) -> str | None:
        """None: where a track does nothing, none of its classes is there."""
        return None

    def true_segments(self, dataset: Dataset, video: str, pts_seconds: np.ndarray) -> list[Segment]:
        """The annotated segments of pairs that it knows, labelled so; see `DenseTask.true_segments`."""
        named = [
            replace(segment, label=track_label(segment))
            for segment in super().true_segments(dataset, video, pts_seconds)
        ]
        return [segment for segment in named if segment.label in self.labels]


def track_label(segment: Segment) -> str:
    """The class of a segment where tracks are who acts: "Ann: cut"; the label alone without a track."""
    return f"{segment.track}: {segment.label}" if segment.track else segment.label


def _known(targets: Tensor) -> Tensor:
    """Which frames count, of targets (..., C)."""
    return targets[..., 0] != IGNORED


def _best_threshold(probabilities: np.ndarray, there: np.ndarray) -> float:
    """The threshold of the highest F1 over frames, half way to the next lower probability; of equal ones the highest.

    Args:
        probabilities: of one class, (N,).
        there: whether a frame has it, bool (N,).

    Returns:
        NaN where no frame has it.
    """
    if not there.any():
        return float("nan")
    order = np.argsort(-probabilities, kind="stable")
    ordered, found = probabilities[order], there[order].cumsum()
    f1 = 2 * found / (np.arange(1, len(order) + 1) + found[-1])
    f1[:-1][ordered[1:] == ordered[:-1]] = -1  # equal probabilities pass a threshold together
    best = int(f1.argmax())
    below = ordered[best + 1] if best + 1 < len(ordered) else 0.0
    return float((ordered[best] + below) / 2)
