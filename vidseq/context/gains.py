"""Computes how much a model gains from the past, as paired differences with intervals."""

import warnings

import numpy as np
import pandas as pd

from vidseq.evaluation.input_controls import Blind, Shuffled
from vidseq.evaluation.intervals import FewGroupsWarning, Interval, bootstrap_mean
from vidseq.evaluation.pairing import PairedAnswers


def gain(paired: PairedAnswers) -> Interval | None:
    """Computes accuracy with the longest context minus that with the last frame; None if the latter is missing."""
    last = paired.last_frame
    return None if last is None else _difference(paired, paired.full, last)


def order_gain(paired: PairedAnswers) -> Interval | None:
    """Computes accuracy with the past in order minus that with it shuffled; None without the control `shuffled`."""
    shuffled = paired.column(Shuffled.name)
    return None if shuffled is None else _difference(paired, paired.full, shuffled)


def peak_context(paired: PairedAnswers) -> str:
    """Returns the context with the highest accuracy; of equal ones the shortest."""
    return paired.contexts[int(np.argmax(paired.bootstrap.means[: len(paired.contexts)]))]


def overload_loss(paired: PairedAnswers) -> Interval:
    """Computes the accuracy of the best context minus that of the longest: some models get worse with more past.

    The best of several noisy points is overestimated, so a small loss whose interval starts at 0 is not evidence of
    one.
    """
    num_contexts = len(paired.contexts)
    return paired.bootstrap.interval(
        lambda means: means[..., :num_contexts].max(axis=-1) - means[..., num_contexts - 1]
    )


def area(paired: PairedAnswers) -> Interval | None:
    """Computes the mean height of the curve over log2 of the context: 0 is the control `blind`, 1 is all right.

    Only contexts of finite length count. The result is None without the control `blind`, with fewer than two such
    contexts, or where `blind` is always right, so that there is nothing above it.
    """
    blind = paired.column(Blind.name)
    finite = np.isfinite(paired.seconds) & (paired.seconds > 0)
    if blind is None or finite.sum() < 2 or np.ptp(paired.seconds[finite]) == 0:
        return None
    if paired.bootstrap.means[blind] >= 1:
        return None
    weights = _trapezoid(np.log2(paired.seconds[finite]))
    columns = np.flatnonzero(finite)

    def normalised(means: np.ndarray) -> np.ndarray:
        floor = np.where(means[..., blind] < 1, means[..., blind], np.nan)
        return (means[..., columns] @ weights - floor) / (1 - floor)

    return paired.bootstrap.interval(normalised)


def leak_index(rows: pd.DataFrame, *, num_samples: int = 2000) -> Interval | None:
    """Computes how much more often than the control `blind` a model is right without having seen any evidence.

    Only contexts that are too short for the newest evidence count, so the model sees none of it. A value clearly above
    0 means that something other than the evidence reveals the answer.

    Args:
        rows: rows of one data set, split and mode, with the control.
        num_samples: bootstrap samples.

    Returns:
        the mean difference; None without the control, or if no context is too short for any query's evidence.
    """
    blind = rows[rows["control"] == Blind.name].set_index(["run", "seed", "query"])["correct"].astype(float)
    unseen = rows[(rows["control"] == "") & (rows["context_seconds"] <= rows["evidence_age_seconds"])]
    unseen = unseen[pd.MultiIndex.from_frame(unseen[["run", "seed", "query"]]).isin(blind.index)]
    if not len(unseen):
        return None
    reference = blind.loc[pd.MultiIndex.from_frame(unseen[["run", "seed", "query"]])].to_numpy()
    difference = unseen["correct"].to_numpy(float) - reference
    trained = unseen["run"].astype(str) + "/" + unseen["seed"].astype(str)
    with warnings.catch_warnings():  # the interval holds the number of groups
        warnings.simplefilter("ignore", FewGroupsWarning)
        return bootstrap_mean(difference, unseen["group"].to_numpy(), trained.to_numpy(), num_samples=num_samples)


def _difference(paired: PairedAnswers, one: int, other: int) -> Interval:
    return paired.bootstrap.interval(lambda means: means[..., one] - means[..., other])


def _trapezoid(positions: np.ndarray) -> np.ndarray:
    """Returns the weights of the trapezoid rule for values at `positions`; they sum to 1."""
    steps = np.diff(positions)
    weights = np.zeros(len(positions))
    weights[:-1] += steps / 2
    weights[1:] += steps / 2
    return weights / weights.sum()
