"""Effective context: how much past a model needs to be as accurate as with all of it, if the data resolve it."""

import math
from dataclasses import dataclass

import numpy as np

from vidseq.evaluation.intervals import expanded_tails
from vidseq.evaluation.pairing import PairedAnswers

#: An accuracy counts as equal to the longest context's if it is at most this much lower.
MARGIN = 0.01


@dataclass(frozen=True)
class EffectiveContext:
    """The effective context lies in (`above`, `at_most`]."""

    status: str
    """"reached"; "not reached": every context but the longest is worse; "not resolved": the intervals are too wide."""
    above: str
    """The longest context that is too short; empty if even the shortest suffices."""
    at_most: str
    """The shortest context from which on every context suffices."""
    above_seconds: float
    """0 if `above` is empty."""
    at_most_seconds: float
    half_width: float
    """Half-width of the simultaneous band at `above`; NaN with a single group."""
    groups_needed: int | None
    """About how many groups would resolve it; None if it is resolved, or with a single group."""
    num_groups: int

    def __str__(self) -> str:
        if self.status == "not reached":
            return f"not reached (more than {self.above})"
        if self.status == "reached":
            return f"({self.above or '0'}, {self.at_most}]"
        if self.groups_needed is None:
            return f"not resolved ({self.num_groups} group)"
        half = f"±{100 * self.half_width:.1f} points with {self.num_groups} groups"
        return f"not resolved ({half}; about {self.groups_needed} would do)"


def effective_context(paired: PairedAnswers, *, margin: float = MARGIN) -> EffectiveContext | None:
    """Finds the shortest context from which on accuracy is at most a margin below that of the longest context.

    The lower bounds of accuracy(L') - accuracy(longest) at all L' hold together with 95% confidence (sup-t: the
    quantile of the largest studentised deviation over contexts, in bootstrap samples of groups and seeds). The result
    is the smallest L such that the bound is above -margin at every tested L' >= L. If the band at the longest L' that
    fails is wider than the margin and reaches above -margin, the result is not resolved; the band narrows with the
    square root of the number of groups. A band that lies wholly below -margin is resolved, however wide it is.

    Source: Montiel Olea and Plagborg-Moller, Simultaneous confidence bands, J. Applied Econometrics 2019 (sup-t by
    bootstrap). Here: one-sided, quantiles expanded for few groups as in `intervals`.

    Args:
        paired: answers to the same queries at every context.
        margin: accuracy that may be lost, a fraction.

    Returns:
        the bracket; None with fewer than two contexts.
    """
    num_contexts = len(paired.contexts)
    if num_contexts < 2:
        return None
    bootstrap = paired.bootstrap
    difference = bootstrap.means[: num_contexts - 1] - bootstrap.means[num_contexts - 1]
    if not len(bootstrap.samples):
        return EffectiveContext(
            "not resolved", "", paired.contexts[-1], 0.0, float(paired.seconds[-1]), math.nan, None, 1
        )
    samples = bootstrap.samples[:, : num_contexts - 1] - bootstrap.samples[:, num_contexts - 1 : num_contexts]
    half = band_half_widths(difference, samples, bootstrap.num_groups)
    failing = np.flatnonzero(difference - half <= -margin)
    if not len(failing):
        return _bracket(paired, "reached", -1, 0.0)
    blocking = int(failing[-1])
    width = float(half[blocking])
    if width > margin and difference[blocking] + width > -margin:
        groups = math.ceil(bootstrap.num_groups * (width / margin) ** 2)
        return _bracket(paired, "not resolved", blocking, width, groups)
    return _bracket(paired, "not reached" if blocking == num_contexts - 2 else "reached", blocking, width)


def band_half_widths(values: np.ndarray, samples: np.ndarray, num_groups: int, level: float = 0.95) -> np.ndarray:
    """Computes how far the true values may lie below their estimates, for all K at once.

    Args:
        values: estimates, (K,).
        samples: bootstrap samples of the estimates, (number of samples, K).
        num_groups: number of groups that were resampled.
        level: confidence level of the one-sided band.

    Returns:
        half-widths (K,); 0 where the samples do not differ.
    """
    deviation = samples.std(axis=0, ddof=1)
    varies = deviation > 1e-12
    if not varies.any():
        return np.zeros_like(values)
    largest = ((samples - values)[:, varies] / deviation[varies]).max(axis=1)
    _, upper = expanded_tails(2 * level - 1, num_groups)
    return np.where(varies, np.quantile(largest, upper) * deviation, 0.0)


def _bracket(
    paired: PairedAnswers, status: str, blocking: int, half_width: float, groups_needed: int | None = None
) -> EffectiveContext:
    return EffectiveContext(
        status,
        paired.contexts[blocking] if blocking >= 0 else "",
        paired.contexts[blocking + 1],
        float(paired.seconds[blocking]) if blocking >= 0 else 0.0,
        float(paired.seconds[blocking + 1]),
        half_width,
        groups_needed,
        paired.bootstrap.num_groups,
    )
