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
    """The columns of a row that hold an answer's score; see `vidseq.evaluation.rows.Row`."""

    prediction: str
    correct: bool
    rank: int
    score: float
    answer_score: float


class WordScore(NamedTuple):
    """The columns that an answer in words has beside its `Score`; NaN for classes."""

    answer_log_prob: float
    """Log-probability of the right answer, as words; NaN for classes."""
    answer_tokens: float
    """In how many pieces the right answer is written; NaN for classes."""


def score_written(written: Written, query: Query) -> tuple[Score, WordScore]:
    """Scores an answer in words: it is right if it has the same words, whatever case and spaces.

    The rank is that of the right answer among those that were found, else one more than their number.

    Args:
        written: what the model wrote.
        query: with its answer.
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
    """Scores the class scores of a query.

    Of equal scores the first class wins, so rank 1 and being right are the same. Of a query with `choices`, only those
    count. An answer that is no class has probability 0 and the rank after the last.

    Args:
        scores: logits or log-probabilities, (C,).
        classes: the class of each.
        query: with its answer.

    Raises:
        DataError: a choice is no class.
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
    """The answers that a query offers, and the probability of each.

    Args:
        scores: logits or log-probabilities, (C,).
        classes: the class of each.
        query: of one with `choices`, only those count.

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
