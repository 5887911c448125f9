"""Model certificates: how much past a model needs for each query, beside how far back the evidence really lies.

A certificate is compared with the reach (how long before the query the earliest evidence begins), because a context is
a span that ends at the query. The length of the evidence itself is `certificate_seconds` and another thing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vidseq.evaluation.input_controls import Blind
from vidseq.evaluation.intervals import Interval, bootstrap_means, expanded_tails
from vidseq.evaluation.pairing import PairedAnswers, pair_answers

#: Fewer answered queries than this give no rank correlation.
_MIN_RANKED = 10


@dataclass(frozen=True)
class CertificateSummary:
    """What the model certificates of one line say."""

    quartiles: tuple[float, float, float]
    """Seconds of past within which a quarter, half and three quarters of all queries are right for good; infinite
    where so many never are."""
    share_right: float
    """How many have a certificate at all: they are right with the longest context."""
    rank_correlation: Interval | None
    """Spearman's, of certificates with reach, over the queries that have both and that `blind` gets wrong (a guess
    needs no past, however far back the evidence); None where either hardly varies."""
    share_unseen: Interval | None
    """How often a model is right for good from a context on that shows none of the evidence, of the queries that have
    such a context (a part of the evidence, such as the last moment of a card, may do, so it is not held against the
    reach); None where there is none."""
    chance_unseen: Interval | None
    """How often the control `blind` is right on the same queries; None without it."""
    shortcut_alarm: bool
    """Whether `share_unseen` exceeds what guessing explains, with 95% confidence."""


def model_certificates(rows: pd.DataFrame) -> pd.DataFrame:
    """The smallest context at which each answer is right and stays right at every longer one tested.

    Args:
        rows: of one data set, split and mode; any runs and seeds; every query at every context.

    Returns:
        a row a query and trained model: run, seed, query, group, family, reach_seconds, evidence_age_seconds,
        certificate_context (empty where the answer is wrong with the longest), model_certificate_seconds (infinite
        there; all the past there was where it takes everything), below_seconds (the longest context tested that is
        shorter, 0 if there is none): the certificate lies in (below, certificate].

    Raises:
        UserError: see `pair_answers`.
    """
    return _certificates(rows, pair_answers(rows, num_samples=0))


def summarise_certificates(rows: pd.DataFrame, *, num_samples: int = 500) -> CertificateSummary:
    """Sums up the model certificates of one line.

    Args:
        rows: of one data set, split and mode, with the control `blind` for what guessing explains.
        num_samples: bootstrap samples of each interval.

    Raises:
        UserError: see `pair_answers`.
    """
    paired = pair_answers(rows, num_samples=0)
    table = _certificates(rows, paired)
    seconds = table["model_certificate_seconds"].to_numpy(float)
    known = table["reach_seconds"].notna().to_numpy()
    blind = paired.place(Blind.name)
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
    # Read from the longest context down: right as long as no wrong answer has come.
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
    draws = bootstrap_means(columns, table["group"].to_numpy(), _trained(table), num_samples=num_samples)
    excess = draws.interval(lambda means: means[..., 0] - means[..., 1])
    chance = None if guessed is None else draws.interval(lambda means: means[..., 1])
    return draws.interval(lambda means: means[..., 0]), chance, bool(guessed is not None and excess.low > 0)


def _rank_correlation(table: pd.DataFrame, num_samples: int) -> Interval | None:
    certificate = table["model_certificate_seconds"].to_numpy(float)
    reach = table["reach_seconds"].to_numpy(float)
    if len(table) < _MIN_RANKED or len(set(certificate)) < 2 or len(set(reach)) < 2:
        return None

    codes = np.unique(certificate, return_inverse=True)[1], np.unique(reach, return_inverse=True)[1]
    groups = table["group"].to_numpy()
    return resampled(lambda weights: rank_correlation(*codes, weights), groups, num_samples)


def rank_correlation(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Spearman's correlation of two columns whose rows come several times each; ties have their mean rank.

    Args:
        one: numbers of the values in their order, (N,), as `np.unique` gives them.
        other: likewise.
        weights: how often each row comes, (N,).

    Returns:
        the correlation; NaN where either does not vary.
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
    """A number that is no mean, and its interval, groups resampled with replacement.

    Args:
        statistic: how often each row was drawn, (N,), to the value; NaN where there is none.
        groups: of each row, (N,).
        num_samples: bootstrap samples.
        random_seed: of the resampling.
    """
    value = statistic(np.ones(len(groups)))
    names, group = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if len(names) < 2:
        return Interval(value, float("nan"), float("nan"), len(groups), len(names))
    random = np.random.default_rng(random_seed)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), num_samples)
    samples = np.array([statistic(weights[group].astype(float)) for weights in drawn])
    low, high = np.nanquantile(samples, expanded_tails(0.95, len(names)))
    return Interval(value, float(low), float(high), len(groups), len(names))


def _trained(table: pd.DataFrame) -> np.ndarray:
    return (table["run"].astype(str) + "/" + table["seed"].astype(str)).to_numpy()
