"""Makes tables of recall: the longest lag that each head solves, and its accuracy at each lag."""

from typing import Any

import pandas as pd

from vidseq.analysis.recall import TASKS

#: A lag is solved if at least this share of answers is right.
SOLVED = 0.9


def longest_solved(rows: pd.DataFrame, accuracy: float = SOLVED) -> pd.DataFrame:
    """Finds the longest lag such that a head solves it and every shorter lag tried; 0 if there is none.

    Args:
        rows: rows of `score_recall`, of any heads, tasks and seeds.
        accuracy: least accuracy of a solved lag, as the mean over seeds.

    Returns:
        a row per head, a column per task; missing if the head was not tried on the task.
    """
    means = rows.groupby(["head", "task", "lag"], sort=False)["accuracy"].mean().reset_index()

    def longest(part: pd.DataFrame) -> int:
        solved = [lag for lag, value in sorted(zip(part["lag"], part["accuracy"])) if value >= accuracy]
        failed = part["lag"][part["accuracy"] < accuracy].min()
        return max((lag for lag in solved if not lag > failed), default=0)

    table: Any = means.groupby(["head", "task"], sort=False)[["lag", "accuracy"]].apply(longest)
    return table.unstack().reindex(columns=[task for task in TASKS if task in set(rows["task"])]).astype("Int64")


def recall_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Makes a table of all heads and tasks, sorted by the longest lag solved on the first task.

    Args:
        rows: see `longest_solved`.

    Returns:
        a row per head: head, parameters (the largest number), sees (frames that can reach an answer; missing: no
        limit), then the longest lag solved on each task.
    """
    about = rows.groupby("head").agg(parameters=("parameters", "max"), sees=("context_frames", "max"))
    solved = longest_solved(rows)
    # Ties are sorted by mean accuracy over all lags of the first task.
    first = rows[rows["task"] == solved.columns[0]].groupby("head")["accuracy"].mean()
    order = solved.assign(right=first).sort_values([solved.columns[0], "right"], ascending=False, kind="stable").index
    return about.astype({"sees": "Int64"}).join(solved).loc[order].reset_index()


def accuracy_by_lag(rows: pd.DataFrame) -> pd.DataFrame:
    """Computes accuracy at each lag in percent, as text such as "97 (94 to 100)": the mean over seeds and their range.

    Args:
        rows: rows of one task, see `longest_solved`.

    Returns:
        a row per head in the order of the rows: head, seeds (their number), then a column per lag.
    """
    groups = (100 * rows["accuracy"]).groupby([rows["head"], rows["lag"]], sort=False)
    cells = groups.agg(_mean_and_range).unstack()
    cells = cells[sorted(cells.columns)]
    cells.insert(0, "seeds", rows.groupby("head")["seed"].nunique())
    cells.columns.name = None
    return cells.loc[rows["head"].drop_duplicates()].reset_index()


def _mean_and_range(percent: "pd.Series[float]") -> str:
    low, high = round(percent.min()), round(percent.max())
    return f"{percent.mean():.0f}" if low == high else f"{percent.mean():.0f} ({low} to {high})"
