"""Intervals of long-term anticipation: persons are resampled, and each sample counts its own classes."""

import numpy as np
import pandas as pd

from vidseq.evaluation.intervals import Interval, bootstrap_means

_CELL = ["observed", "predicted"]


def mean_over_classes_interval(
    rows: pd.DataFrame, baseline: pd.DataFrame | None = None, *, num_samples: int = 2000
) -> Interval:
    """Computes `long_term.mean_over_classes`, or its paired difference from a baseline's, with an interval.

    Groups are drawn from all splits together. A sample has only the classes of its groups. Where many classes are
    rare, the interval therefore leans towards the accuracy of the frequent classes. Seeds are averaged first.

    Args:
        rows: rows of `evaluate_long_term`, of one run (any seeds), horizon and part; several splits.
        baseline: rows of another run on the same videos, for the difference; None: the mean itself.
        num_samples: bootstrap samples.
    """
    total, correct = _pivot(rows, "total"), _pivot(rows, "correct")
    columns = [total, correct] if baseline is None else [total, correct, _pivot(baseline, "correct")]
    groups = rows.drop_duplicates("video").set_index("video").loc[total.index, "group"]
    splits = total.columns.get_level_values("split").to_numpy()
    bootstrap = bootstrap_means(
        np.concatenate([part.to_numpy() for part in columns], axis=1), groups.to_numpy(), num_samples=num_samples
    )
    return bootstrap.interval(lambda means: _difference(np.split(means, len(columns), axis=-1), splits))


def interval_table(rows: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """Computes percent with 95% intervals: a line per run and part, a column per cell of the published table.

    Args:
        rows: rows of `evaluate_long_term`; several runs.
        baseline: the run to compare with, for paired differences in percentage points; None: the means themselves.
    """
    lines = []
    for (run, part), of_part in rows.groupby(["run", "part"], sort=False):
        if run == baseline:
            continue
        line: dict[str, object] = {"run": run, "part": part}
        for (observed, predicted), cell in of_part.groupby(_CELL):
            reference = None if baseline is None else _same_cell(rows, baseline, cell)
            line[f"{100 * observed:g}%: {predicted:g}"] = mean_over_classes_interval(cell, reference).in_percent()
        lines.append(line)
    return pd.DataFrame(lines)


def _same_cell(rows: pd.DataFrame, run: str, cell: pd.DataFrame) -> pd.DataFrame:
    names = ["part", "of_observed", *_CELL]
    return rows[(rows["run"] == run) & (rows[names] == cell[names].iloc[0]).all(axis=1)]


def _pivot(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Returns a line per video and a column per split and class: the mean over seeds, 0 if the class is missing."""
    return rows.pivot_table(index="video", columns=["split", "label"], values=value, aggfunc="mean", fill_value=0.0)


def _difference(parts: list[np.ndarray], splits: np.ndarray) -> np.ndarray:
    """Returns the mean over classes of the second part, minus that of the third if there is one.

    The first part holds the number of frames of each class.
    """
    totals, *hits = parts
    means = [_mean_over_classes(hit, totals, splits) for hit in hits]
    return means[0] - sum(means[1:])


def _mean_over_classes(hits: np.ndarray, totals: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Averages columns (..., K), each a class of the split at its index, over the splits that have a frame: (...)."""
    there = totals > 0
    shares = np.where(there, hits / np.where(there, totals, 1), 0)
    of_split = np.stack([shares[..., splits == split].sum(axis=-1) for split in np.unique(splits)], axis=-1)
    classes = np.stack([there[..., splits == split].sum(axis=-1) for split in np.unique(splits)], axis=-1)
    return np.where(classes > 0, of_split / np.maximum(classes, 1), 0).sum(axis=-1) / (classes > 0).sum(axis=-1)
