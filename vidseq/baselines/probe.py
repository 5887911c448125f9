"""The probe: one small model that learns from the question and from one part of the past.

Probes differ in what they see and in nothing else, so their difference in accuracy says what that part is worth.
"""

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from vidseq.baselines.baseline import Baseline
from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.kernel_regression import MAX_EXAMPLES, KernelRegression
from vidseq.baselines.majority import Majority
from vidseq.data.schema import Query
from vidseq.data.visible import Past

#: Queries that are answered in one call: bounds memory.
_BATCH = 256
#: Below this share the logarithm goes on as a straight line: estimated probabilities may be negative.
_SMALLEST_SHARE = 0.01


class Probe(Baseline):
    """A `KernelRegression` on the question and on what `inputs_of` returns."""

    reads_frames: ClassVar[bool] = True
    """False: `inputs_of` uses no samples."""
    examples_per_query: ClassVar[int] = 1
    """How often each training query is an example."""

    @abstractmethod
    def inputs_of(self, data: BaselineData, query: Query) -> np.ndarray:
        """Returns what the probe sees: K feature vectors, (K, F); K may be 0."""

    def answer(self, data: BaselineData) -> np.ndarray:
        """Returns logarithms of estimated probabilities (N, C); ties are broken at random.

        Where training holds no example, it answers as `Majority` does.
        """
        examples = self._examples(data)
        if not examples:
            return Majority().answer(data)
        columns = data.class_indices()
        model = KernelRegression(
            _texts(examples),
            np.asarray(self.training_inputs(data, examples), float),
            np.array([columns[query.answer] for query in examples]),
            [data.group_of(query) for query in examples],
            len(columns),
        )
        batches = [data.queries[start : start + _BATCH] for start in range(0, len(data.queries), _BATCH)]
        scores = np.concatenate([self.predict(model, data, batch) for batch in batches])
        return break_ties(log_scores(scores), data.queries)

    def training_inputs(self, data: BaselineData, examples: Sequence[Query]) -> np.ndarray:
        """Returns what the model learns from, (N, K, F)."""
        return np.stack([self.inputs_of(data, query) for query in examples])

    def predict(self, model: KernelRegression, data: BaselineData, queries: Sequence[Query]) -> np.ndarray:
        """Returns the model's estimates for some queries, (N, C)."""
        inputs = np.stack([self.inputs_of(data, query) for query in queries])
        return model.scores(_texts(queries), np.asarray(inputs, float))

    def _examples(self, data: BaselineData) -> list[Query]:
        """The training queries whose answer is a class, with a sample to see; a random part of more than 3,000."""
        known = [query for query, answer in zip(data.training, data.answers()) if answer >= 0]
        if self.reads_frames:
            known = [query for query in known if len(data.past(query).pts_seconds)]
        known = [query for query in known for _ in range(self.examples_per_query)]
        if len(known) <= MAX_EXAMPLES:
            return known
        chosen = np.sort(np.random.default_rng(0).choice(len(known), MAX_EXAMPLES, replace=False))
        return [known[index] for index in chosen]


class PastProbe(Probe):
    """A probe that sees samples of a query's past."""

    @abstractmethod
    def inputs(self, past: Past, query: Query) -> np.ndarray:
        """Returns what the probe sees of a query's past: K feature vectors, (K, F); K may be 0."""

    def inputs_of(self, data: BaselineData, query: Query) -> np.ndarray:
        """Returns `inputs`, (K, F)."""
        return self.inputs(data.past(query), query)


def log_scores(estimates: np.ndarray) -> np.ndarray:
    """Turns estimates of probabilities into scores in the same order.

    Args:
        estimates: of any sign, (N, C).

    Returns:
        their logarithms; below 0.01 the tangent at 0.01, so that negative estimates are finite.
    """
    logarithm = np.log(np.maximum(estimates, _SMALLEST_SHARE))
    return logarithm + np.minimum(estimates - _SMALLEST_SHARE, 0) / _SMALLEST_SHARE


def break_ties(scores: np.ndarray, queries: Sequence[Query]) -> np.ndarray:
    """Breaks ties at random, the same way every time: always taking the first of equals could be right by habit.

    Args:
        scores: (N, C).
        queries: the N queries; video, time and text decide.
    """
    noise = [
        np.random.default_rng(zlib.crc32(f"{query.video} {query.time:.6f} {query.question}".encode())).random(
            scores.shape[1]
        )
        for query in queries
    ]
    return scores + 1e-7 * np.stack(noise)


def _texts(queries: Sequence[Query]) -> list[str]:
    return [query.question or "" for query in queries]
