"""Groups the summaries that share a figure of the report: one data set, split, mode and family."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from vidseq.context.summary import ALL_FAMILIES, ContextSummary
from vidseq.evaluation.accuracy_curve import ContextCurve, ceiling_by_context, eligible_rows, eligible_seconds
from vidseq.reporting.figures import LineStyle, line_styles

#: The heading of each mode: what one model uses and what a task needs are never one line.
USE_OR_NEED = {
    "given": "What these models use",
    "truncated": "What these models use, never trained on short inputs",
    "retrained": "What the task needs",
    "density": "Length, or number of frames",
    "extrapolated": "Beyond the length trained on",
}


@dataclass(frozen=True)
class Group:
    """The summaries that may share a figure: one data set, split, mode and family; a line each."""

    dataset: str
    split: str
    mode: str
    family: str
    summaries: tuple[ContextSummary, ...]
    rows: pd.DataFrame
    """The rows that the summaries are made of."""
    longest: float
    """The eligible queries have so much past, in seconds; 0 where no set is eligible."""
    line_column: str
    """The column of the rows whose values are the lines."""

    @property
    def is_everything(self) -> bool:
        """Whether it holds all families together."""
        return self.family == ALL_FAMILIES

    @property
    def has_eligible(self) -> bool:
        """Whether there is a set of queries with enough past for every length."""
        return self.summaries[0].eligible is not None

    def rows_of(self, line: str) -> pd.DataFrame:
        """Selects the rows of one line, of the eligible queries if there are any."""
        rows = eligible_rows(self.rows, self.longest) if self.has_eligible else self.rows
        return rows[rows[self.line_column].astype(str) == line]


def styles_of(summaries: Sequence[ContextSummary]) -> dict[str, LineStyle]:
    """Gives each line of the summaries its style."""
    return line_styles(summary.line for summary in summaries)


def group_summaries(summaries: Sequence[ContextSummary], rows: pd.DataFrame, line: str = "head") -> list[Group]:
    """Groups the summaries that may share a figure, in the order in which they come.

    Args:
        summaries: see `summarise`.
        rows: what they were made from.
        line: the column whose values are the lines.
    """
    keys = dict.fromkeys((item.dataset, item.split, item.mode, item.family) for item in summaries)
    groups = []
    for dataset, split, mode, family in keys:
        part = rows[(rows["dataset"] == dataset) & (rows["split"] == split) & (rows["mode"] == mode)]
        longest = 0.0 if mode == "density" else eligible_seconds(part)
        members = tuple(
            item
            for item in summaries
            if (item.dataset, item.split, item.mode, item.family) == (dataset, split, mode, family)
        )
        of_family = part if family == ALL_FAMILIES else part[part["family"] == family]
        groups.append(Group(dataset, split, mode, family, members, of_family, longest, line))
    return groups


def curves_of(group: Group, eligible: bool) -> dict[str, ContextCurve]:
    """Gives the curve of each line on the eligible queries, or on all of them; leaves lines without a curve out."""
    curves = {item.line: item.eligible if eligible else item.all_queries for item in group.summaries}
    return {name: curve for name, curve in curves.items() if curve is not None}


def ceiling_of(group: Group, eligible: bool) -> dict[str, float]:
    """Gives the best accuracy possible at each context, see `ceiling_by_context`."""
    return ceiling_by_context(eligible_rows(group.rows, group.longest) if eligible else group.rows)
