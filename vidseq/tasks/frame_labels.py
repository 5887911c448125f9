"""What is happening in each frame."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.data.dataset import Dataset
from vidseq.data.examples import IGNORED, frame_labels_of
from vidseq.data.schema import FRAME_LABEL
from vidseq.errors import UserError, unknown_name
from vidseq.tasks.base import TaskOptions, cross_entropy, make_options
from vidseq.tasks.dense import DenseTask

#: How classes can be weighted against their share of the training frames.
CLASS_WEIGHTINGS = ("none", "sqrt_inverse", "inverse")


@dataclass(frozen=True, kw_only=True)
class FrameLabelsOptions(TaskOptions):
    """Options of frame labels."""

    smoothing: float = 0.0
    """Factor of the smoothing loss; 0.15 in MS-TCN, 0 for none."""
    smoothing_limit: float = 4.0
    """A change of log-probability beyond this costs no more: real changes of label must stay possible."""
    class_weighting: str = "none"
    """"none", or weigh rare classes up by "inverse" or "sqrt_inverse" of their share."""
    ambiguous: str = ""
    """A label whose frames count neither in training nor in scores, such as "Ambiguous" in THUMOS'14; empty: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_weighting not in CLASS_WEIGHTINGS:
            choices = ", ".join(CLASS_WEIGHTINGS)
            raise UserError(f"frame_labels task expects class_weighting {choices}, got '{self.class_weighting}'.")
        if not (self.smoothing >= 0 and self.smoothing_limit > 0):
            raise UserError(
                f"frame_labels task expects smoothing of at least 0 and smoothing_limit above 0, "
                f"got {self.smoothing} and {self.smoothing_limit}."
            )


class FrameLabels(DenseTask):
    """Gives each frame the action that goes on in it.

    Source: Abu Farha and Gall, MS-TCN, arXiv:1903.01945, eq. 7 to 11; here: one stage.
    """

    name = "frame_labels"
    query_kind = FRAME_LABEL
    label_kind = "action"
    needs = "segments"
    Options = FrameLabelsOptions
    options: FrameLabelsOptions

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.decoder = nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, len(labels)))
        self.register_buffer("class_weights", torch.ones(len(labels)))
        self.class_weights: Tensor

    @classmethod
    def fits(cls, dataset: Dataset) -> bool:
        """Whether there are segments."""
        return bool(dataset.segments)

    @classmethod
    def find_labels(cls, dataset: Dataset, train: Collection[str], options: Mapping[str, object]) -> tuple[str, ...]:
        """The data set's actions; see `Task.find_labels`."""
        labels = super().find_labels(dataset, train, options)
        ambiguous = make_options(cls.name, cls.Options, options).ambiguous
        if ambiguous and ambiguous not in labels:
            raise unknown_name("ambiguous label", ambiguous, labels)
        return labels

    def targets(self, dataset: Dataset, video: str, pts_seconds: np.ndarray, labels: Sequence[str]) -> Tensor:
        """The class of the segment that each frame lies in; see `vidseq.data.examples.frame_labels_of`.

        A frame in an ambiguous segment has none, whatever else it lies in.
        """
        segments = dataset.segments_of(video)
        classes = frame_labels_of(segments, pts_seconds, labels, dataset.info.background)
        ambiguous = [segment for segment in segments if segment.label == self.options.ambiguous]
        if ambiguous:
            classes[frame_labels_of(ambiguous, pts_seconds, labels) != IGNORED] = IGNORED
        return classes

    def background(self, dataset: Dataset) -> str | None:
        """The data set's background label, if it has one."""
        return dataset.info.background

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
        power = {"none": 0.0, "sqrt_inverse": 0.5, "inverse": 1.0}[self.options.class_weighting]
        share = counts.double() / counts.sum().clamp(min=1)
        weights = share.clamp(min=1e-4) ** -power
        self.class_weights.copy_(weights / (weights * share).sum().clamp(min=1e-12) if share.any() else weights)

    def decode(self, y: Tensor) -> Tensor:
        """Class scores of every frame; see `DenseTask.decode`."""
        return self.decoder(y)

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
    """Makes log-probabilities change slowly: their squared change from frame to frame, truncated.

    Args:
        logits: (B, T, C).
        mask: bool (B, T), True = valid, a row's valid frames first.
        limit: tau, the largest change that counts.

    Returns:
        the mean over valid frames but the first and over classes; zero where there is none.

    Source: arXiv:1903.01945, eq. 9 and 10, T-MSE; the frame before takes no gradient, as there.
    """
    log_probabilities = logits.float().log_softmax(dim=-1)
    change = (log_probabilities[:, 1:] - log_probabilities[:, :-1].detach()).abs().clamp(max=limit)
    valid = mask[:, 1:]
    total = change.square().masked_fill(~valid[..., None], 0).sum()
    return total / (valid.sum() * logits.shape[-1]).clamp(min=1)
