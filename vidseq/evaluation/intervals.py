"""Confidence intervals by bootstrap over groups (persons, cameras or videos), never over queries.

Queries of one group are not independent. Resampling queries makes intervals too narrow, on Breakfast by half.
Source: Hesterberg, arXiv:1411.5279 (section 3.3 and table 5: percentile intervals of few groups are too narrow by a
known amount, and percentiles further out correct it).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from vidseq.data.words import percent
from vidseq.errors import UserError

#: With fewer groups than this, an interval comes with a warning.
FEW_GROUPS = 20
#: With fewer groups than this, figures and pages note it too.
VERY_FEW_GROUPS = 10


def rough_text(num_groups: int) -> str:
    """Returns the note about few groups: "Only 1 group: intervals are rough."."""
    return f"Only {num_groups} group{'' if num_groups == 1 else 's'}: intervals are rough."


class FewGroupsWarning(UserWarning):
    """An interval comes from so few groups that it is rough."""


@dataclass(frozen=True)
class Interval:
    """A mean with its interval."""

    mean: float
    low: float
    """Lower end; NaN with a single group, whose spread is unknown."""
    high: float
    num_queries: int
    num_groups: int
    level: float = 0.95

    def __str__(self) -> str:
        mean, low, high = ("–" if value != value else f"{value:.3f}" for value in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}]"

    def in_percent(self, *, signed: bool = False) -> str:
        """Returns text such as "38.1 [36.0, 40.2]", or with signs "+1.2 [+0.3, +2.1]"; a dash stands for NaN."""
        mean, low, high = (percent(value, signed=signed) for value in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}]"


def plus_minus(mean: float, low: float, high: float) -> str:
    """Writes a mean with half its interval's width in percent: "72.1 ±3.0"; a dash stands for NaN."""
    return f"{percent(mean)} ±{percent((high - low) / 2)}"


def bootstrap_mean(
    values: np.ndarray,
    groups: np.ndarray,
    seeds: np.ndarray | None = None,
    *,
    level: float = 0.95,
    num_samples: int = 2000,
    random_seed: int = 0,
) -> Interval:
    """Computes the mean of values with its bootstrap interval; groups and training seeds are resampled.

    Args:
        values: one value per row, such as 1 for correct, (N,).
        groups: the group of each row, (N,).
        seeds: training seed of each row, (N,); None: all rows have the same seed.
        level: probability that the interval holds the true mean.
        num_samples: bootstrap samples.
        random_seed: seed of the resampling.

    Returns:
        the mean over rows and its interval.

    Raises:
        UserError: there are no values, some are NaN, or the lengths differ.
    """
    values = np.asarray(values, float)
    if not len(values) or len(values) != len(groups) or np.isnan(values).any():
        raise UserError(
            f"Bootstrap expects numbers with a group each, got {len(values)} values, "
            f"{int(np.isnan(values).sum())} of them NaN, and {len(groups)} groups."
        )
    bootstrap = bootstrap_means(
        values[:, None], groups, seeds, level=level, num_samples=num_samples, random_seed=random_seed
    )
    if bootstrap.num_groups < FEW_GROUPS:
        warnings.warn(
            f"Only {bootstrap.num_groups} groups: the interval is rough. {FEW_GROUPS} or more make it reliable.",
            FewGroupsWarning,
            stacklevel=2,
        )
    return bootstrap.interval(lambda means: means[..., 0])


@dataclass(frozen=True)
class BootstrapSamples:
    """Means of several columns of the same rows, in all rows and in each bootstrap sample.

    All columns share the samples, so the interval of a statistic of several columns (a difference, an area) is paired.
    """

    means: np.ndarray
    """(K,)."""
    samples: np.ndarray
    """Means in each sample, (number of samples, K); (0, K) with a single group, whose spread is unknown."""
    num_values: int
    num_groups: int
    level: float = 0.95

    def interval(self, statistic: Callable[[np.ndarray], np.ndarray]) -> Interval:
        """Computes a statistic of the means with its interval.

        Args:
            statistic: maps means (..., K) to values (...); samples where it is undefined, NaN, do not count.
        """
        value = float(statistic(self.means))
        samples = statistic(self.samples) if len(self.samples) else np.empty(0)
        samples = samples[~np.isnan(samples)]
        if not len(samples):
            return Interval(value, float("nan"), float("nan"), self.num_values, self.num_groups, self.level)
        low, high = np.quantile(samples, expanded_tails(self.level, self.num_groups))
        return Interval(value, float(low), float(high), self.num_values, self.num_groups, self.level)


