"""What is done next, given all that has been done: learnt from sequences of labels alone, no picture needed.

People who prepare a meal do most things once. A chain of labels forgets what was done three actions ago and lets them
cut the tomato twice; a model of what has been done, and done last, does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from vidseq.errors import UserError

#: A class that was done more often counts as done so often.
MAX_SHARE_DONE = 2
#: How freely weights may grow (the inverse of the pull towards zero), set on held-out 50 Salads labels.
_FREEDOM = 2.0
#: Share of certainty that is spread evenly over all that could come next, so that nothing is impossible.
_DOUBT = 0.02
#: Imagined occurrences of background, and of none, after every action.
_PSEUDO_COUNT = 0.5


@dataclass(frozen=True)
class ActionOrder:
    """Which of C classes comes next, by what has been done before; background is no action and may lie between."""

    weights: np.ndarray
    """Of a logistic regression from `_tell`, (C + 1, 3 C + 1); the last row is for the end."""
    bias: np.ndarray
    """(C + 1,); -inf for a class that never comes."""
    log_background: np.ndarray
    """Log-probability that what follows is there at once, or background first, by what was done last, (C + 1, 2)."""
    background: int | None
    """The class that is no action."""

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.bias) - 1

    @classmethod
    def fit(cls, videos: Sequence[np.ndarray], num_classes: int, background: int | None = None) -> "ActionOrder":
        """Learns from training videos.

        Args:
            videos: the class of each frame, (T,) a video; frames below 0 have no label and are passed over.
            num_classes: C.
            background: the class that is no action, if there is one.

        Raises:
            UserError: no action at all, or a class that does not exist.
        """
        told: list[np.ndarray] = []
        following: list[int] = []
        background_first = np.full((num_classes + 1, 2), _PSEUDO_COUNT)
        for segments in map(_segments, videos):
            if len(segments) and segments.max() >= num_classes:
                raise UserError(f"An action order expects classes below {num_classes}, got {segments.max()}.")
            done, last, behind_background = np.zeros((1, num_classes), dtype=int), num_classes, 0
            for label in [*segments.tolist(), num_classes]:
                if label == background:
                    behind_background = 1
                    continue
                background_first[last, behind_background] += 1
                told.append(_tell(done, np.array([last])))
                following.append(label)
                if label < num_classes:
                    done[0, label], last, behind_background = min(done[0, label] + 1, MAX_SHARE_DONE), label, 0
        if all(label == num_classes for label in following):
            raise UserError("An action order expects training videos with actions, got none.")
        shares = background_first / background_first.sum(axis=1, keepdims=True)
        if background is None:
            shares[:] = 1, 0
        with np.errstate(divide="ignore"):
            return cls(*_regress(np.concatenate(told), following, num_classes + 1), np.log(shares), background)

    def log_next(self, done: np.ndarray, last: np.ndarray) -> np.ndarray:
        """How likely each class is as the next action.

        Args:
            done: how often each class has been done, at most `MAX_SHARE_DONE` times, int (N, C).
            last: which one was done last, int (N,); C where nothing has been done.

        Returns:
            log-probabilities (N, C + 1), that of the end last; -inf for background.
        """
        scores = _tell(done, last) @ self.weights.T + self.bias
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        possible = np.ones(len(self.bias))
        if self.background is not None:
            possible[self.background] = 0
        with np.errstate(divide="ignore"):
            return np.log(
                (1 - _DOUBT) * likely / likely.sum(axis=1, keepdims=True) + _DOUBT * possible / possible.sum()
            )


def _tell(done: np.ndarray, last: np.ndarray) -> np.ndarray:
    """What the regression is told: done once or more, twice or more, and last: (N, 3 C + 1)."""
    return np.concatenate([done >= 1, done >= MAX_SHARE_DONE, np.eye(done.shape[1] + 1)[last]], axis=1)


def _regress(told: np.ndarray, following: Sequence[int], num_outcomes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (outcomes, what is told) and bias (outcomes,) of a logistic regression; -inf for what never follows."""
    model = LogisticRegression(C=_FREEDOM, max_iter=1000).fit(told, following)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # then they are the second one's against the first
        coefficients = np.concatenate([0 * coefficients, coefficients])
        intercepts = np.concatenate([0 * intercepts, intercepts])
    weights, bias = np.zeros((num_outcomes, told.shape[1])), np.full(num_outcomes, -np.inf)
    weights[model.classes_], bias[model.classes_] = coefficients, intercepts
    return weights, bias


def _segments(labels: np.ndarray) -> np.ndarray:
    """The labels of the segments in order, frames without one passed over."""
    known = np.asarray(labels)
    known = known[known >= 0]
    return known[np.flatnonzero(np.diff(known, prepend=-1))]
