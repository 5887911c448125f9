"""A model of the next action given all previous ones, learned from sequences of labels without any picture.

People who prepare a meal do most things once. A Markov chain of labels forgets what was done three actions ago and
lets them cut the tomato twice. A model of the set of done actions and the last one does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.errors import UserError

#: Largest count of a class: more often counts as this often.
MAX_SHARE_DONE = 2
#: Inverse strength of the L2 penalty of the regression, chosen on held-out 50 Salads labels.
_FREEDOM = 2.0
#: Probability that is spread evenly over all possible next actions, so that none is impossible.
_DOUBT = 0.02
#: Pseudo-counts of background, and of no background, after every action.
_PSEUDO_COUNT = 0.5


@dataclass(frozen=True)
class ActionOrder:
    """Probabilities of the next of C classes given the previous ones; background may come in between."""

    weights: np.ndarray
    """Weights of a logistic regression on `_encode_history`, (C + 1, 3 C + 1); the last row is that of the end."""
    bias: np.ndarray
    """(C + 1,); -inf for a class that never occurs."""
    log_background: np.ndarray
    """Log-probability of no background, and of background, after each last action, (C + 1, 2)."""
    background: int | None
    """Class that is no action."""

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.bias) - 1

    @classmethod
    def fit(cls, videos: Sequence[np.ndarray], num_classes: int, background: int | None = None) -> "ActionOrder":
        """Learns from training videos.

        Args:
            videos: class of each frame, (T,) per video; frames below 0 have no label and are skipped.
            num_classes: C.
            background: class that is no action, if there is one.

        Raises:
            UserError: there is no action, or a class does not exist.
        """
        histories: list[np.ndarray] = []
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
                histories.append(_encode_history(done, np.array([last])))
                following.append(label)
                if label < num_classes:
                    done[0, label], last, behind_background = min(done[0, label] + 1, MAX_SHARE_DONE), label, 0
        if all(label == num_classes for label in following):
            raise UserError("An action order expects training videos with actions, got none.")
        shares = background_first / background_first.sum(axis=1, keepdims=True)
        if background is None:
            shares[:] = 1, 0
        with np.errstate(divide="ignore"):
            return cls(*_regress(np.concatenate(histories), following, num_classes + 1), np.log(shares), background)

    def log_next(self, done: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Computes the log-probability of each class as the next action.

        Args:
            done: how often each class has been done, at most `MAX_SHARE_DONE` times, int (N, C).
            last: last action, int (N,); C where there is none.

        Returns:
            log-probabilities (N, C + 1), the last one that of the end; -inf for background.
        """
        scores = _encode_history(done, last) @ self.weights.T + self.bias
        likely = np.exp(scores - scores.max(axis=1, keepdims=True))
        possible = np.ones(len(self.bias))
        if self.background is not None:
            possible[self.background] = 0
        with np.errstate(divide="ignore"):
            return np.log(
                (1 - _DOUBT) * likely / likely.sum(axis=1, keepdims=True) + _DOUBT * possible / possible.sum()
            )


def _encode_history(done: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Encodes histories for the regression: done at least once, at least twice, and last, (N, 3 C + 1)."""
    return np.concatenate([done >= 1, done >= MAX_SHARE_DONE, np.eye(done.shape[1] + 1)[last]], axis=1)


def _regress(histories: np.ndarray, following: Sequence[int], num_outcomes: int) -> tuple[np.ndarray, np.ndarray]:
    """Fits weights (outcomes, features) and bias (outcomes,) of a logistic regression; -inf for missing outcomes."""
    from sklearn.linear_model import LogisticRegression  # only training needs it, and prediction starts sooner without

    model = LogisticRegression(C=_FREEDOM, max_iter=1000).fit(histories, following)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # then the coefficients are those of the second class against the first
        coefficients = np.concatenate([0 * coefficients, coefficients])
        intercepts = np.concatenate([0 * intercepts, intercepts])
    weights, bias = np.zeros((num_outcomes, histories.shape[1])), np.full(num_outcomes, -np.inf)
    weights[model.classes_], bias[model.classes_] = coefficients, intercepts
    return weights, bias


def actions_of(labels: np.ndarray, background: int | None = None) -> np.ndarray:
    """The actions of a video in order, without background; equal neighbours count as one.

    Args:
        labels: class of each frame, (T,); frames below 0 have no label and are skipped.
        background: class that is no action, if there is one.
    """
    known = np.asarray(labels)
    return _segments(known[known != background] if background is not None else known)


def _segments(labels: np.ndarray) -> np.ndarray:
    """Returns the labels of the segments in order; skips frames without a label."""
    known = np.asarray(labels)
    known = known[known >= 0]
    return known[np.flatnonzero(np.diff(known, prepend=-1))]
