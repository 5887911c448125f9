"""Computes class-mean recall with its interval; each bootstrap sample counts its classes again."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.intervals import Interval, bootstrap_means

_PAIRED_BY = ["dataset", "split", "query"]


def class_mean_recall_interval(
    rows: pd.DataFrame, k: int, baseline: pd.DataFrame | None = None, *, num_samples: int = 2000
) -> Interval:
    """Computes `metrics.class_mean_recall`, or its difference from a baseline's, with an interval.

    Groups are resampled. A sample counts only the classes that are answers in it. Where many classes are rare, the
    interval therefore leans towards the recall of the frequent classes, and the recall may lie near its end. Seeds are
    averaged first, so the interval is that of the mean over these seeds.

    Args:
        rows: rows of one run (any seeds), context and control.
        k: an answer counts if it is among the first k.
        baseline: rows of the same queries, for the difference; None: the recall itself.
        num_samples: bootstrap samples.

    Raises:
        UserError: there are no rows, or the baseline answers other queries.
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
    bootstrap = bootstrap_means(np.concatenate(columns, axis=1), queries["group"].to_numpy(), num_samples=num_samples)
    return bootstrap.interval(lambda means: _difference(np.split(means, len(columns), axis=-1)))


def _recalled(rows: pd.DataFrame, k: int) -> pd.Series:
    """Returns, for each query, the share of seeds that have its answer among the first k."""
    return (rows["rank"] <= k).groupby([rows[name] for name in _PAIRED_BY]).mean().sort_index()


def _difference(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the class-mean recall of the second part, minus that of the third if there is one.

    The first part holds the number of answers of each class.
    """
    counts, *hits = parts
    there = counts > 0
    recalls = [np.where(there, hit / np.where(there, counts, 1), 0).sum(axis=-1) / there.sum(axis=-1) for hit in hits]
    return recalls[0] - sum(recalls[1:])
