"""Kernel ridge regression on the product of what is asked and what is seen: a small model without tuning."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer

#: Ridge penalties to choose from, in units of the kernel's mean diagonal.
PENALTIES = (0.003, 0.03, 0.3, 3.0, 30.0)
#: Features are reduced to at most so many principal components.
MAX_COMPONENTS = 128
#: Of more training examples a random sample is used: the cost grows with the cube of their number.
MAX_EXAMPLES = 3000
#: Share of the training groups that the penalty is chosen on.
HELD_OUT = 0.25


class TextKernel:
    """Similarity of questions: the cosine of their words and pairs of words; 1 where no question has a text.

    Args:
        texts: training questions.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._words: TfidfVectorizer | None = None
        if any(text.strip() for text in texts):
            self._words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"[^\W_]+", sublinear_tf=True)
            self._words.fit(texts)

    def embed(self, texts: Sequence[str]) -> Any:
        """Returns one row for each text; the kernel is the product of two rows."""
        if self._words is None:
            return np.ones((len(texts), 1))
        return self._words.transform(texts)

    def similarity(self, one: Any, other: Any) -> np.ndarray:
        """Returns the kernel (N, M) of N and M embedded texts."""
        product = one @ other.T
        return np.asarray(product.todense() if hasattr(product, "todense") else product)


class FeatureKernel:
    """Similarity of feature vectors: their product plus a Gaussian of their distance, on the principal components.

    A channel is divided by the square root of its standard deviation. Unscaled channels would hide rare events;
    channels of unit deviation would let mere noise count as much as any signal.

    Args:
        inputs: training vectors, (N, F).
    """

    def __init__(self, inputs: np.ndarray) -> None:
        self._root = np.sqrt(np.maximum(inputs.std(axis=0), 1e-6))
        scaled = inputs / self._root
        with np.errstate(invalid="ignore"):  # equal vectors: the components' share of no variance, which is not used
            self._pca = PCA(min(MAX_COMPONENTS, *inputs.shape), random_state=0).fit(scaled)
        self._scale = max(1e-12, float(np.square(self._pca.transform(scaled)).sum(axis=1).mean()))

    def embed(self, inputs: np.ndarray) -> np.ndarray:
        """Returns vectors (N, components), whose mean squared length is 1 in training."""
        return self._pca.transform(inputs / self._root) / np.sqrt(self._scale)

    def similarity(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Returns the kernel (N, M) of N and M embedded vectors."""
        inner = one @ other.T
        distance = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)[None] - 2 * inner
        return inner + np.exp(-np.maximum(distance, 0))


class KernelRegression:
    """Class scores from a question and feature vectors, by ridge regression on the product of both kernels.

    The product lets the question decide which features count. The solution has a closed form; the penalty is chosen on
    a quarter of the training groups.

    Args:
        texts: N training questions; "" where there is none.
        inputs: feature vectors of each example, (N, K, F). The kernels of the K vectors are added up. With K = 0 the
            question decides alone.
        answers: class indices, (N,).
        groups: N groups; the penalty is chosen on groups that the fit does not see.
        num_classes: C.
    """

    def __init__(
        self, texts: Sequence[str], inputs: np.ndarray, answers: np.ndarray, groups: Sequence[str], num_classes: int
    ) -> None:
        self._text_kernel = TextKernel(texts)
        self._feature_kernels = [FeatureKernel(part) for part in np.moveaxis(inputs, 1, 0)]
        self._examples = self._embed(texts, inputs)
        kernel = self._kernel(self._examples)
        targets = np.eye(num_classes)[answers]
        self._prior = targets.mean(axis=0)
        targets = targets - self._prior
        unit = float(np.diag(kernel).mean())
        self.penalty = unit * _best_penalty(kernel / unit, targets, np.asarray(groups))
        self._weights = _solve(kernel, targets, self.penalty)

    def scores(self, texts: Sequence[str], inputs: np.ndarray) -> np.ndarray:
        """Estimates the probability of each class; rows sum to 1, and single values may be negative or above 1.

        Args:
            texts: M questions.
            inputs: (M, K, F).

        Returns:
            (M, C).
        """
        return self._prior + self._kernel(self._embed(texts, inputs)) @ self._weights

    def _embed(self, texts: Sequence[str], inputs: np.ndarray) -> tuple[Any, list[np.ndarray]]:
        parts = [kernel.embed(part) for kernel, part in zip(self._feature_kernels, np.moveaxis(inputs, 1, 0))]
        return self._text_kernel.embed(texts), parts

    def _kernel(self, embedded: tuple[Any, list[np.ndarray]]) -> np.ndarray:
        texts, parts = embedded
        known_texts, known_parts = self._examples
        similarity = np.ones((1, 1))
        for kernel, part, known in zip(self._feature_kernels, parts, known_parts):
            similarity = similarity + kernel.similarity(part, known)
        return self._text_kernel.similarity(texts, known_texts) * similarity


def _solve(kernel: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    return cho_solve(cho_factor(kernel + penalty * np.eye(len(kernel)), lower=True), targets)


def _best_penalty(kernel: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> float:
    """Returns the penalty with the least squared error on held-out groups; the largest where there is one group."""
    names = np.unique(groups)
    if len(names) < 2:
        return PENALTIES[-1]
    held = np.random.default_rng(0).permutation(names)[: max(1, round(HELD_OUT * len(names)))]
    out = np.isin(groups, held)
    inside, across = kernel[np.ix_(~out, ~out)], kernel[np.ix_(out, ~out)]

    def error(penalty: float) -> float:
        return float(np.square(across @ _solve(inside, targets[~out], penalty) - targets[out]).sum())

    return min(PENALTIES, key=error)
