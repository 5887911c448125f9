"""How much past a model needs to be as good as with all of it, with a statement of what the data can resolve."""

import math
from dataclasses import dataclass

import numpy as np

from vidseq.evaluation.intervals import expanded_tails
from vidseq.evaluation.pairing import PairedAnswers

#: Accuracy within so much of the longest context's counts as equal.
MARGIN = 0.01


@dataclass(frozen=True)
class EffectiveContext:
    """The bracket (`above`, `at_most`]: too short, and long enough."""

    status: str
    """"reached"; "not reached": every shorter context is worse, so it lies above all but the longest; "not resolved":
    the intervals are too wide to say."""
    above: str
    """The longest context that is not enough; empty where even the shortest one is."""
    at_most: str
    """The shortest context that is enough, together with every longer one."""
    above_seconds: float
    """0 where `above` is empty."""
    at_most_seconds: float
    half_width: float
    """Half-width of the simultaneous band at `above`; NaN with a single group."""
    groups_needed: int | None
    """About how many groups would resolve it; None where it is resolved, or where there is one group only."""
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
    """Finds the smallest context from which on accuracy is no more than a margin below that of the longest one.

    The lower bounds of accuracy(L') - accuracy(longest) at all L' hold together with 95% (sup-t: the quantile of the
    largest studentised deviation over contexts, in bootstrap samples of groups and seeds). The answer is the smallest
    L such that at every tested L' >= L the bound is above -margin. Where the longest L' that fails is left open by a
    band wider than the margin, nothing is resolved: more groups narrow it with the square root of their number. A band
    that lies below -margin as a whole is no open question, however wide.

    Source: Montiel Olea and Plagborg-Moller, Simultaneous confidence bands, J. Applied Econometrics 2019 (sup-t by
    bootstrap). Here: one-sided, quantiles expanded for few groups as in `intervals`.

    Args:
        paired: the same queries at every context.
        margin: accuracy that may be lost, a share.

    Returns:
        the bracket; None with fewer than two contexts.
    """
    number = len(paired.contexts)
    if number < 2:
        return None
    draws = paired.draws
    difference = draws.means[: number - 1] - draws.means[number - 1]
    if not len(draws.samples):
        return EffectiveContext(
            "not resolved", "", paired.contexts[-1], 0.0, float(paired.seconds[-1]), math.nan, None, 1
        )
    samples = draws.samples[:, : number - 1] - draws.samples[:, number - 1 : number]
    half = band_half_widths(difference, samples, draws.num_groups)
    failing = np.flatnonzero(difference - half <= -margin)
    if not len(failing):
        return _bracket(paired, "reached", -1, 0.0)
    blocking = int(failing[-1])
    width = float(half[blocking])
    if width > margin and difference[blocking] + width > -margin:
        groups = math.ceil(draws.num_groups * (width / margin) ** 2)
        return _bracket(paired, "not resolved", blocking, width, groups)
    return _bracket(paired, "not reached" if blocking == number - 2 else "reached", blocking, width)


def band_half_widths(values: np.ndarray, samples: np.ndarray, num_groups: int, level: float = 0.95) -> np.ndarray:
    """How far below `values` (K,) the truth may lie, at all K places together with probability `level`.

    Args:
        values: estimates, (K,).
        samples: bootstrap samples of them, (number of samples, K).
        num_groups: how many groups were resampled.
        level: of the one-sided band.

    Returns:
        (K,); 0 where the samples do not differ.
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
        paired.draws.num_groups,
    )
