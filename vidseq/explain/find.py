"""Finds the past frames that one prediction depends on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import Past, within_intervals
from vidseq.errors import UserError
from vidseq.explain.occlusion import Block, block_widths, find_peak, occlude
from vidseq.explain.rescoring import Rescorer
from vidseq.explain.sufficient import minimal_sufficient
from vidseq.progress import progress

if TYPE_CHECKING:
    from vidseq.evaluation.evaluator import Predict

#: A part of the past suffices if the prediction stays the same and keeps this share of its probability.
SHARE = 0.9


@dataclass(frozen=True, eq=False)
class ImportantPast:
    """The frames that one prediction depends on. The past has T frames, from the oldest to the newest."""

    query: Query
    pts_seconds: np.ndarray
    """Times of the frames, (T,)."""
    prediction: str
    """The answer with all of the past."""
    probability: float
    """Probability of the prediction with all of the past."""
    levels: dict[int, tuple[Block, ...]]
    """Deleted blocks by width in frames, widest first."""
    sufficient: np.ndarray
    """The frames of the minimal sufficient set, bool (T,); all False if the question alone gives the prediction."""
    sufficient_probability: float
    """Probability of the prediction with only those frames."""
    evidence_suffices: bool | None
    """Whether the frames of the true evidence suffice; None if no frame is evidence."""
    evidence_loss: float
    """Probability lost by deleting exactly the true evidence; NaN if no frame is evidence."""
    deletion: str
    """How frames were deleted, one of `DELETIONS`."""
    share: float
    """The share of its probability that the prediction must keep."""
    num_answers: int
    """Number of answers that the model computed."""

    @property
    def peak(self) -> Block | None:
        """See `find_peak`."""
        return find_peak(self.levels)

    @property
    def frame_seconds(self) -> float:
        """Median duration of a frame; 0 with fewer than two frames."""
        return float(np.median(np.diff(self.pts_seconds))) if len(self.pts_seconds) > 1 else 0.0

    @property
    def evidence(self) -> np.ndarray:
        """The frames in the query's evidence intervals, ends included, bool (T,)."""
        return within_intervals(self.pts_seconds, self.query.evidence)

    def intervals(self, frames: np.ndarray) -> list[tuple[float, float]]:
        """Returns frames as intervals in seconds. A frame lasts until the next one, the last until the query.

        Args:
            frames: which frames, bool (T,); neighbours form one interval.
        """
        ends = np.append(self.pts_seconds[1:], max(self.query.time, *self.pts_seconds[-1:]))
        edges = np.flatnonzero(np.diff(np.concatenate([[0], frames.astype(int), [0]])))
        return [(float(self.pts_seconds[a]), float(ends[b - 1])) for a, b in zip(edges[::2], edges[1::2])]


def find_important_past(
    predict: "Predict",
    classes: Sequence[str],
    past: Past,
    query: Query,
    *,
    deletion: str = "remove",
    mean_frame: np.ndarray | None = None,
    share: float = SHARE,
    finest_frames: int = 1,
    max_blocks: int = 256,
) -> ImportantPast:
    """Deletes parts of the past and asks the model again, to find the frames that one prediction depends on.

    Args:
        predict: any model.
        classes: the possible answers, in the order of the model's scores.
        past: the samples that the query sees, see `past_of`.
        query: the query; its answer may be unknown ("").
        deletion: how to delete frames, one of `DELETIONS`.
        mean_frame: the replacement for the deletion "mean", (D,).
        share: a part of the past suffices if the prediction stays the same and keeps this share of its probability.
        finest_frames: width of the narrowest block; larger is faster and coarser.
        max_blocks: largest number of deleted blocks of each width.

    Raises:
        UserError: there is no past, a number is out of range, or the model returns NaN or the wrong shape.
    """
    if not len(past.pts_seconds):
        raise UserError("Finding the important past expects at least one frame before the query, got none.")
    if not 0 < share <= 1 or finest_frames < 1 or max_blocks < 1:
        raise UserError(
            "Finding the important past expects a share in (0, 1], finest_frames and max_blocks of at least 1, "
            f"got {share}, {finest_frames}, {max_blocks}."
        )
    with progress(what="Deleting frames", unit="answer") as bar:
        rescorer = Rescorer(predict, classes, past, query, deletion=deletion, mean_frame=mean_frame, bar=bar)
        everything = np.ones((1, rescorer.num_frames), bool)
        whole = rescorer.probabilities(everything)[0]
        answer = int(whole.argmax())
        least = share * whole[answer]

        def support(keep: np.ndarray) -> np.ndarray:
            p = rescorer.probabilities(keep)
            holds = (p.argmax(axis=1) == answer) & (p[:, answer] >= least)
            return np.where(holds, p[:, answer], -np.inf)

        widths = block_widths(rescorer.num_frames, finest_frames)
        levels = occlude(rescorer, answer, widths, max_blocks=max_blocks)
        sufficient = minimal_sufficient(support, rescorer.num_frames, widths)
        evidence = within_intervals(past.pts_seconds, query.evidence)
        known = bool(evidence.any())
        left = rescorer.probabilities(~evidence[None])[0, answer] if known else np.nan
        return ImportantPast(
            query=query,
            pts_seconds=past.pts_seconds,
            prediction=rescorer.names[answer],
            probability=float(whole[answer]),
            levels=levels,
            sufficient=sufficient,
            sufficient_probability=float(rescorer.probabilities(sufficient[None])[0, answer]),
            evidence_suffices=bool(np.isfinite(support(evidence[None])[0])) if known else None,
            evidence_loss=float(whole[answer] - left),
            deletion=deletion,
            share=share,
            num_answers=rescorer.num_answers,
        )
