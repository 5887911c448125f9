"""Multiple choice without the video: by the position, the length and the words of what is offered."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from vidseq.data.schema import Query

#: Which choices a rule takes: a share of each, summing to 1 (ties are shared).
Rule = Callable[[Query], np.ndarray]


def chance(query: Query) -> np.ndarray:
    """Any of them."""
    return np.full(len(query.choices), 1 / len(query.choices))


def longest(query: Query) -> np.ndarray:
    """The longest, in letters."""
    return _where([len(choice) for choice in query.choices])


def shortest(query: Query) -> np.ndarray:
    """The shortest, in letters."""
    return _where([-len(choice) for choice in query.choices])


def usual_position(training: Sequence[Query]) -> Rule:
    """The position where the answer most often stood in training, among questions with as many choices."""
    counts: dict[int, np.ndarray] = {}
    for query in training:
        if query.answer in query.choices:
            of_size = counts.setdefault(len(query.choices), np.zeros(len(query.choices)))
            of_size[query.choices.index(query.answer)] += 1

    def rule(query: Query) -> np.ndarray:
        return _where(list(counts.get(len(query.choices), np.zeros(len(query.choices)))))

    return rule


def rules(training: Sequence[Query]) -> Mapping[str, Rule]:
    """The rules that need no video and no words, by name."""
    return {"position": usual_position(training), "longest": longest, "shortest": shortest}


def share_right(rule: Rule, queries: Sequence[Query]) -> np.ndarray:
    """How often a rule is right, by expectation, for each query, (N,)."""
    right = [np.array([choice == query.answer for choice in query.choices]) for query in queries]
    return np.array([float(rule(query)[is_right].sum()) for query, is_right in zip(queries, right)])


class ChoiceWords:
    """A linear classifier of single choices by their words, place and length, and words shared with the question.

    Args:
        training: multiple-choice queries.
    """

    def __init__(self, training: Sequence[Query]) -> None:
        self._hasher = FeatureHasher(2**14)
        rows = [_words(query, place) for query in training for place in range(len(query.choices))]
        right = [choice == query.answer for query in training for choice in query.choices]
        self._model = None
        if 0 < sum(right) < len(right):
            self._model = LogisticRegression(C=0.3, max_iter=500).fit(self._hasher.transform(rows), right)

    def scores(self, query: Query) -> np.ndarray:
        """How likely each choice is the answer, as logits."""
        if self._model is None:
            return np.zeros(len(query.choices))
        rows = [_words(query, place) for place in range(len(query.choices))]
        return np.asarray(self._model.decision_function(self._hasher.transform(rows)))


def _words(query: Query, place: int) -> dict[str, float]:
    asked = set((query.question or "").lower().split())
    words = query.choices[place].lower().split()
    lengths = np.array([len(choice) for choice in query.choices], float)
    relative = (lengths[place] - lengths.mean()) / (lengths.std() + 1)
    found = {f"word {word}": 1.0 for word in words}
    found |= {f"asked {question} word {word}": 1.0 for question in asked for word in words}
    return {**found, f"place {place}": 1.0, "length": float(relative), "shared": float(len(asked & set(words)))}


def _where(values: Sequence[float]) -> np.ndarray:
    """An equal share to each of the largest."""
    top = np.asarray(values, float) == max(values)
    return top / top.sum()
