"""Computes tables from rows: accuracy by family, head, control and context, with intervals."""

import warnings
from collections.abc import Sequence

import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.intervals import FewGroupsWarning, accuracy_interval, plus_minus

#: The columns that a table groups by if no others are given.
DEFAULT_BY = ("family", "head", "control", "context")


def accuracy_table(rows: pd.DataFrame, by: Sequence[str] = DEFAULT_BY) -> pd.DataFrame:
    """Computes accuracy with its interval for each combination of some columns, in the order of the rows.

    Args:
        rows: see `vidseq.evaluation.rows.Row`.
        by: the columns to group by.

    Returns:
        the columns `by`, then accuracy, low, high, ceiling (the mean, if known), num_queries, num_groups.

    Raises:
        UserError: there are no rows, or a column does not exist.
    """
    missing = [name for name in by if name not in rows.columns]
    if missing or not len(rows):
        raise UserError(f"A table expects rows with the columns {', '.join(by)}, got {len(rows)}; missing: {missing}.")
    lines = []
    for names, part in rows.groupby(list(by), sort=False, dropna=False):
        with warnings.catch_warnings():  # the table has a column with the number of groups
            warnings.simplefilter("ignore", FewGroupsWarning)
            interval = accuracy_interval(part)
        lines.append(
            {
                **dict(zip(by, names)),
                "accuracy": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "ceiling": part["ceiling"].mean(),
                # A query counts once, however many seeds answered it.
                "num_queries": len(part[["dataset", "split", "query"]].drop_duplicates()),
                "num_groups": interval.num_groups,
            }
        )
    table = pd.DataFrame(lines)
    return table.drop(columns="ceiling") if table["ceiling"].isna().all() else table


def pivot_accuracy(rows: pd.DataFrame, index: str = "family", columns: str = "head") -> pd.DataFrame:
    """Makes a table for readers, with cells such as "72.1 ±3.0" (percent, half the interval's width).

    Args:
        rows: rows of one context and control; rows of several are averaged.
        index: the column of the rows whose values name the lines.
        columns: the column of the rows whose values name the columns.

    Returns:
        a table of text; its last two columns are the numbers of queries and groups.
    """
    table = accuracy_table(rows, (index, columns))
    table["cell"] = [plus_minus(*ends) for ends in zip(table["accuracy"], table["low"], table["high"])]
    wide = table.pivot(index=index, columns=columns, values="cell").fillna("–")
    wide = wide.loc[table[index].drop_duplicates(), table[columns].drop_duplicates()]
    of_index = table.groupby(index)
    wide["queries"], wide["groups"] = of_index["num_queries"].max(), of_index["num_groups"].max()
    wide.columns.name = None
    return wide.reset_index()
