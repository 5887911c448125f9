"""How well probabilities fit: calibration error and likelihood with intervals, and accuracy in bins of probability."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vidseq.evaluation.intervals import FewGroupsWarning, Interval, accuracy_interval, bootstrap_means
from vidseq.evaluation.metrics import expected_calibration_error, negative_log_likelihood
from vidseq.reporting.tables import to_markdown
from vidseq.tasks.calibration import NUM_BINS, bin_of

#: The columns of rows that calibration is computed from; frames have them, too.
COLUMNS = ("run", "head", "seed", "family", "group", "score", "correct", "answer_score")


class ReliabilityBin(NamedTuple):
    """The predictions whose probabilities lie in one bin."""

    confidence: float
    """Their mean probability."""
    accuracy: Interval
    share: float
    """Their share of all predictions."""


def calibration_interval(rows: pd.DataFrame) -> Interval:
    """Computes the expected calibration error of rows with its interval over groups and seeds.

    Resampling adds noise, which only raises a sum of distances, so plain percentiles of the samples lie too high: on
    calibrated answers they would never hold the truth. The interval is therefore the reflected one, 2 e - q, from 0.
    """
    score, correct = rows["score"].to_numpy(float), rows["correct"].to_numpy(float)
    gaps = np.zeros((len(rows), NUM_BINS))
    gaps[np.arange(len(rows)), bin_of(score)] = correct - score
    samples = bootstrap_means(gaps, rows["group"].to_numpy(), rows["seed"].to_numpy())
    found = samples.interval(lambda means: np.abs(means).sum(axis=-1))
    low, high = (float(np.maximum(0, 2 * found.mean - end)) for end in (found.high, found.low))
    return Interval(found.mean, low, high, found.num_queries, found.num_groups, found.level)


def calibration_table(rows: pd.DataFrame, by: Sequence[str] = ("family", "head")) -> pd.DataFrame:
    """Computes how well probabilities fit for each combination of some columns, in the order of the rows.

    Args:
        rows: with `COLUMNS`; of one context and no control.
        by: the columns to group by.

    Returns:
        the columns `by`, then ece, low, high, nll (nats), confidence, accuracy, answers, num_groups.
    """
    lines = []
    for names, part in rows.groupby(list(by), sort=False):
        interval = calibration_interval(part)
        lines.append(
            {
                **dict(zip(by, names)),
                **{"ece": expected_calibration_error(part), "low": interval.low, "high": interval.high},
                "nll": negative_log_likelihood(part),
                "confidence": part["score"].mean(),
                "accuracy": part["correct"].mean(),
                "answers": len(part),
                "num_groups": interval.num_groups,
            }
        )
    return pd.DataFrame(lines)


def calibration_text(table: pd.DataFrame) -> str:
    """Formats a table of `calibration_table` as Markdown, with the error in percent."""
    errors = [
        Interval(line.ece, line.low, line.high, line.answers, line.num_groups).in_percent()
        for line in table.itertuples()
    ]
    shown = table.drop(columns=["ece", "low", "high", "num_groups"])
    shown.insert(list(table.columns).index("ece"), "calibration error (%)", errors)
    return to_markdown(shown)


def reliability_bins(rows: pd.DataFrame) -> list[ReliabilityBin]:
    """Computes accuracy for each bin of probability that holds predictions, from the lowest."""
    found = []
    for _, part in rows.groupby(bin_of(rows["score"].to_numpy(float))):
        with warnings.catch_warnings():  # a bin may hold few groups; its interval is wide then
            warnings.simplefilter("ignore", FewGroupsWarning)
            accuracy = accuracy_interval(part)
        found.append(ReliabilityBin(float(part["score"].mean()), accuracy, len(part) / len(rows)))
    return found
