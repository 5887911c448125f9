"""The options of frame labels, and the loss that one label and many labels a frame share."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from vidseq.data.dataset import Dataset
from vidseq.data.schema import Segment
from vidseq.errors import UserError, unknown_name
from vidseq.tasks.base import TaskOptions

#: How classes can be weighted against their share of the training frames, and the power of the share.
CLASS_WEIGHTINGS = {"none": 0.0, "sqrt_inverse": 0.5, "inverse": 1.0}
#: The weighting that a model takes by itself, with one label a frame and with many.
_WEIGHTINGS_BY_ITSELF = ("none", "sqrt_inverse")


@dataclass(frozen=True, kw_only=True)
class FrameLabelsOptions(TaskOptions):
    """Options of frame labels."""

    smoothing: float = 0.0
    """Factor of the smoothing loss; 0.15 in MS-TCN, 0 for none."""
    smoothing_limit: float = 4.0
    """A change of log-probability beyond this costs no more: real changes of label must stay possible."""
    class_weighting: str = "auto"
    """"none", or weigh rare classes up by "inverse" or "sqrt_inverse" of their share; "auto": "none" with one label a
    frame, "sqrt_inverse" with many."""
    ambiguous: str = ""
    """A label whose frames count neither in training nor in scores, such as "Ambiguous" in THUMOS'14; empty: none."""
    multi_label: bool = False
    """Whether a frame has every label whose segment holds it, so that segments may overlap; off: one."""
    per_track: bool = False
    """With `multi_label`: whether the labels of each track are classes of their own, such as "Ann: cut"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_weighting not in ("auto", *CLASS_WEIGHTINGS):
            choices = ", ".join(("auto", *CLASS_WEIGHTINGS))
            raise UserError(f"frame_labels task expects class_weighting {choices}, got '{self.class_weighting}'.")
        if not (self.smoothing >= 0 and self.smoothing_limit > 0):
            raise UserError(
                f"frame_labels task expects smoothing of at least 0 and smoothing_limit above 0, "
                f"got {self.smoothing} and {self.smoothing_limit}."
            )
        if self.per_track and not self.multi_label:
            raise UserError("frame_labels task expects multi_label: true where it has per_track: true, got false.")

    @property
    def weighting_power(self) -> float:
        """The power of a class's share that its weight falls with."""
        by_itself = _WEIGHTINGS_BY_ITSELF[self.multi_label]
        return CLASS_WEIGHTINGS[by_itself if self.class_weighting == "auto" else self.class_weighting]

    def check_ambiguous(self, labels: Sequence[str]) -> None:
        """Refuses an ambiguous label that is not among some labels.

        Raises:
            UserError: it is not.
        """
        if self.ambiguous and self.ambiguous not in labels:
            raise unknown_name("ambiguous label", self.ambiguous, labels)

    def split_ambiguous(self, dataset: Dataset, video: str) -> tuple[list[Segment], list[Segment]]:
        """The segments of a video: those of actions, and those whose frames do not count."""
        segments = dataset.segments_of(video)
        ambiguous = [segment for segment in segments if segment.label == self.ambiguous]
        return [segment for segment in segments if segment.label != self.ambiguous], ambiguous


def change_loss(log_probabilities: Tensor, mask: Tensor, *, limit: float) -> Tensor:
    """Makes log-probabilities change slowly: their squared change from frame to frame, truncated.

    Args:
        log_probabilities: (B, T, C).
        mask: bool (B, T), True = valid, a row's valid frames first.
        limit: tau, the largest change that counts.

    Returns:
        the mean over valid frames but the first and over classes; zero where there is none.

    Source: arXiv:1903.01945, eq. 9 and 10, T-MSE; the frame before takes no gradient, as there.
    """
    change = (log_probabilities[:, 1:] - log_probabilities[:, :-1].detach()).abs().clamp(max=limit)
    valid = mask[:, 1:]
    total = change.square().masked_fill(~valid[..., None], 0).sum()
    return total / (valid.sum() * log_probabilities.shape[-1]).clamp(min=1)
