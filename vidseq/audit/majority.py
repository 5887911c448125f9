"""What is right by frequency alone: the answer that every other probe is told from."""

from collections import Counter, defaultdict

import numpy as np

from vidseq.audit.lessons import Lessons
from vidseq.baselines.baseline_data import family_of
from vidseq.baselines.counts import log_frequency
from vidseq.data.schema import Query
from vidseq.evaluation.evaluator import Predict

_Key = tuple[str, str]


def majority_predict(lessons: Lessons) -> Predict:
    """Answers with the most frequent answer of the query's family, of those that the same text has had in training.

    A family may ask about cards and about programmes: which answers a question can have is no shortcut, how often each
    is right could be one. A text that has had fewer than two answers is given the family's: nothing but the wording
    tells its answer.
    """
    counts: defaultdict[_Key, Counter[str]] = defaultdict(Counter)
    answers: defaultdict[tuple[_Key, str | None], set[str]] = defaultdict(set)
    for query in lessons.queries:
        counts[_key(query)][query.answer] += 1
        answers[_key(query), query.question].add(query.answer)

    def scores(query: Query) -> np.ndarray:
        classes, possible = lessons.classes(query.kind), answers[_key(query), query.question]
        frequency = log_frequency(counts[_key(query)], classes)
        if query.choices or len(possible & set(classes)) < 2:
            return frequency
        return np.where([label in possible for label in classes], frequency, -np.inf)

    return lambda features, times, queries: np.stack([scores(query) for query in queries])


def _key(query: Query) -> _Key:
    return query.kind, family_of(query)
