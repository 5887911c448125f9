"""The n-gram chain: the next label from the last few, in their order."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from vidseq.baselines.baseline_data import BaselineData
from vidseq.errors import UserError

#: How many past labels count unless the control says otherwise, as in "ngram:2".
DEFAULT_ORDER = 3


class LabelChain:
    """Probability of the next label given the last ones, backing off to fewer where they were rarely seen.

        p(c | h) = (n(h, c) + k(h) p(c | h')) / (n(h) + k(h))

    n counts in training, k(h) is the number of different labels that followed h, and h' is h without its oldest label;
    at the bottom stand add-one smoothed frequencies.

    Source: Witten and Bell, The zero-frequency problem, IEEE Trans. Information Theory 1991 (method C), interpolated.

    Args:
        examples: past labels, oldest first, and the number of the class that followed.
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
        self._bottom = frequency / frequency.sum()
        self._weight = {history: counts.total() + len(counts) for history, counts in self._followed.items()}

    def probabilities(self, history: Sequence[str]) -> np.ndarray:
        """Of each class after some labels, (C,)."""
        share = self._bottom.copy()
        for length in range(1, min(self._order, len(history)) + 1):
            last = tuple(history[-length:])
            if last not in self._followed:
                break
            counts, weight = self._followed[last], self._weight[last]
            share *= len(counts) / weight
            for following, count in counts.items():
                share[following] += count / weight
        return share


def ngram(data: BaselineData, order: int = DEFAULT_ORDER) -> np.ndarray:
    """Answers with a `LabelChain` fitted on the training segments.

    Args:
        study: next actions to learn and to answer.
        order: how many past labels count.

    Returns:
        log-probabilities (N, C).
    """
    examples = [
        (data.labels_before(query), answer) for query, answer in zip(data.training, data.answers()) if answer >= 0
    ]
    chain = LabelChain(examples, order, len(data.classes))
    return np.log(np.stack([chain.probabilities(data.labels_before(query)) for query in data.queries]))


def parse_order(control: str) -> int | None:
    """How many labels "ngram" or "ngram:2" looks back; None for another control.

    Raises:
        UserError: the number cannot be read.
    """
    name, _, order = control.partition(":")
    if name != "ngram":
        return None
    if not order:
        return DEFAULT_ORDER
    if not order.isdecimal() or int(order) < 1:
        raise UserError(f"Control ngram expects how many labels to look back, as in ngram:2, got '{control}'.")
    return int(order)
