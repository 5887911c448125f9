"""Multiple choice by the words that are offered, without the video."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from vidseq.data.schema import Query


class ChoiceWords:
    """A linear classifier of single choices by their words, position and length, and words shared with the question.

    Args:
        training: multiple-choice queries.
    """

    def __init__(self, training: Sequence[Query]) -> None:
        self._hasher = FeatureHasher(2**14)
        rows = [_words(query, position) for query in training for position in range(len(query.choices))]
        right = [choice == query.answer for query in training for choice in query.choices]
        self._model = None
        if 0 < sum(right) < len(right):
            self._model = LogisticRegression(C=0.3, max_iter=500).fit(self._hasher.transform(rows), right)

    def scores(self, query: Query) -> np.ndarray:
        """Returns a logit for each choice: how likely it is the answer."""
        if self._model is None:
            return np.zeros(len(query.choices))
        rows = [_words(query, position) for position in range(len(query.choices))]
        return np.asarray(self._model.decision_function(self._hasher.transform(rows)))


def _words(query: Query, position: int) -> dict[str, float]:
    asked = set((query.question or "").lower().split())
    words = query.choices[position].lower().split()
    lengths = np.array([len(choice) for choice in query.choices], float)
    relative = (lengths[position] - lengths.mean()) / (lengths.std() + 1)
    found = {f"word {word}": 1.0 for word in words}
    found |= {f"asked {question} word {word}": 1.0 for question in asked for word in words}
    return {**found, f"place {position}": 1.0, "length": float(relative), "shared": float(len(asked & set(words)))}
