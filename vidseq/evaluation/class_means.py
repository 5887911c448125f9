"""Class-mean recall with its interval: every class counts alike, so a bootstrap must count classes anew each time."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.intervals import Interval, bootstrap_means

_PAIRED_BY = ["dataset", "split", "query"]


def class_mean_recall_interval(
    rows: pd.DataFrame, k: int, baseline: pd.DataFrame | None = None, *, num_samples: int = 2000
) -> Interval:
    """`metrics.class_mean_recall`, or how much higher it is than a baseline's, with its interval.

    Groups are resampled; a sample's classes are those that are answers in it, so where many classes are rare, the
    interval lies towards what the frequent ones give, and the recall may stand near its end. Seeds are averaged first:
    the interval is that of the mean over these seeds.

    Args:
        rows: of one run (any seeds), context and control.
        k: recall within the first k answers.
        baseline: rows of the same queries, for the difference; None: the recall itself.
        num_samples: bootstrap samples.

    Raises:
        UserError: no rows, or a baseline that answers other queries.
    """
    found = [_recalled(part, k) for part in ([rows] if baseline is None else [rows, baseline])]
    if not len(rows) or any(not part.index.equals(found[0].index) for part in found):
        raise UserError(
            f"A class-mean recall expects rows, and a baseline the same queries, got {[len(part) for part in found]} "
            "queries."
        )
    queries = rows.drop_duplicates(_PAIRED_BY).set_index(_PAIRED_BY).loc[found[0].index]
    is_answer = pd.get_dummies(queries["answer"]).to_numpy(float)
    columns = [is_answer, *(is_answer * part.to_numpy(float)[:, None] for part in found)]
    draws = bootstrap_means(np.concatenate(columns, axis=1), queries["group"].to_numpy(), num_samples=num_samples)
    return draws.interval(lambda means: _difference(np.split(means, len(columns), axis=-1)))


def _recalled(rows: pd.DataFrame, k: int) -> pd.Series:
    """How often each query's answer is among the first k, over seeds."""
    return (rows["rank"] <= k).groupby([rows[name] for name in _PAIRED_BY]).mean().sort_index()


def _difference(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Class-mean recall of the second part, less that of the third where there is one; the first counts answers."""
    counts, *hits = parts
    there = counts > 0
    recalls = [np.where(there, hit / np.where(there, counts, 1), 0).sum(axis=-1) / there.sum(axis=-1) for hit in hits]
    return recalls[0] - sum(recalls[1:])
