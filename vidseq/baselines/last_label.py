"""Nothing changes: the last label again."""

from dataclasses import dataclass

import numpy as np

from vidseq.baselines.baseline import Baseline
from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.control import PAST_LABELS
from vidseq.baselines.majority import Majority
from vidseq.data.schema import NEXT_ACTION

#: Far above any log-frequency.
_NEARLY_CERTAIN = 20.0


@dataclass(frozen=True)
class RepeatLastLabel(Baseline):
    """Answers with the label of the action that began last before the query; `Majority` ranks the other classes."""

    name = "repeat_last_label"
    sees = "the label of the last action"
    needs = PAST_LABELS
    kinds = (NEXT_ACTION,)

    def answer(self, data: BaselineData) -> np.ndarray:
        """Returns scores (N, C) that give nearly all of the probability to the repeated label."""
        scores, columns = Majority().answer(data), data.class_indices()
        for row, query in enumerate(data.queries):
            known = [label for label in data.labels_before(query) if label in columns]
            if known:
                scores[row, columns[known[-1]]] = _NEARLY_CERTAIN
        return scores

    @staticmethod
    def forecast(observed: np.ndarray, frames: int) -> np.ndarray:
        """Forecasts that the last class goes on.

        Args:
            observed: the class of each observed frame, at least one.
            frames: how many to forecast.

        Returns:
            classes (frames,).
        """
        return np.full(frames, observed[-1])
