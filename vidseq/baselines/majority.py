"""The most frequent answer in training."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.baselines.baseline import Baseline
from vidseq.baselines.baseline_data import BaselineData, family_of
from vidseq.data.schema import Query

#: The share that answers keep which a question has never had in training.
UNSEEN_SHARE = 0.01


@dataclass(frozen=True)
class Majority(Baseline):
    """Answers with how frequent each answer is in the query's family, among the answers that such a question has.

    A family may ask about cards and about programmes. Which answers a question can have is no shortcut, but how often
    each is right can be one. Answers that the same text never had in training therefore share 1% of the probability. A
    text with fewer than two different answers in training gets the family's frequencies: nothing but its wording
    decides its answer. So does a query without a text, and one with choices.
    """

    name = "majority"
    sees = "the family's most frequent answer to such a question (with choices: any of them)"

    def answer(self, data: BaselineData) -> np.ndarray:
        """Returns the logarithms of add-one smoothed frequencies, (N, C)."""
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        answers_of: defaultdict[tuple[str, str | None], set[str]] = defaultdict(set)
        for query in data.training:
            counts[family_of(query)][query.answer] += 1
            answers_of[family_of(query), query.question].add(query.answer)

        def scores(query: Query) -> np.ndarray:
            frequency = log_frequency(counts[family_of(query)], data.classes)
            answers = answers_of[family_of(query), query.question]
            seen = np.array([label in answers for label in data.classes])
            restrict = query.question and not query.choices and seen.sum() > 1
            return _restrict(frequency, seen) if restrict else frequency

        return np.stack([scores(query) for query in data.queries])


def log_frequency(counts: Counter[str], classes: Sequence[str]) -> np.ndarray:
    """Returns the logarithms of add-one smoothed frequencies, (C,)."""
    frequency = np.array([counts[label] for label in classes], float) + 1
    return np.log(frequency / frequency.sum())


def _restrict(frequency: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Gives the classes that were not seen 1% of the probability, and keeps all ratios on either side."""
    shares = np.exp(frequency)
    if seen.all():
        return frequency
    return np.log(
        np.where(
            seen,
            (1 - UNSEEN_SHARE) * shares / shares[seen].sum(),
            UNSEEN_SHARE * shares / shares[~seen].sum(),
        )
    )