def bootstrap_means(
    values: np.ndarray,
    groups: np.ndarray,
    seeds: np.ndarray | None = None,
    *,
    level: float = 0.95,
    num_samples: int = 2000,
    random_seed: int = 0,
) -> BootstrapSamples:
    """Draws bootstrap samples of the means of several columns; groups and training seeds are resampled.

    Args:
        values: K values per row, (N, K).
        groups: the group of each row, (N,).
        seeds: training seed of each row, (N,); None: all rows have the same seed.
        level: probability that an interval holds the true value.
        num_samples: bootstrap samples.
        random_seed: seed of the resampling.

    Raises:
        UserError: there are no values.
    """
    values = np.asarray(values, float)
    if not len(values):
        raise UserError("Bootstrap expects at least one row of values, got none.")
    sums, counts = _cells(values, groups, seeds)
    num_groups = counts.shape[1]
    samples = np.empty((0, values.shape[1]))
    if num_groups > 1:
        samples = _resample(sums, counts, num_samples, np.random.default_rng(random_seed))
    return BootstrapSamples(values.mean(axis=0), samples, len(values), num_groups, level)


def accuracy_interval(rows: pd.DataFrame, *, level: float = 0.95, num_samples: int = 2000) -> Interval:
    """Computes the accuracy of rows with its interval over groups and seeds."""
    return bootstrap_mean(
        rows["correct"].to_numpy(float),
        rows["group"].to_numpy(),
        rows["seed"].to_numpy(),
        level=level,
        num_samples=num_samples,
    )


def paired_difference(
    rows: pd.DataFrame, baseline: pd.DataFrame, *, level: float = 0.95, num_samples: int = 2000
) -> Interval:
    """Computes the accuracy of `rows` minus that of `baseline` on the same queries, with a paired interval.

    Rows are paired by data set, split, query and seed. If the two have different seeds (a control without training has
    one seed), each row is paired with the baseline's mean over seeds.

    Args:
        rows: rows of one run (any seeds), context and control.
        baseline: rows to compare with.
        level: probability that the interval holds the true difference.
        num_samples: bootstrap samples.

    Raises:
        UserError: the two do not answer the same queries.
    """
    keys = ["dataset", "split", "query"]
    if set(rows["seed"]) == set(baseline["seed"]):
        keys.append("seed")
    reference = baseline.groupby(keys)["correct"].mean()
    index = pd.MultiIndex.from_frame(rows[keys])
    if len(reference) != len(index.unique()) or not index.isin(reference.index).all():
        raise UserError(
            f"A paired difference expects the same queries on both sides, got {len(index.unique())} "
            f"and {len(reference)}, {len(set(index) & set(reference.index))} of them shared."
        )
    difference = rows["correct"].to_numpy(float) - reference.loc[index].to_numpy(float)
    return bootstrap_mean(
        difference, rows["group"].to_numpy(), rows["seed"].to_numpy(), level=level, num_samples=num_samples
    )


def _cells(values: np.ndarray, groups: np.ndarray, seeds: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns sums (S, G, K) and counts (S, G) for each seed and group; a bootstrap of means needs no more."""
    group_names, group = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    seed_names, seed = np.unique(np.zeros(len(values)) if seeds is None else np.asarray(seeds), return_inverse=True)
    shape = (len(seed_names), len(group_names))
    cell = seed * shape[1] + group
    num_cells = shape[0] * shape[1]
    sums = np.stack([np.bincount(cell, weights=column, minlength=num_cells) for column in values.T], axis=-1)
    counts = np.bincount(cell, minlength=num_cells)
    return sums.reshape(*shape, -1), counts.reshape(shape).astype(float)


def _resample(sums: np.ndarray, counts: np.ndarray, num_samples: int, generator: np.random.Generator) -> np.ndarray:
    """Returns the means of bootstrap samples, (number of samples, K); groups and seeds are drawn with replacement."""
    num_seeds, num_groups = counts.shape
    of_group = generator.multinomial(num_groups, np.full(num_groups, 1 / num_groups), num_samples)
    of_seed = generator.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), num_samples)
    total = np.einsum("bs,sgk,bg->bk", of_seed, sums, of_group, optimize=True)
    num_values = np.einsum("bs,sg,bg->b", of_seed, counts, of_group, optimize=True)
    return total[num_values > 0] / num_values[num_values > 0, None]


def expanded_tails(level: float, num_groups: int) -> tuple[float, float]:
    """Returns the two quantiles of an interval, moved outwards because few groups make percentiles too narrow."""
    quantile = stats.t.ppf((1 - level) / 2, num_groups - 1) * np.sqrt(num_groups / (num_groups - 1))
    tail = float(stats.norm.cdf(quantile))
    return tail, 1 - tail
