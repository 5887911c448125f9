"""Rows of recall as tables: the longest lag that each head solves, and how often it is right at each."""

from typing import Any

import pandas as pd

from vidseq.analysis.recall import TASKS

#: Share of right answers from which on a lag is solved.
SOLVED = 0.9


def longest_solved(rows: pd.DataFrame, accuracy: float = SOLVED) -> pd.DataFrame:
    """The longest lag up to which a head answers right at every lag tried; 0: none.

    Args:
        rows: of `score_recall`, of any heads, tasks and seeds.
        accuracy: what counts as solved, in the mean over seeds.

    Returns:
        a row a head, a column a task; nothing where a head was not tried.
    """
    means = rows.groupby(["head", "task", "lag"], sort=False)["accuracy"].mean().reset_index()

    def longest(part: pd.DataFrame) -> int:
        solved = [lag for lag, value in sorted(zip(part["lag"], part["accuracy"])) if value >= accuracy]
        failed = part["lag"][part["accuracy"] < accuracy].min()
        return max((lag for lag in solved if not lag > failed), default=0)

    table: Any = means.groupby(["head", "task"], sort=False)[["lag", "accuracy"]].apply(longest)
    return table.unstack().reindex(columns=[task for task in TASKS if task in set(rows["task"])]).astype("Int64")


def recall_table(rows: pd.DataFrame) -> pd.DataFrame:
    """All heads and tasks at a glance, those that remember longest first.

    Args:
        rows: see `longest_solved`.

    Returns:
        a row a head: head, parameters (the most that it had), sees (frames that can reach an answer; nothing: no
        limit), then the longest lag solved on each task.
    """
    about = rows.groupby("head").agg(parameters=("parameters", "max"), sees=("context_frames", "max"))
    solved = longest_solved(rows)
    # Heads that solve as much are in order of how often they are right, all lags alike, on the first task.
    first = rows[rows["task"] == solved.columns[0]].groupby("head")["accuracy"].mean()
    order = solved.assign(right=first).sort_values([solved.columns[0], "right"], ascending=False, kind="stable").index
    return about.astype({"sees": "Int64"}).join(solved).loc[order].reset_index()


def accuracy_by_lag(rows: pd.DataFrame) -> pd.DataFrame:
    """How often heads are right at each lag, in percent: "97 (94 to 100)", the mean over seeds and their range.

    Args:
        rows: see `longest_solved`; of one task.

    Returns:
        a row a head, in the order in which they come: head, seeds (how many), then a column a lag.
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
