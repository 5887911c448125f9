"""Model certificates: how much past a model needs for each query, compared with how far back the evidence lies.

A certificate is compared with the reach (the time from the start of the earliest evidence to the query), because a
context ends at the query. The length of the evidence itself is `certificate_seconds`, a different quantity.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vidseq.evaluation.input_controls import Blind
from vidseq.evaluation.intervals import Interval, bootstrap_means, expanded_tails
from vidseq.evaluation.pairing import PairedAnswers, pair_answers

#: A rank correlation needs at least this many answered queries.
_MIN_RANKED = 10


@dataclass(frozen=True)
class CertificateSummary:
    """Statistics of the model certificates of one line."""

    quartiles: tuple[float, float, float]
    """Quartiles of the certificates of all queries, in seconds; infinite where a query has none."""
    share_right: float
    """Share of queries that have a certificate: their answer is right with the longest context."""
    rank_correlation: Interval | None
    """Spearman's correlation of certificates and reach, over the queries that have both and that `blind` gets wrong (a
    guess needs no past, however old the evidence); None if either hardly varies."""
    share_unseen: Interval | None
    """Share of queries whose certificate is a context without any evidence, of the queries that have such a context;
    None if no query has one. A context that shows part of the evidence does not count, because a part (such as the
    last moment of a card) may suffice."""
    chance_unseen: Interval | None
    """Accuracy of the control `blind` on the same queries; None without that control."""
    shortcut_alarm: bool
    """Whether `share_unseen` exceeds the accuracy of guesses, with 95% confidence."""


def model_certificates(rows: pd.DataFrame) -> pd.DataFrame:
    """Finds, for each query, the shortest context at which the answer is right and stays right at every longer one.

    Args:
        rows: rows of one data set, split and mode; any runs and seeds; every query at every context.

    Returns:
        one row per query and trained model: run, seed, query, group, family, reach_seconds, evidence_age_seconds,
        certificate_context (empty if the answer is wrong with the longest context), model_certificate_seconds
        (infinite in that case; the length of all of the past for the full context), below_seconds (the next shorter
        context, 0 if there is none). The certificate lies in (below, certificate].

    Raises:
        UserError: see `pair_answers`.
    """
    return _certificates(rows, pair_answers(rows, num_samples=0))


def summarise_certificates(rows: pd.DataFrame, *, num_samples: int = 500) -> CertificateSummary:
    """Summarises the model certificates of one line.

    Args:
        rows: rows of one data set, split and mode, with the control `blind` for the accuracy of guesses.
        num_samples: bootstrap samples of each interval.

    Raises:
        UserError: see `pair_answers`.
    """
    paired = pair_answers(rows, num_samples=0)
    table = _certificates(rows, paired)
    seconds = table["model_certificate_seconds"].to_numpy(float)
    known = table["reach_seconds"].notna().to_numpy()
    blind = paired.column(Blind.name)
    guessed = np.zeros(len(table), bool) if blind is None else paired.answers.to_numpy()[:, blind] == 1
    hidden = (table["evidence_age_seconds"] >= paired.seconds.min()).to_numpy()
    unseen, chance, alarm = _unseen(table[hidden], None if blind is None else guessed[hidden], num_samples)
    quartiles = np.quantile(seconds, [0.25, 0.5, 0.75], method="inverted_cdf")
    return CertificateSummary(
        (float(quartiles[0]), float(quartiles[1]), float(quartiles[2])),
        float((table["certificate_context"] != "").mean()),
        _rank_correlation(table[known & (table["certificate_context"] != "").to_numpy() & ~guessed], num_samples),
        unseen,
        chance,
        alarm,
    )


def _certificates(rows: pd.DataFrame, paired: PairedAnswers) -> pd.DataFrame:
    right = paired.answers.to_numpy()[:, : len(paired.contexts)] == 1
    # From the longest context down: True until the first wrong answer.
    stays = np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    first = np.where(stays.any(axis=1), stays.argmax(axis=1), len(paired.contexts))
    names, seconds = np.array([*paired.contexts, ""]), np.append(paired.seconds, np.inf)
    queries = rows.drop_duplicates("query").set_index("query")
    index = paired.answers.index.to_frame(index=False)
    columns = ["group", "family", "reach_seconds", "evidence_age_seconds", "history_seconds"]
    about = queries.loc[index["query"], columns].reset_index(drop=True)
    takes_all = (first < len(paired.contexts)) & np.isinf(seconds[first])
    return pd.concat([index, about.drop(columns="history_seconds")], axis=1).assign(
        certificate_context=names[first],
        model_certificate_seconds=np.where(takes_all, about["history_seconds"], seconds[first]),
        below_seconds=np.append(0.0, seconds)[first],
    )


def _unseen(
    table: pd.DataFrame, guessed: np.ndarray | None, num_samples: int
) -> tuple[Interval | None, Interval | None, bool]:
    if not len(table):
        return None, None, False
    early = (table["model_certificate_seconds"] <= table["evidence_age_seconds"]).to_numpy(float)
    columns = np.stack([early, np.zeros_like(early) if guessed is None else guessed], axis=1)
    bootstrap = bootstrap_means(columns, table["group"].to_numpy(), _trained(table), num_samples=num_samples)
    excess = bootstrap.interval(lambda means: means[..., 0] - means[..., 1])
    chance = None if guessed is None else bootstrap.interval(lambda means: means[..., 1])
    return bootstrap.interval(lambda means: means[..., 0]), chance, bool(guessed is not None and excess.low > 0)


def _rank_correlation(table: pd.DataFrame, num_samples: int) -> Interval | None:
    certificate = table["model_certificate_seconds"].to_numpy(float)
    reach = table["reach_seconds"].to_numpy(float)
    if len(table) < _MIN_RANKED or len(set(certificate)) < 2 or len(set(reach)) < 2:
        return None

    codes = np.unique(certificate, return_inverse=True)[1], np.unique(reach, return_inverse=True)[1]
    groups = table["group"].to_numpy()
    return resampled(lambda weights: rank_correlation(*codes, weights), groups, num_samples)


def rank_correlation(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Computes Spearman's correlation of two columns with row counts; ties have their mean rank.

    Args:
        one: index of each value among the sorted distinct values, (N,), as `np.unique` returns it.
        other: the same for the other column, (N,).
        weights: number of times each row counts, (N,).

    Returns:
        the correlation; NaN if either column is constant.
    """
    ranks = []
    for codes in (one, other):
        counts = np.bincount(codes, weights=weights)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[codes])
    centred = [rank - np.average(rank, weights=weights) for rank in ranks]
    spread = np.sqrt(np.prod([(weights * rank**2).sum() for rank in centred]))
    return float((weights * centred[0] * centred[1]).sum() / spread) if spread > 0 else float("nan")


def resampled(
    statistic: Callable[[np.ndarray], float], groups: np.ndarray, num_samples: int, random_seed: int = 0
) -> Interval:
    """Computes a statistic that is not a mean, with its interval; groups are resampled with replacement.

    Args:
        statistic: maps the number of times each row was drawn, (N,), to the value, or NaN if it is undefined.
        groups: group of each row, (N,).
        num_samples: bootstrap samples.
        random_seed: seed of the resampling.
    """
    value = statistic(np.ones(len(groups)))
    names, group = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if len(names) < 2:
        return Interval(value, float("nan"), float("nan"), len(groups), len(names))
    generator = np.random.default_rng(random_seed)
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), num_samples)
    samples = np.array([statistic(weights[group].astype(float)) for weights in drawn])
    low, high = np.nanquantile(samples, expanded_tails(0.95, len(names)))
    return Interval(value, float(low), float(high), len(groups), len(names))


def _trained(table: pd.DataFrame) -> np.ndarray:
    return (table["run"].astype(str) + "/" + table["seed"].astype(str)).to_numpy()
