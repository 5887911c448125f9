"""Accuracy with the longest context against the age of the evidence, and the memory horizon fitted to it."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

from vidseq.errors import UserError
from vidseq.evaluation.input_controls import Blind
from vidseq.evaluation.intervals import FewGroupsWarning, Interval, accuracy_interval, expanded_tails
from vidseq.evaluation.pairing import context_names

#: A fit needs at least this many answers.
_MIN_FITTED = 30
#: Number of bins of age before fitting. It is large enough not to change the fit visibly.
_FIT_BINS = 48


@dataclass(frozen=True)
class AgePoint:
    """Accuracy on queries whose evidence age lies between two bounds."""

    low_seconds: float
    high_seconds: float
    mean_seconds: float
    accuracy: Interval
    num_queries: int


@dataclass(frozen=True)
class MemoryHorizon:
    """The age of evidence at which accuracy has fallen half-way from its value at age 0 to chance."""

    status: str
    """"found"; "beyond": accuracy is higher than half-way even at the oldest evidence; "no memory": accuracy is no
    better than chance at any age."""
    seconds: float
    """Infinite if the status is "beyond", NaN if it is "no memory"."""
    low: float
    high: float
    top: float
    """Accuracy at age 0, as fitted."""
    chance: float
    oldest_seconds: float
    num_groups: int
    frame_seconds: float = 0.0
    """Duration of a frame: shorter horizons cannot be resolved."""

    def __str__(self) -> str:
        if self.status == "found" and self.seconds < self.frame_seconds:
            return f"less than a frame ({self.frame_seconds:.3g} s)"
        if self.status == "found":
            low = "0" if self.low < self.frame_seconds else f"{self.low:.3g}"
            return f"{self.seconds:.3g} s [{low}, {self.high:.3g}]"
        return f"more than {self.oldest_seconds:.3g} s" if self.status == "beyond" else "no memory"


def evidence_age_curve(rows: pd.DataFrame, *, num_samples: int = 2000) -> tuple[AgePoint, ...]:
    """Computes accuracy with the longest context by evidence age, in bins that double from one second.

    Args:
        rows: rows of one data set, split and mode.
        num_samples: bootstrap samples of each interval.

    Returns:
        a point for each bin with a query; () if no evidence is known.
    """
    known = _longest_with_evidence(rows)
    if not len(known):
        return ()
    ages = known["evidence_age_seconds"].to_numpy(float)
    bins = np.where(ages < 1, 0, np.floor(np.log2(np.maximum(ages, 1))) + 1).astype(int)
    points = []
    with warnings.catch_warnings():  # the interval holds the number of groups
        warnings.simplefilter("ignore", FewGroupsWarning)
        for index in np.unique(bins):
            part = known[bins == index]
            high = float(2**index)
            interval = accuracy_interval(part, num_samples=num_samples)
            mean = float(part["evidence_age_seconds"].mean())
            points.append(AgePoint(high / 2 if index else 0.0, high, mean, interval, part["query"].nunique()))
    return tuple(points)


def memory_horizon(rows: pd.DataFrame, *, num_samples: int = 100) -> MemoryHorizon | None:
    """Fits accuracy = chance + (top - chance) / (1 + (age / horizon)^slope) by maximum likelihood.

    Chance is the accuracy of the control `blind` on the same queries.

    Source: Wichmann and Hill, The psychometric function I, Perception & Psychophysics 2001 (likelihood, guess rate);
    here: falling, over log age, with groups resampled for the interval.

    Args:
        rows: rows of one data set, split and mode.
        num_samples: bootstrap samples.

    Returns:
        the horizon; None without the control, with too few queries of known evidence, or with fewer than three ages.
    """
    known = _longest_with_evidence(rows)
    blind = rows[(rows["control"] == Blind.name) & rows["query"].isin(known["query"])]
    ages = known["evidence_age_seconds"].to_numpy(float)
    if not len(blind) or len(known) < _MIN_FITTED or len(np.unique(ages)) < 3:
        return None
    chance = float(blind["correct"].mean())
    sums, counts, centres, num_groups = _binned(known)
    fitted = _fit(sums.sum(axis=0), counts.sum(axis=0), centres, chance)
    oldest, frame = float(ages.max()), _frame_seconds(rows)
    generator = np.random.default_rng(0)
    size = num_samples if num_groups > 1 else 0
    drawn = generator.multinomial(num_groups, np.full(num_groups, 1 / num_groups), size)
    young = centres <= max(fitted.horizon, centres.min())
    if not _above_chance(sums[:, young].sum(axis=1), counts[:, young].sum(axis=1), drawn, chance):
        return MemoryHorizon("no memory", math.nan, math.nan, math.nan, fitted.top, chance, oldest, num_groups, frame)
    horizons = [_fit(weights @ sums, weights @ counts, centres, chance, fitted).horizon for weights in drawn]
    low, high = _ends(np.array(horizons), num_groups)
    if fitted.horizon > oldest:
        return MemoryHorizon("beyond", math.inf, low, math.inf, fitted.top, chance, oldest, num_groups, frame)
    return MemoryHorizon("found", fitted.horizon, low, high, fitted.top, chance, oldest, num_groups, frame)


@dataclass(frozen=True)
class _Fit:
    top: float
    horizon: float
    slope: float


def _longest_with_evidence(rows: pd.DataFrame) -> pd.DataFrame:
    names = context_names(rows)
    if not names:
        raise UserError("An evidence-age curve expects rows of a model, got none without a control.")
    longest = rows[(rows["control"] == "") & (rows["context"] == names[-1])]
    return longest[longest["evidence_age_seconds"].notna()]


def _frame_seconds(rows: pd.DataFrame) -> float:
    """Returns the duration of a frame, from the shortest finite context; 0 if there is none."""
    shown = rows[(rows["control"] == "") & np.isfinite(rows["context_seconds"]) & (rows["context_frames"] > 0)]
    shortest = shown[shown["context_seconds"] == shown["context_seconds"].min()]
    return float((shortest["context_seconds"] / shortest["context_frames"]).median()) if len(shortest) else 0.0


def _binned(known: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Returns right answers (G, K) and answers (G, K) of each group and age bin, mean ages (K,), and G."""
    ages = known["evidence_age_seconds"].to_numpy(float)
    edges = np.unique(np.quantile(ages, np.linspace(0, 1, _FIT_BINS + 1)))
    bins = np.clip(np.searchsorted(edges, ages, side="right") - 1, 0, max(0, len(edges) - 2))
    _, bins = np.unique(bins, return_inverse=True)
    names, group = np.unique(known["group"].to_numpy().astype(str), return_inverse=True)
    shape = (len(names), int(bins.max()) + 1)
    cell = group * shape[1] + bins
    size = shape[0] * shape[1]
    sums = np.bincount(cell, weights=known["correct"].to_numpy(float), minlength=size).reshape(shape)
    counts = np.bincount(cell, minlength=size).reshape(shape).astype(float)
    centres = np.bincount(bins, weights=ages) / np.bincount(bins)
    return sums, counts, centres, len(names)


