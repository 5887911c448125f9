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
    names, scores = _offered(scores, classes, query)
    probabilities = _softmax(scores)
    best = int(scores.argmax())
    if query.answer not in names:
        return Mark(names[best], False, len(names) + 1, float(probabilities[best]), 0.0)
    right = names.index(query.answer)
    ahead = int((scores > scores[right]).sum() + (scores[:right] == scores[right]).sum())
    return Mark(names[best], ahead == 0, ahead + 1, float(probabilities[best]), float(probabilities[right]))


def offered_probabilities(scores: np.ndarray, classes: Sequence[str], query: Query) -> tuple[list[str], np.ndarray]:
    """The answers that a query offers, and the probability of each.

    Args:
        scores: logits or log-probabilities, (C,).
        classes: what they stand for.
        query: with `choices` only those compete.

    Raises:
        DataError: a choice is no class.
    """
    names, scores = _offered(scores, classes, query)
    return names, _softmax(scores)


def _offered(scores: np.ndarray, classes: Sequence[str], query: Query) -> tuple[list[str], np.ndarray]:
    names = list(classes)
    if not query.choices:
        return names, scores
    unknown = [choice for choice in query.choices if choice not in names]
    if unknown:
        raise DataError(
            f"Query of '{query.video}' at {query.time:.3f} s expects choices among the classes, got '{unknown[0]}'."
        )
    return list(query.choices), scores[[names.index(choice) for choice in query.choices]]


def _softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()
