"""Asks a model one query repeatedly, each time with other frames of the past deleted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import Past
from vidseq.errors import UserError, unknown_name
from vidseq.evaluation.scoring import offered_probabilities

if TYPE_CHECKING:
    from tqdm import tqdm

    from vidseq.evaluation.evaluator import Predict

#: How frames are deleted.
#: "remove": frames are removed; the others keep their order, features and times, so the model sees fewer frames, all
#: of them real. For a head that counts frames, older frames move nearer by the number of removed frames.
#: "mean": each frame is replaced by the mean frame; the number and times of frames stay, but no real frame looks like
#: the mean frame.
DELETIONS = ("remove", "mean")
#: Most answers and most frames in one call of the model.
_MAX_ANSWERS, _MAX_FRAMES = 256, 65_536


class Rescorer:
    """Computes a model's probabilities for the answers to one query from any part of its past.

    Args:
        predict: the model.
        classes: the C possible answers, in the order of the model's scores.
        past: the T samples that the query sees.
        query: the query.
        deletion: one of `DELETIONS`.
        mean_frame: the replacement of a frame for "mean", (D,). Use the mean over other videos: the mean over this
            past holds a trace of the deleted frames.
        bar: a progress bar that advances by one with each answer; None: no bar.

    Raises:
        UserError: the deletion is unknown, or the mean frame is missing or has the wrong shape.
    """

    def __init__(
        self,
        predict: "Predict",
        classes: Sequence[str],
        past: Past,
        query: Query,
        *,
        deletion: str = "remove",
        mean_frame: np.ndarray | None = None,
        bar: "tqdm[object] | None" = None,
    ) -> None:
        if deletion not in DELETIONS:
            raise unknown_name("deletion", deletion, DELETIONS)
        shape = () if mean_frame is None else np.shape(mean_frame)
        if deletion == "mean" and shape != past.features.shape[1:]:
            raise UserError(f"Deletion 'mean' expects a mean frame {past.features.shape[1:]}, got {shape}.")
        self._predict, self._classes, self._query = predict, tuple(classes), query
        self._features = np.asarray(past.features, np.float32)
        self._pts_seconds = past.pts_seconds
        self._mean_frame = None if deletion == "remove" else np.asarray(mean_frame, np.float32)
        self._bar = bar
        self._known: dict[bytes, np.ndarray] = {}
        self.num_frames = len(past.pts_seconds)
        self.num_answers = 0
        self.names = offered_probabilities(np.zeros(len(self._classes)), self._classes, query)[0]

    def probabilities(self, keep: np.ndarray) -> np.ndarray:
        """Asks the model with parts of the past; equal parts are computed once.

        Args:
            keep: which frames stay in each of M parts, bool (M, T).

        Returns:
            probabilities of the answers `names`, (M, number of names).
        """
        missing = {row.tobytes(): row for row in keep if row.tobytes() not in self._known}
        rows = list(missing.values())
        size = max(1, min(_MAX_ANSWERS, _MAX_FRAMES // max(1, self.num_frames)))
        for first in range(0, len(rows), size):
            batch = rows[first : first + size]
            for row, scores in zip(batch, self._ask(batch)):
                self._known[row.tobytes()] = offered_probabilities(scores, self._classes, self._query)[1]
            self.num_answers += len(batch)
            if self._bar is not None:
                self._bar.update(len(batch))
        return np.stack([self._known[row.tobytes()] for row in keep])

    def _ask(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        pasts = [self._delete(keep) for keep in batch]
        queries = [self._query] * len(batch)
        scores = np.asarray(self._predict([p.features for p in pasts], [p.pts_seconds for p in pasts], queries), float)
        if scores.shape != (len(batch), len(self._classes)) or np.isnan(scores).any() or (scores == np.inf).any():
            raise UserError(
                f"Deleting frames expects scores ({len(batch)}, {len(self._classes)}) without NaN from the model, "
                f"got {scores.shape} with {int(np.isnan(scores).sum())} NaN."
            )
        return scores

    def _delete(self, keep: np.ndarray) -> Past:
        if self._mean_frame is None:
            return Past(self._features[keep], self._pts_seconds[keep])
        return Past(
            np.where(keep.reshape(-1, *[1] * (self._features.ndim - 1)), self._features, self._mean_frame),
            self._pts_seconds,
        )
