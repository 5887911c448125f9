"""The linear probe: logistic regression on standardised features."""

import numpy as np
from sklearn.linear_model import LogisticRegression

#: Weights of the data against the penalty to choose from, for examples of unit length.
WEIGHTS = (1.0, 10.0, 100.0, 1000.0)
#: Share of the training groups that the weight is chosen on.
HELD_OUT = 0.25
#: Eigenvalues below this share of the largest are noise of the arithmetic.
_SMALLEST = 1e-6
_MAX_ITERATIONS = 300


class LinearProbe:
    """Logistic regression, whose penalty is chosen on held-out groups.

    The examples are rotated into the space that they span, which changes no score and makes any width cheap.

    Args:
        inputs: training examples, (M, F).
        answers: their classes, whole numbers (M,).
        groups: the group of each, (M,).
        seed: chooses the held-out groups.
    """

    def __init__(self, inputs: np.ndarray, answers: np.ndarray, groups: np.ndarray, seed: int = 0) -> None:
        self._mean = inputs.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._scale = 1 / np.maximum(inputs.std(axis=0, dtype=np.float64), 1e-6).astype(np.float32)
        self._scale /= np.sqrt(inputs.shape[1])
        self._examples = self._standardise(inputs)
        values, vectors = np.linalg.eigh((self._examples @ self._examples.T).astype(np.float64))
        kept = values > _SMALLEST * max(values.max(), np.finfo(float).tiny)
        self._rotation = (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
        self.classes = np.unique(answers)
        self._model: LogisticRegression | None = None
        if len(self.classes) > 1:
            rotated = self._rotate(inputs)
            self._model = _fit(rotated, answers, _choose_weight(rotated, answers, groups, seed))

    def scores(self, inputs: np.ndarray, num_classes: int) -> np.ndarray:
        """Returns logarithms of probabilities, (N, num_classes); -inf for classes that training did not have.

        Args:
            inputs: examples, (N, F).
            num_classes: of all classes.
        """
        scores = np.full((len(inputs), num_classes), -np.inf)
        if self._model is None:
            scores[:, self.classes] = 0
        else:
            scores[:, self.classes] = self._model.predict_log_proba(self._rotate(inputs))
        return scores

    def _standardise(self, inputs: np.ndarray) -> np.ndarray:
        return (np.asarray(inputs, np.float32) - self._mean) * self._scale

    def _rotate(self, inputs: np.ndarray) -> np.ndarray:
        return (self._standardise(inputs) @ self._examples.T) @ self._rotation


def _fit(inputs: np.ndarray, answers: np.ndarray, weight: float) -> LogisticRegression:
    return LogisticRegression(C=weight, max_iter=_MAX_ITERATIONS, tol=1e-3).fit(inputs, answers)


def _choose_weight(inputs: np.ndarray, answers: np.ndarray, groups: np.ndarray, seed: int) -> float:
    """The weight that answers most of the held-out groups; the smallest of equals, which penalises most."""
    held = held_out(groups, seed)
    if not held.any() or len(np.unique(answers[~held])) < 2:
        return WEIGHTS[1]
    right = [_fit(inputs[~held], answers[~held], weight).score(inputs[held], answers[held]) for weight in WEIGHTS]
    return WEIGHTS[int(np.argmax(right))]


def held_out(groups: np.ndarray, seed: int) -> np.ndarray:
    """Draws groups to choose a setting on.

    Args:
        groups: the group of each example, (M,).
        seed: of the draw.

    Returns:
        bool (M,), True for examples of drawn groups; all False with a single group.
    """
    names = np.unique(groups)
    num = round(HELD_OUT * len(names)) if len(names) > 1 else 0
    drawn = np.random.default_rng(seed).permutation(names)[: max(num, int(len(names) > 1))]
    return np.isin(groups, drawn)
