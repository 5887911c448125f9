"""Metrics of answered queries, from rows. All are fractions in [0, 1], except the negative log-likelihood in nats."""

import numpy as np
import pandas as pd
from sklearn.metrics import recall_score

from vidseq.errors import UserError

#: A right answer of probability zero would cost infinitely much; it costs minus the logarithm of this.
_LEAST_PROBABILITY = 1e-12


def top_k_accuracy(rows: pd.DataFrame, k: int) -> float:
    """The share of rows whose answer is among the first k."""
    _require_rows(rows)
    return float((rows["rank"] <= k).mean())


def class_mean_recall(rows: pd.DataFrame, k: int) -> float:
    """Top-k recall of each class that is an answer in these rows, then the mean over classes.

    EPIC-Kitchens-100's measure with k = 5. Source: arXiv:2006.13256, section 4.4.
    """
    _require_rows(rows)
    if k == 1:
        labels = rows["answer"].unique()
        return float(recall_score(rows["answer"], rows["prediction"], labels=labels, average="macro", zero_division=0))
    return float((rows["rank"] <= k).groupby(rows["answer"].to_numpy()).mean().mean())


def negative_log_likelihood(rows: pd.DataFrame) -> float:
    """Mean of minus the logarithm of the right answer's probability, in nats; probabilities are kept above 1e-12."""
    _require_rows(rows)
    return float(-np.log(np.clip(rows["answer_score"].to_numpy(float), _LEAST_PROBABILITY, 1.0)).mean())


def expected_calibration_error(rows: pd.DataFrame, num_bins: int = 15) -> float:
    """How far the probability of the prediction is from how often it is right.

    Predictions are put in bins of equal width by their probability, the upper edge inside; the error is the mean over
    bins, weighted by size, of the distance between mean probability and accuracy. Source: arXiv:1706.04599, eq. 3.

    Args:
        rows: with `score` and `correct`.
        num_bins: number of bins over [0, 1].
    """
    _require_rows(rows)
    score, correct = rows["score"].to_numpy(float), rows["correct"].to_numpy(float)
    bins = np.clip(np.ceil(score * num_bins).astype(int) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, weights=correct - score, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(score))


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """Every metric of a table of rows: top1, top5, class_mean_top5_recall, ece, nll."""
    return {
        "top1": top_k_accuracy(rows, 1),
        "top5": top_k_accuracy(rows, 5),
        "class_mean_top5_recall": class_mean_recall(rows, 5),
        "ece": expected_calibration_error(rows),
        "nll": negative_log_likelihood(rows),
    }


def _require_rows(rows: pd.DataFrame) -> None:
    if not len(rows):
        raise UserError("A metric expects at least one row, got none.")
