"""Scores for who counts every class alike: rare classes are not made to pay for being rare.

Source: Menon et al., Long-tail learning via logit adjustment, arXiv:2007.07314, section 4.1 (post-hoc).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vidseq.baselines.majority import log_frequency
from vidseq.evaluation.metrics import class_mean_recall

#: What is tried; 0 leaves scores as they are, 1 takes away all that frequency in training adds.
TAUS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class LogitAdjustment:
    """log p(c | past) - tau log p(c)."""

    log_prior: np.ndarray
    """How frequent each class is in training, (C,)."""
    tau: float

    @classmethod
    def learnt(cls, answers: Sequence[str], classes: Sequence[str], tau: float) -> "LogitAdjustment":
        """From the answers of training, add-one smoothed; those that are no class do not count."""
        return cls(log_frequency(Counter(answers), classes), tau)

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Adjusts the log-probabilities or logits (C,) of an answer."""
        return scores - self.tau * self.log_prior


def choose_tau(rows_at: Callable[[float], pd.DataFrame], k: int, taus: Sequence[float] = TAUS) -> float:
    """The tau whose class-mean recall is highest; of equal ones the smallest.

    Args:
        rows_at: gives the rows of a model that is adjusted by some tau, on queries that choose.
        k: recall within the first k answers.
        taus: what is tried.
    """
    recall = {tau: class_mean_recall(rows_at(tau), k) for tau in sorted(taus)}
    return max(recall, key=lambda tau: recall[tau])
