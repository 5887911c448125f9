"""Logit adjustment: removes class frequency from scores, for metrics that count every class alike.

Source: Menon et al., Long-tail learning via logit adjustment, arXiv:2007.07314, section 4.1 (post-hoc).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vidseq.baselines.majority import log_frequency
from vidseq.evaluation.metrics import class_mean_recall

#: The values of tau to try: 0 leaves scores unchanged, 1 removes the log frequency in training completely.
TAUS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class LogitAdjustment:
    """Changes scores to log p(c | past) - tau log p(c)."""

    log_prior: np.ndarray
    """Log frequency of each class in training, (C,)."""
    tau: float

    @classmethod
    def learnt(cls, answers: Sequence[str], classes: Sequence[str], tau: float) -> "LogitAdjustment":
        """Estimates the prior from training answers with add-one smoothing; answers that are no class do not count."""
        return cls(log_frequency(Counter(answers), classes), tau)

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Adjusts the log-probabilities or logits (C,) of an answer."""
        return scores - self.tau * self.log_prior


def choose_tau(rows_at: Callable[[float], pd.DataFrame], k: int, taus: Sequence[float] = TAUS) -> float:
    """Returns the tau with the highest class-mean recall; of equal ones the smallest.

    Args:
        rows_at: returns the rows of a model adjusted by a tau, on the queries used for the choice.
        k: an answer counts if it is among the first k.
        taus: the values to try.
    """
    recall = {tau: class_mean_recall(rows_at(tau), k) for tau in sorted(taus)}
    return max(recall, key=lambda tau: recall[tau])