def _fit(right: np.ndarray, count: np.ndarray, ages: np.ndarray, chance: float, start: "_Fit | None" = None) -> _Fit:
    """Fits the curve of maximum likelihood, from `start` or else from three initial horizons."""
    positive = ages[ages > 0]
    least, most = math.log(positive.min() / 4), math.log(positive.max() * 8)
    log_age = np.log(np.maximum(ages, 1e-9))

    def unpack(values: np.ndarray) -> _Fit:
        return _Fit(float(values[0]), math.exp(values[1]), math.exp(values[2]))

    def cost(values: np.ndarray) -> float:
        falls = 1 / (1 + np.exp(np.clip(math.exp(values[2]) * (log_age - values[1]), -50, 50)))
        share = np.clip(chance + (values[0] - chance) * falls, 1e-6, 1 - 1e-6)
        return float(-(right * np.log(share) + (count - right) * np.log(1 - share)).sum())

    bounds = [(min(chance, 1 - 1e-6), 1.0), (least, most), (math.log(0.3), math.log(20))]
    share = right / np.maximum(count, 1)
    top = float(np.clip(share.max(), *bounds[0]))
    starts = [(top, np.quantile(np.log(positive), quantile), math.log(2)) for quantile in (0.1, 0.5, 0.9)]
    if start is not None:
        starts = [(start.top, math.log(start.horizon), math.log(start.slope))]
    found = [optimize.minimize(cost, guess, method="L-BFGS-B", bounds=bounds) for guess in starts]
    return unpack(min(found, key=lambda result: result.fun).x)


def _above_chance(right: np.ndarray, count: np.ndarray, drawn: np.ndarray, chance: float) -> bool:
    """Whether accuracy is above chance with confidence; a single group has no interval, so its mean decides.

    Args:
        right: number of right answers of each group, (G,).
        count: number of answers of each group, (G,).
        drawn: number of times that each bootstrap sample holds each group, (number of samples, G).
        chance: accuracy of guesses.
    """
    if not len(drawn):
        return bool(right.sum() > chance * count.sum())
    totals = drawn @ count
    low, _ = _ends((drawn @ right)[totals > 0] / totals[totals > 0], len(right))
    return low > chance


def _ends(values: np.ndarray, num_groups: int) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, expanded_tails(0.95, num_groups))
    return float(low), float(high)
