"""The tables of a report: one form for people and one with all digits, as CSV, Markdown and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vidseq.context.report.lines import Group
from vidseq.context.report.words import clear, differences
from vidseq.context.summary import curve_table, summary_table, summary_text_table
from vidseq.evaluation.intervals import Interval
from vidseq.reporting.tables import write_table


@dataclass(frozen=True)
class Table:
    """A table with its names in files and on the page."""

    name: str
    title: str
    shown: pd.DataFrame
    """For people: on the page, and in the Markdown and LaTeX files."""
    exact: pd.DataFrame
    """With all digits: the CSV file."""


def tables_of(stem: str, groups: Sequence[Group]) -> list[Table]:
    """Makes the tables of one data set, split and mode.

    Args:
        stem: what file names begin with.
        groups: all families together first, then each.
    """
    summaries = [item for group in groups for item in group.summaries]
    curves = curve_table(summaries).drop(columns=["dataset", "split", "mode"])
    tables = [
        Table(f"{stem}summary", "In numbers", _in_numbers(summary_text_table(summaries)), summary_table(summaries)),
        Table(f"{stem}curves", "Every point of every curve, and the controls", _shown_curves(curves), curves),
    ]
    paired = pd.DataFrame([_difference(group.family, *item) for group in groups for item in differences(group)])
    if len(paired):
        title = "Differences with all of the past, paired on the same queries"
        shown = paired.assign(difference=[f"{100 * value:+.1f}" for value in paired["difference"]])
        shown["95% interval"] = _ranges(paired["low"], paired["high"])
        tables.append(Table(f"{stem}differences", title, shown.drop(columns=["low", "high"]), paired))
    ages = pd.DataFrame([record for group in groups for record in _ages(group)])
    if len(ages):
        shown = ages.assign(accuracy=[f"{100 * value:.1f}" for value in ages["accuracy"]])
        shown["95% interval"] = _ranges(ages["low"], ages["high"])
        shown["age"] = [f"{low:g} to {high:g} s" for low, high in zip(ages["from_seconds"], ages["to_seconds"])]
        shown = shown[["line", "family", "age", "accuracy", "95% interval", "queries"]]
        tables.append(Table(f"{stem}evidence_age", "Accuracy by age of the evidence", shown, ages))
    return tables


def write_tables(tables: Sequence[Table], folder: Path) -> None:
    """Writes each table as .csv with all digits, and for people as .md and .tex; each whole or not at all."""
    for table in tables:
        write_table(table.exact, folder / f"{table.name}.csv")
        write_table(table.shown, folder / f"{table.name}.md")
        write_table(table.shown, folder / f"{table.name}.tex")


def _in_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Drops columns that are empty, and the mode, which stands in the heading."""
    empty = [name for name in table.columns if (table[name].astype(str) == "–").all()]
    short = table["effective context"].str.replace(
        r" points with \d+ groups; about (\d+) would do", r", \1 groups would do", regex=True
    )
    return table.assign(**{"effective context": short}).drop(columns=[*empty, "mode"])


def _shown_curves(curves: pd.DataFrame) -> pd.DataFrame:
    named = curves["context"].where(curves["control"] == "", curves["control"].str.replace("_", " "))
    return pd.DataFrame(
        {
            "line": curves["line"],
            "family": curves["family"],
            "set": curves["queries"],
            "shown": named,
            "seconds": [_number(value) for value in curves["context_seconds"]],
            "frames": [_number(value) for value in curves["context_frames"]],
            "accuracy": [f"{100 * value:.1f}" for value in curves["accuracy"]],
            "95% interval": _ranges(curves["low"], curves["high"]),
            "calibration error": [_number(100 * value) for value in curves["calibration_error"]],
            "nats": [_number(value, 3) for value in curves["negative_log_likelihood"]],
            "queries": curves["num_queries"],
            "groups": curves["num_groups"],
        }
    )


def _difference(family: str, better: str, worse: str, interval: Interval) -> dict[str, object]:
    return {
        "family": family,
        "line": better,
        "against": worse,
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "clear": "yes" if clear(interval) else "no",
        "groups": interval.num_groups,
    }


def _ages(group: Group) -> list[dict[str, object]]:
    return [
        {
            "line": item.line,
            "family": group.family,
            "from_seconds": point.low_seconds,
            "to_seconds": point.high_seconds,
            "mean_seconds": point.mean_seconds,
            "accuracy": point.accuracy.mean,
            "low": point.accuracy.low,
            "high": point.accuracy.high,
            "queries": point.num_queries,
        }
        for item in group.summaries
        for point in item.evidence_age
    ]


def _ranges(low: "pd.Series[float]", high: "pd.Series[float]") -> list[str]:
    return ["–" if a != a else f"[{100 * a:.1f}, {100 * b:.1f}]" for a, b in zip(low, high)]


def _number(value: float, digits: int = 1) -> str:
    if value != value:
        return "–"
    return "all" if value == float("inf") else f"{value:.{digits}f}".rstrip("0").rstrip(".") or "0"
