"""Scores one answer: the prediction, whether it is right, and the rank of the right answer."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vidseq.data.schema import Query
from vidseq.errors import DataError
from vidseq.language.vocabulary import split_words
from vidseq.language.written import Written


class Score(NamedTuple):
    """The columns of a row that score an answer; see `vidseq.evaluation.rows.Row`."""

    prediction: str
    correct: bool
    rank: int
    score: float
    answer_score: float


class WordScore(NamedTuple):
    """The further columns of an answer in words; NaN for classes."""

    answer_log_prob: float
    """Log-probability of the right answer; NaN for classes."""
    answer_tokens: float
    """Number of tokens of the right answer; NaN for classes."""


def score_written(written: Written, query: Query) -> tuple[Score, WordScore]:
    """Scores an answer in words: it is right if it has the same words; case and spaces are ignored.

    The rank is that of the right answer among the N answers that the model found, or N + 1 if it is not among them.

    Args:
        written: the model's answer.
        query: the query with its right answer.
    """
    right = split_words(query.answer)
    ranks = [rank for rank, (text, _) in enumerate(written.ranking, start=1) if split_words(text) == right]
    rank = ranks[0] if ranks else len(written.ranking) + 1
    score, answer_score = (min(1.0, math.exp(value)) for value in (written.ranking[0][1], written.answer_log_prob))
    return (
        Score(written.text, rank == 1, rank, score, answer_score),
        WordScore(written.answer_log_prob, float(written.answer_tokens)),
    )


def score_answer(scores: np.ndarray, classes: Sequence[str], query: Query) -> Score:
    """Scores an answer given as class scores.

    Of equal scores the first class ranks higher, so an answer is right exactly if its rank is 1. If the query has
    `choices`, only those count. A right answer that is not among the C classes has probability 0 and rank C + 1.

    Args:
        scores: logits or log-probabilities, (C,).
        classes: the classes in the order of the scores.
        query: the query with its right answer.

    Raises:
        DataError: a choice is not among the classes.
    """
    names, scores = _offered(scores, classes, query)
    probabilities = _softmax(scores)
    best = int(scores.argmax())
    if query.answer not in names:
        return Score(names[best], False, len(names) + 1, float(probabilities[best]), 0.0)
    right = names.index(query.answer)
    ahead = int((scores > scores[right]).sum() + (scores[:right] == scores[right]).sum())
    return Score(names[best], ahead == 0, ahead + 1, float(probabilities[best]), float(probabilities[right]))


def offered_probabilities(scores: np.ndarray, classes: Sequence[str], query: Query) -> tuple[list[str], np.ndarray]:
    """Returns the answers that a query offers, and the probability of each.

    Args:
        scores: logits or log-probabilities, (C,).
        classes: the classes in the order of the scores.
        query: the query; if it has `choices`, only those are offered.

    Raises:
        DataError: a choice is not among the classes.
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
