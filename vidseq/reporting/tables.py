"""Writes tables as Markdown, LaTeX or CSV."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vidseq.errors import UserError
from vidseq.files import atomic_write
from vidseq.reporting.bidi import without_controls


def to_markdown(table: pd.DataFrame, digits: int = 3) -> str:
    """Formats a table as Markdown: numbers right, floats with `digits` decimals, missing values as a dash."""
    texts = [[_text(value, digits) for value in row] for row in table.itertuples(index=False)]
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    header = [str(name) for name in table.columns]
    widths = [max(3, len(name), *(len(row[index]) for row in texts)) for index, name in enumerate(header)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(cells, widths, numeric)
        ]
        return f"| {' | '.join(padded)} |"

    rule = "|".join(f"{'-' * (width + 1)}:" if right else "-" * (width + 2) for width, right in zip(widths, numeric))
    return "\n".join([line(header), f"|{rule}|", *(line(row) for row in texts)]) + "\n"


def to_latex(table: pd.DataFrame, digits: int = 3) -> str:
    """Formats a table as a LaTeX tabular with booktabs rules: numbers right, text left, special characters escaped."""
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    head = " & ".join(_latex_text(str(name)) for name in table.columns)
    body = [
        " & ".join(_latex_text(_plain_text(value, digits)) for value in row) for row in table.itertuples(index=False)
    ]
    columns = "".join("r" if right else "l" for right in numeric)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rf"{head} \\", r"\midrule"]
    return "\n".join([*lines, *(rf"{line} \\" for line in body), r"\bottomrule", r"\end{tabular}"]) + "\n"


def write_table(table: pd.DataFrame, path: Path | str) -> None:
    """Writes a table in the format of the file's suffix.

    Raises:
        UserError: the suffix is not .md, .tex or .csv.
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


#: Replacements for characters that are special in LaTeX.
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
    return f"{value:.{digits}f}" if isinstance(value, float) else without_controls(str(value))
