"""Controls that count: the majority answer, the last label again, and elapsed time alone."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from vidseq.baselines.baseline_data import BaselineData, family_of

#: Far above any log-frequency.
_NEARLY_SURE = 20.0


def majority(data: BaselineData) -> np.ndarray:
    """Answers with how frequent each answer is in training, within the query's family.

    Returns:
        logarithms of add-one smoothed frequencies, (N, C).
    """
    counts: dict[str, Counter[str]] = {}
    for query in data.training:
        counts.setdefault(family_of(query), Counter())[query.answer] += 1
    return np.stack([log_frequency(counts.get(family_of(query), Counter()), data.classes) for query in data.queries])


def repeat_last_label(data: BaselineData) -> np.ndarray:
    """Answers with the label of the segment that started last before the query; `majority` ranks the rest.

    Returns:
        scores (N, C), nearly all of the probability on the repeated label.
    """
    scores, place = majority(data), data.places()
    for row, query in enumerate(data.queries):
        known = [label for label in data.labels_before(query) if label in place]
        if known:
            scores[row, place[known[-1]]] = _NEARLY_SURE
    return scores


def time_only(data: BaselineData) -> np.ndarray:
    """Answers from the time of the query alone: the answers of training queries of its family asked about then.

    About then are the nearest of them in time, as many as the square root of all.

    Returns:
        logarithms of frequencies, smoothed by those of the whole family, (N, C).
    """
    place, answers = data.places(), data.answers()
    families = np.array([family_of(query) for query in data.training], dtype=object)
    times = np.array([query.time for query in data.training])
    scores = majority(data)
    for row, query in enumerate(data.queries):
        known = np.flatnonzero((families == family_of(query)) & (answers >= 0))
        if len(known):
            number = int(np.ceil(np.sqrt(len(known))))
            nearest = known[np.argsort(np.abs(times[known] - query.time), kind="stable")[:number]]
            counts = np.bincount(answers[nearest], minlength=len(place))
            scores[row] = np.log(counts + np.exp(scores[row])) - np.log(number + 1)
    return scores


def log_frequency(counts: Counter[str], classes: Sequence[str]) -> np.ndarray:
    """Logarithms of add-one smoothed frequencies, (C,)."""
    frequency = np.array([counts[label] for label in classes], float) + 1
    return np.log(frequency / frequency.sum())
