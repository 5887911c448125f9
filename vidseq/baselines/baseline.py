"""A baseline: a control that asks no model."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.control import Control


class Baseline(Control):
    """Answers queries by what it learns from the training split alone.

    A new baseline is one class, a frozen dataclass with a `name`, in a file that `registry.py` imports.
    """

    kinds: ClassVar[tuple[str, ...] | None] = None
    """The kinds of query that it answers; None: all."""

    @property
    @abstractmethod
    def sees(self) -> str:
        """What it may use, in words."""

    @abstractmethod
    def answer(self, data: BaselineData) -> np.ndarray:
        """Answers the queries.

        Args:
            data: queries of one kind, and what may be known of them.

        Returns:
            scores (N, C), logits or log-probabilities.
        """
