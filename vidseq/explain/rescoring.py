"""Asks a model one query again and again, each time from the same past with other frames deleted."""

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

#: What deleting frames means.
#: "remove": they are taken out; those that stay keep their order, their features and their times, so the model sees
#: fewer frames, all of them real. A head that counts frames sees what is older move nearer by the frames taken out.
#: "mean": each is replaced by one and the same mean frame; number and places of frames stay, but that frame is none
#: that the model has ever seen.
DELETIONS = ("remove", "mean")
#: Most answers and most frames asked for in one call of the model.
_MAX_ANSWERS, _MAX_FRAMES = 256, 65_536


class Rescorer:
    """The probabilities that a model gives to the answers of one query, for any part of its past that is kept.

    Args:
        predict: the model.
        classes: the answers that there are, in the order of its scores, C of them.
        past: what was seen up to the query, T frames.
        query: what is asked.
        deletion: one of `DELETIONS`.
        mean_frame: what "mean" puts in the place of a frame, (D,); best the mean over other videos, since that over
            this past holds a trace of what shall be deleted.
        bar: advanced by one with each answer computed; None: nothing.

    Raises:
        UserError: a deletion that does not exist, or a mean frame that is missing or of the wrong shape.
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
        """Asks from parts of the past; the same part is computed once.

        Args:
            keep: which frames stay, bool (M, T).

        Returns:
            probabilities of `names`, (M, number of names).
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
        return Past(np.where(keep[:, None], self._features, self._mean_frame), self._pts_seconds)
