"""Calibration: makes probabilities as high as answers are often right, by one temperature for all scores of a task.

Source: Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599, sections 2 and 4.2; here: bisection
finds the temperature, because the loss is convex in its inverse.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

#: Bins of equal width over [0, 1].
NUM_BINS = 15
#: The lowest and the highest temperature that is fitted.
LOWEST, HIGHEST = 0.1, 20.0
#: Answers whose scores are in double precision at the same time.
_ANSWERS_AT_A_TIME = 65_536


class ScoredAnswers(NamedTuple):
    """Class scores of answers before any temperature, with the right answers."""

    scores: Tensor
    """(N, C); -infinity for classes that are not offered."""
    targets: Tensor
    """The right classes, long (N,)."""


class Calibration(NamedTuple):
    """A temperature, and what it does on the answers that it was fitted on."""

    temperature: float
    answers: int
    """The number of answers."""
    nll_before: float
    """Mean negative log-likelihood of the right answers in nats, at temperature 1."""
    nll_after: float
    ece_before: float
    """Expected calibration error at temperature 1, in [0, 1]."""
    ece_after: float


def calibrate(answers: ScoredAnswers) -> Calibration:
    """Fits a temperature to answers by negative log-likelihood. Answers whose right class is not offered do not count.

    The temperature stays 1 if no answer counts, or if all are right: then a lower one is always better, and nothing
    says how low.
    """
    right = answers.scores.gather(1, answers.targets[:, None])[:, 0]
    scores, targets = (part[right.isfinite()] for part in answers)
    wrong = bool((scores.argmax(dim=1) != targets).any()) if len(scores) else False
    temperature = _fit(scores, targets) if wrong else 1.0
    before, after = (_quality(scores, targets, value) for value in (1.0, temperature))
    return Calibration(temperature, len(scores), before[0], after[0], before[1], after[1])


def bin_of(confidence: np.ndarray, num_bins: int = NUM_BINS) -> np.ndarray:
    """The bin of each probability, integers (N,); a bin includes its upper edge, the first its lower edge, too."""
    return np.clip(np.ceil(confidence * num_bins).astype(int) - 1, 0, num_bins - 1)


def calibration_error(confidence: np.ndarray, correct: np.ndarray, num_bins: int = NUM_BINS) -> float:
    """Computes the expected calibration error: how far probabilities are from accuracy.

    The error is the mean over bins of equal width, weighted by size, of the distance between mean probability and
    accuracy. Source: arXiv:1706.04599, eq. 3.

    Args:
        confidence: the probability of each prediction, (N,).
        correct: whether it is right, (N,).
        num_bins: bins over [0, 1].

    Returns:
        a fraction; NaN without predictions.
    """
    if not len(confidence):
        return float("nan")
    gaps = np.bincount(bin_of(confidence, num_bins), weights=correct - confidence, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _fit(scores: Tensor, targets: Tensor) -> float:
    """Bisects the temperature between its limits: at the best one, the slope of the loss is zero."""
    low, high = math.log(1 / HIGHEST), math.log(1 / LOWEST)
    for _ in range(50):
        middle = (low + high) / 2
        if _slope(scores, targets, math.exp(middle)) < 0:
            low = middle
        else:
            high = middle
    return math.exp(-(low + high) / 2)


def _slope(scores: Tensor, targets: Tensor, inverse: float) -> float:
    """The derivative of the summed loss by the inverse temperature: expected score minus the right class's score."""
    total = 0.0
    for part, right in zip(scores.split(_ANSWERS_AT_A_TIME), targets.split(_ANSWERS_AT_A_TIME)):
        part = part.double()
        finite = part.masked_fill(part.isinf(), 0)
        expected = ((inverse * part).softmax(dim=1) * finite).sum(dim=1)
        total += float((expected - finite.gather(1, right[:, None])[:, 0]).sum())
    return total


def _quality(scores: Tensor, targets: Tensor, temperature: float) -> tuple[float, float]:
    """Mean negative log-likelihood and calibration error; NaN without answers."""
    if not len(scores):
        return float("nan"), float("nan")
    log_probabilities = (scores.double() / temperature).log_softmax(dim=1)
    best, named = log_probabilities.max(dim=1)
    nll = -log_probabilities.gather(1, targets[:, None]).mean()
    return float(nll), calibration_error(best.exp().numpy(), (named == targets).double().numpy())


def join_answers(parts: list[ScoredAnswers]) -> ScoredAnswers:
    """Puts answers of one task together."""
    return ScoredAnswers(*(torch.cat(part) for part in zip(*parts)))
