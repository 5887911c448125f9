"""What is happening in each frame."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED, count_overlapping, frame_labels_of
from vidseq.tasks.base import Task, cross_entropy, make_options
from vidseq.tasks.frame_label_options import change_loss
from vidseq.tasks.multi_label import MultiLabelFrames, TrackLabels
from vidseq.tasks.segment_labels import SegmentLabels


class FrameLabels(SegmentLabels):
    """Gives each frame the action that goes on in it.

    Source: Abu Farha and Gall, MS-TCN, arXiv:1903.01945, eq. 7 to 11; here: one stage.
    """

    learns_segments = True
    default_options = MappingProxyType({"smoothing": 0.15})

    @classmethod
    def variant(cls, options: Mapping[str, object]) -> type[Task]:
        """The class for one label a frame, for many, or for many of each track; see `Task.variant`."""
        chosen = make_options(cls.name, cls.Options, options)
        if not chosen.multi_label:
            return cls
        return TrackLabels if chosen.per_track else MultiLabelFrames

    def targets(self, dataset: Dataset, video: str, pts_seconds: np.ndarray, labels: Sequence[str]) -> Tensor:
        """The class of the segment that each frame lies in; see `vidseq.data.examples.frame_labels_of`.

        A frame in an ambiguous segment has none, whatever else it lies in.
        """
        segments = dataset.segments_of(video)
        classes = frame_labels_of(segments, pts_seconds, labels, dataset.info.background)
        _, ambiguous = self.options.split_ambiguous(dataset, video)
        if ambiguous:
            classes[frame_labels_of(ambiguous, pts_seconds, labels) != IGNORED] = IGNORED
        return classes

    def notes(self, dataset: Dataset, videos: Collection[str]) -> list[str]:
        """How many segments overlap others, of which a frame has one alone; see `Task.notes`."""
        kept = [self.options.split_ambiguous(dataset, video)[0] for video in videos]
        overlapping = sum(map(count_overlapping, kept))
        if not overlapping:
            return []
        return [
            f"{overlapping:,} of {sum(map(len, kept)):,} segments overlap one of another label; a frame has the label "
            f"of the segment that starts last. The option multi_label of {self.name} keeps all; set it under tasks "
            "in dataset.json."
        ]

    def fit_statistics(self, targets: Iterable[Tensor]) -> None:
        """Sets the class weights by the number of frames of each class."""
        counts = torch.zeros(len(self.labels), dtype=torch.long)
        for classes in targets:
            counts += torch.bincount(classes[classes >= 0], minlength=len(counts))
        self.weigh_classes(counts)

    def weigh_classes(self, counts: Tensor) -> None:
        """Sets the class weights as `class_weighting` says; they average 1 over frames.

        Args:
            counts: frames of each class, (C,).
        """
        share = counts.double() / counts.sum().clamp(min=1)
        weights = share.clamp(min=1e-4) ** -self.options.weighting_power
        self.class_weights.copy_(weights / (weights * share).sum().clamp(min=1e-12) if share.any() else weights)

    def loss(self, logits: Tensor, targets: Tensor, mask: Tensor, /) -> Tensor:
        """Cross-entropy and smoothing; see `DenseTask.loss`."""
        loss = cross_entropy(
            logits[mask],
            targets[mask],
            label_smoothing=self.options.label_smoothing,
            class_weights=self.class_weights,
        )
        if self.options.smoothing > 0:
            loss = loss + self.options.smoothing * smoothing_loss(logits, mask, limit=self.options.smoothing_limit)
        return loss


def smoothing_loss(logits: Tensor, mask: Tensor, *, limit: float) -> Tensor:
    """Makes the log-probabilities of one label a frame change slowly; see `change_loss`.

    Args:
        logits: (B, T, C).
        mask: bool (B, T), True = valid, a row's valid frames first.
        limit: tau, the largest change that counts.
    """
    return change_loss(logits.float().log_softmax(dim=-1), mask, limit=limit)
