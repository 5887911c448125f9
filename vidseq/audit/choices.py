"""Rules that answer multiple choice without video and words, by the position and the length of the choices."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vidseq.data.schema import Query

#: Maps a query to a probability for each of its choices; ties have equal probabilities.
Rule = Callable[[Query], np.ndarray]


def chance(query: Query) -> np.ndarray:
    """Takes any choice, each with the same probability."""
    return np.full(len(query.choices), 1 / len(query.choices))


def longest(query: Query) -> np.ndarray:
    """Takes the choice with the most letters."""
    return _where([len(choice) for choice in query.choices])


def shortest(query: Query) -> np.ndarray:
    """Takes the choice with the fewest letters."""
    return _where([-len(choice) for choice in query.choices])


def usual_position(training: Sequence[Query]) -> Rule:
    """Takes the most frequent position of the answer in training, among questions with the same number of choices."""
    counts: dict[int, np.ndarray] = {}
    for query in training:
        if query.answer in query.choices:
            of_size = counts.setdefault(len(query.choices), np.zeros(len(query.choices)))
            of_size[query.choices.index(query.answer)] += 1

    def rule(query: Query) -> np.ndarray:
        return _where(list(counts.get(len(query.choices), np.zeros(len(query.choices)))))

    return rule


def rules(training: Sequence[Query]) -> Mapping[str, Rule]:
    """Returns the rules by name."""
    return {"position": usual_position(training), "longest": longest, "shortest": shortest}


def share_right(rule: Rule, queries: Sequence[Query]) -> np.ndarray:
    """Returns the probability that a rule is right, for each query, (N,)."""
    right = [np.array([choice == query.answer for choice in query.choices]) for query in queries]
    return np.array([float(rule(query)[is_right].sum()) for query, is_right in zip(queries, right)])


def _where(values: Sequence[float]) -> np.ndarray:
    """Gives equal probabilities to the largest values, and 0 to the others."""
    top = np.asarray(values, float) == max(values)
    return top / top.sum()
