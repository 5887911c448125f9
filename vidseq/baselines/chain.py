"""The n-gram chain: the next label from the last few labels, in their order."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.baselines.baseline import Baseline
from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.control import PAST_LABELS, Parameter, read_count
from vidseq.data.schema import NEXT_ACTION


class LabelChain:
    """Probability of the next label given the last ones, backing off to fewer where they were rarely seen.

        p(c | h) = (n(h, c) + k(h) p(c | h')) / (n(h) + k(h))

    n counts in training, k(h) is the number of different labels that followed h, and h' is h without its oldest label.
    The chain ends in add-one smoothed frequencies.

    Source: Witten and Bell, The zero-frequency problem, IEEE Trans. Information Theory 1991 (method C), interpolated.

    Args:
        examples: past labels, oldest first, and the index of the class that followed.
        order: how many past labels count.
        num_classes: C.
    """

    def __init__(self, examples: Iterable[tuple[Sequence[str], int]], order: int, num_classes: int) -> None:
        self._order = order
        self._followed: defaultdict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        frequency = np.ones(num_classes)
        for history, following in examples:
            frequency[following] += 1
            for length in range(1, min(order, len(history)) + 1):
                self._followed[tuple(history[-length:])][following] += 1
        self._smoothed = frequency / frequency.sum()
        self._weight = {history: counts.total() + len(counts) for history, counts in self._followed.items()}

    def probabilities(self, history: Sequence[str]) -> np.ndarray:
        """Returns the probability of each class after some labels, (C,)."""
        share = self._smoothed.copy()
        for length in range(1, min(self._order, len(history)) + 1):
            last = tuple(history[-length:])
            if last not in self._followed:
                break
            counts, weight = self._followed[last], self._weight[last]
            share *= len(counts) / weight
            for following, count in counts.items():
                share[following] += count / weight
        return share

    def most_frequent(self, history: Sequence[str]) -> int | None:
        """Returns the class that followed these labels most often in training, of equal ones the first; else None.

        Args:
            history: at most `order` labels, oldest first; shorter ones are not backed off to.
        """
        counts = self._followed.get(tuple(history))
        return max(counts, key=counts.__getitem__) if counts else None


@dataclass(frozen=True)
class NGram(Baseline):
    """Answers with a `LabelChain` of the training segments."""

    name = "ngram"
    needs = PAST_LABELS
    kinds = (NEXT_ACTION,)
    parameter = Parameter("how many labels to look back", "2", read_count, str)

    order: int = 3

    @property
    def sees(self) -> str:
        """What it may use, in words."""
        return f"the labels of the last {self.order} actions, in order"

    def answer(self, data: BaselineData) -> np.ndarray:
        """Returns log-probabilities (N, C)."""
        examples = [
            (data.labels_before(query), answer) for query, answer in zip(data.training, data.answers()) if answer >= 0
        ]
        chain = LabelChain(examples, self.order, len(data.classes))
        return np.log(np.stack([chain.probabilities(data.labels_before(query)) for query in data.queries]))
