"""A probe that needs no tuning: kernel ridge regression on what was asked times what was seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer

#: Penalties to choose from, in units of the kernel's mean diagonal.
PENALTIES = (0.003, 0.03, 0.3, 3.0, 30.0)
#: Features are reduced to so many components.
MAX_COMPONENTS = 128
#: Training examples beyond so many are left out by chance: the cost grows with their cube.
MAX_EXAMPLES = 3000
#: Share of the training groups that the penalty is chosen on.
HELD_OUT = 0.25


class QuestionKernel:
    """How alike two questions are: the cosine of their words and pairs of words; 1 where nothing is asked in words.

    Args:
        texts: training questions.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._words: TfidfVectorizer | None = None
        if any(text.strip() for text in texts):
            self._words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"[^\W_]+", sublinear_tf=True)
            self._words.fit(texts)

    def embed(self, texts: Sequence[str]) -> Any:
        """One row a text; the kernel is the product of two rows."""
        if self._words is None:
            return np.ones((len(texts), 1))
        return self._words.transform(texts)

    def product(self, one: Any, other: Any) -> np.ndarray:
        """(N, M) of N and M embedded texts."""
        product = one @ other.T
        return np.asarray(product.todense() if hasattr(product, "todense") else product)


class FeatureKernel:
    """How alike two sights are: their product and a Gaussian of their distance, in the main components.

    A channel is divided by the root of its deviation: half-way between leaving it (rare events would drown) and making
    all equal (channels of mere noise would count as much as any).

    Args:
        sights: of training, (N, F).
    """

    def __init__(self, inputs: np.ndarray) -> None:
        self._root = np.sqrt(np.maximum(inputs.std(axis=0), 1e-6))
        scaled = inputs / self._root
        self._pca = PCA(min(MAX_COMPONENTS, *inputs.shape), random_state=0).fit(scaled)
        self._scale = max(1e-12, float(np.square(self._pca.transform(scaled)).sum(axis=1).mean()))

    def embed(self, inputs: np.ndarray) -> np.ndarray:
        """(N, components), of mean square length 1 in training."""
        return self._pca.transform(inputs / self._root) / np.sqrt(self._scale)

    def product(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(N, M) of N and M embedded sights."""
        inner = one @ other.T
        distance = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)[None] - 2 * inner
        return inner + np.exp(-np.maximum(distance, 0))


class KernelRegression:
    """Class scores from a question and what was seen: ridge regression on the product of both kernels.

    The product lets a question choose what in a sight counts. Closed form, no chance; the penalty is chosen on a
    quarter of the training groups.

    Args:
        texts: training questions, N; "" where there is none.
        sights: what was seen, (N, K, F), K parts that count alike; K may be 0: then the question decides alone.
        answers: class numbers, (N,).
        groups: what must not be on both sides when the penalty is chosen, N.
        num_classes: C.
    """

    def __init__(
        self, texts: Sequence[str], inputs: np.ndarray, answers: np.ndarray, groups: Sequence[str], num_classes: int
    ) -> None:
        if len(texts) > MAX_EXAMPLES:
            chosen = np.sort(np.random.default_rng(0).choice(len(texts), MAX_EXAMPLES, replace=False)).tolist()
            texts, groups = [texts[place] for place in chosen], [groups[place] for place in chosen]
            inputs, answers = inputs[chosen], answers[chosen]
        self._questions = QuestionKernel(texts)
        self._sights = [FeatureKernel(part) for part in np.moveaxis(inputs, 1, 0)]
        self._known = self._embed(texts, inputs)
        kernel = self._kernel(self._known)
        targets = np.eye(num_classes)[answers]
        self._prior = targets.mean(axis=0)
        targets = targets - self._prior
        unit = float(np.diag(kernel).mean())
        self.penalty = unit * _best_penalty(kernel / unit, targets, np.asarray(groups))
        self._weights = _solve(kernel, targets, self.penalty)

    def scores(self, texts: Sequence[str], inputs: np.ndarray) -> np.ndarray:
        """About the probability of each class, (N, C)."""
        return self._prior + self._kernel(self._embed(texts, inputs)) @ self._weights

    def _embed(self, texts: Sequence[str], inputs: np.ndarray) -> tuple[Any, list[np.ndarray]]:
        parts = [kernel.embed(part) for kernel, part in zip(self._sights, np.moveaxis(inputs, 1, 0))]
        return self._questions.embed(texts), parts

    def _kernel(self, asked: tuple[Any, list[np.ndarray]]) -> np.ndarray:
        alike = np.ones((1, 1))
        for kernel, part, known in zip(self._sights, asked[1], self._known[1]):
            alike = alike + kernel.product(part, known)
        return self._questions.product(asked[0], self._known[0]) * alike


def _solve(kernel: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    return cho_solve(cho_factor(kernel + penalty * np.eye(len(kernel)), lower=True), targets)


def _best_penalty(kernel: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> float:
    """The penalty whose squared error is smallest on groups that were held out; the largest with a single group."""
    names = np.unique(groups)
    if len(names) < 2:
        return PENALTIES[-1]
    held = np.random.default_rng(0).permutation(names)[: max(1, round(HELD_OUT * len(names)))]
    out = np.isin(groups, held)
    inside, across = kernel[np.ix_(~out, ~out)], kernel[np.ix_(out, ~out)]

    def error(penalty: float) -> float:
        return float(np.square(across @ _solve(inside, targets[~out], penalty) - targets[out]).sum())

    return min(PENALTIES, key=error)
