"""Tables out of rows: accuracy by family and head with intervals, as Markdown, LaTeX or CSV."""

import warnings
from collections.abc import Sequence

import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.intervals import FewGroupsWarning, accuracy_interval

#: What a table tells apart unless it is asked otherwise.
DEFAULT_BY = ("family", "head", "control", "context")


def accuracy_table(rows: pd.DataFrame, by: Sequence[str] = DEFAULT_BY) -> pd.DataFrame:
    """Accuracy with its interval for each combination of some columns, in the order in which they come.

    Args:
        rows: see `vidseq.evaluation.rows.Row`.
        by: the columns to tell apart.

    Returns:
        the columns `by`, then accuracy, low, high, ceiling (mean, where known), num_queries, num_groups.

    Raises:
        UserError: no rows, or a column that does not exist.
    """
    missing = [name for name in by if name not in rows.columns]
    if missing or not len(rows):
        raise UserError(f"A table expects rows with the columns {', '.join(by)}, got {len(rows)}; missing: {missing}.")
    lines = []
    for names, part in rows.groupby(list(by), sort=False, dropna=False):
        with warnings.catch_warnings():  # the number of groups stands in the table
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
    """A table to be read at a glance: "72.1 ±3.0" (percent, half the interval's width) a cell.

    Args:
        rows: of one context and control, or of what shall be averaged.
        index: what goes down.
        columns: what goes across.

    Returns:
        text cells; the last two columns are the numbers of queries and groups.
    """
    table = accuracy_table(rows, (index, columns))
    half = (table["high"] - table["low"]) / 2
    table["cell"] = [f"{100 * mean:.1f} ±{100 * width:.1f}" for mean, width in zip(table["accuracy"], half)]
    wide = table.pivot(index=index, columns=columns, values="cell").fillna("–")
    wide = wide.loc[table[index].drop_duplicates(), table[columns].drop_duplicates()]
    of_index = table.groupby(index)
    wide["queries"], wide["groups"] = of_index["num_queries"].max(), of_index["num_groups"].max()
    wide.columns.name = None
    return wide.reset_index()
