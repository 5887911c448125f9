"""What the past is worth to a model, each a number with its interval, paired on the same queries."""

import warnings

import numpy as np
import pandas as pd

from vidseq.evaluation.input_controls import Blind, Shuffled
from vidseq.evaluation.intervals import FewGroupsWarning, Interval, bootstrap_mean
from vidseq.evaluation.pairing import PairedAnswers


def gain(paired: PairedAnswers) -> Interval | None:
    """Accuracy with the longest context minus that with the last frame alone; None where that was not asked."""
    last = paired.last_frame
    return None if last is None else _difference(paired, paired.full, last)


def order_gain(paired: PairedAnswers) -> Interval | None:
    """Accuracy with the past in order minus that with the past shuffled; None without the control `shuffled`."""
    shuffled = paired.place(Shuffled.name)
    return None if shuffled is None else _difference(paired, paired.full, shuffled)


def peak_context(paired: PairedAnswers) -> str:
    """The context with the highest accuracy; of equal ones the shortest."""
    return paired.contexts[int(np.argmax(paired.draws.means[: len(paired.contexts)]))]


def overload_loss(paired: PairedAnswers) -> Interval:
    """How much the longest context falls short of the best one: some models get worse with more.

    The best of several noisy points looks better than it is, so a small loss with an interval from 0 is none.
    """
    number = len(paired.contexts)
    return paired.draws.interval(lambda means: means[..., :number].max(axis=-1) - means[..., number - 1])


def area(paired: PairedAnswers) -> Interval | None:
    """Mean height of the curve over log2 of the context, from 0 at the control `blind` to 1 where all is right.

    Contexts of finite length count; everything has no place on the axis. None without the control `blind` or with
    fewer than two such contexts.
    """
    blind = paired.place(Blind.name)
    finite = np.isfinite(paired.seconds) & (paired.seconds > 0)
    if blind is None or finite.sum() < 2 or np.ptp(paired.seconds[finite]) == 0:
        return None
    weights = _trapezoid(np.log2(paired.seconds[finite]))
    columns = np.flatnonzero(finite)

    def normalised(means: np.ndarray) -> np.ndarray:
        floor = means[..., blind]
        return (means[..., columns] @ weights - floor) / np.maximum(1 - floor, 1e-9)

    return paired.draws.interval(normalised)


def leak_index(rows: pd.DataFrame, *, num_samples: int = 2000) -> Interval | None:
    """How much more often than the control `blind` a model is right before any of its evidence is shown to it.

    Counted are the contexts that end short of the newest evidence (so none of it is seen, which is stricter than short
    of the reach, where a part may be). About zero, or something besides the evidence gives the answer away.

    Args:
        rows: of one data set, split and mode, with the control.
        num_samples: bootstrap samples.

    Returns:
        the mean difference; None without the control, or where no query's evidence lies that far back.
    """
    blind = rows[rows["control"] == Blind.name].set_index(["run", "seed", "query"])["correct"].astype(float)
    unseen = rows[(rows["control"] == "") & (rows["context_seconds"] <= rows["evidence_age_seconds"])]
    unseen = unseen[pd.MultiIndex.from_frame(unseen[["run", "seed", "query"]]).isin(blind.index)]
    if not len(unseen):
        return None
    reference = blind.loc[pd.MultiIndex.from_frame(unseen[["run", "seed", "query"]])].to_numpy()
    difference = unseen["correct"].to_numpy(float) - reference
    trained = unseen["run"].astype(str) + "/" + unseen["seed"].astype(str)
    with warnings.catch_warnings():  # the number of groups stands in the interval
        warnings.simplefilter("ignore", FewGroupsWarning)
        return bootstrap_mean(difference, unseen["group"].to_numpy(), trained.to_numpy(), num_samples=num_samples)


def _difference(paired: PairedAnswers, one: int, other: int) -> Interval:
    return paired.draws.interval(lambda means: means[..., one] - means[..., other])


def _trapezoid(places: np.ndarray) -> np.ndarray:
    """Weights that make the trapezoid rule of values at `places`, summing to 1."""
    steps = np.diff(places)
    weights = np.zeros(len(places))
    weights[:-1] += steps / 2
    weights[1:] += steps / 2
    return weights / weights.sum()
