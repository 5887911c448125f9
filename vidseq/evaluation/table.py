"""Tables out of rows: accuracy by family and head with intervals, as Markdown, LaTeX or CSV."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.intervals import FewGroupsWarning, accuracy_interval
from vidseq.files import atomic_write

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


def to_markdown(table: pd.DataFrame, digits: int = 3) -> str:
    """A table as Markdown: numbers right, `digits` behind the point where there is one, missing as a dash."""
    texts = [[_text(value, digits) for value in row] for row in table.itertuples(index=False)]
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    header = [str(name) for name in table.columns]
    widths = [max(3, len(name), *(len(row[place]) for row in texts)) for place, name in enumerate(header)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(cells, widths, numeric)
        ]
        return f"| {' | '.join(padded)} |"

    rule = "|".join(f"{'-' * (width + 1)}:" if right else "-" * (width + 2) for width, right in zip(widths, numeric))
    return "\n".join([line(header), f"|{rule}|", *(line(row) for row in texts)]) + "\n"


def to_latex(table: pd.DataFrame, digits: int = 3) -> str:
    """A table as LaTeX's tabular with the rules of booktabs: numbers right, text left, every character safe."""
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    head = " & ".join(_latex_text(str(name)) for name in table.columns)
    body = [
        " & ".join(_latex_text(_plain_text(value, digits)) for value in row) for row in table.itertuples(index=False)
    ]
    columns = "".join("r" if right else "l" for right in numeric)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rf"{head} \\", r"\midrule"]
    return "\n".join([*lines, *(rf"{line} \\" for line in body), r"\bottomrule", r"\end{tabular}"]) + "\n"


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Writes a table whole or not at all, as the file's ending says.

    Raises:
        UserError: the ending is none of .md, .tex and .csv.
    """
    forms = {
        ".md": to_markdown,
        ".tex": to_latex,
        ".csv": lambda frame: frame.to_csv(index=False, lineterminator="\n"),
    }
    suffix = Path(path).suffix
    if suffix not in forms:
        raise UserError(f"A table expects a file that ends in {', '.join(forms)}, got '{path}'.")
    atomic_write(path, forms[suffix](table))


#: What LaTeX takes for commands.
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}  # fmt: skip


def _latex_text(text: str) -> str:
    # A bracket that opens a cell would be read as an option of the line break before it.
    return "".join(_LATEX.get(mark, mark) for mark in text).replace("[", "{[}").replace("]", "{]}")


def _text(value: object, digits: int) -> str:
    return _plain_text(value, digits).replace("|", "\\|")


def _plain_text(value: object, digits: int) -> str:
    if value is None or value is pd.NA or value != value:
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
