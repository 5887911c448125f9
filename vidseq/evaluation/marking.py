"""Marks one answer: what was predicted, whether it is right, and where the right answer stands."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vidseq.data.schema import Query
from vidseq.errors import DataError


class Mark(NamedTuple):
    """What a row says of an answer; see `vidseq.evaluation.rows.Row`."""

    prediction: str
    correct: bool
    rank: int
    score: float
    answer_score: float


def mark(scores: np.ndarray, classes: Sequence[str], query: Query) -> Mark:
    """Marks the scores given to a query's classes.

    Of equal scores the first class wins, so rank 1 and being right are the same. With `choices` only those compete. An
    answer that is no class has probability 0 and the rank after the last.

    Args:
        scores: logits or log-probabilities, (C,).
        classes: what they stand for.
        query: what was asked, with its answer.

    Raises:
        DataError: a choice is no class.
    """
    names = list(classes)
    if query.choices:
        unknown = [choice for choice in query.choices if choice not in names]
        if unknown:
            raise DataError(
                f"Query of '{query.video}' at {query.time:.3f} s expects choices among the classes, "
                f"got '{unknown[0]}'."
            )
        scores = scores[[names.index(choice) for choice in query.choices]]
        names = list(query.choices)
    probabilities = np.exp(scores - scores.max())
    probabilities /= probabilities.sum()
    best = int(scores.argmax())
    if query.answer not in names:
        return Mark(names[best], False, len(names) + 1, float(probabilities[best]), 0.0)
    right = names.index(query.answer)
    ahead = int((scores > scores[right]).sum() + (scores[:right] == scores[right]).sum())
    return Mark(names[best], ahead == 0, ahead + 1, float(probabilities[best]), float(probabilities[right]))
