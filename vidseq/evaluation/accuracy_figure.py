"""The figure of accuracy against context, with its controls, for `evaluate`, `compare` and `context`."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from vidseq.errors import UserError
from vidseq.evaluation.accuracy_curve import (
    ceiling_by_context,
    context_curve,
    eligible_rows,
    eligible_seconds,
    require_contexts,
)
from vidseq.evaluation.accuracy_panel import Panel, draw_panel, finish_panels
from vidseq.evaluation.figure_header import HEIGHT, WIDTH
from vidseq.evaluation.input_controls import Blind
from vidseq.reporting.figures import FONT, GREY, LineStyle, line_styles

#: What bands and bars are, in every figure and report.
BANDS = "Bands and bars: 95% intervals, bootstrap over groups and the trained models inside."
#: Panels side by side at most, and the inches above and below them.
_MAX_COLUMNS = 3
_TITLE, _NOTES = 0.4, 0.5


def rows_panel(title: str, rows: pd.DataFrame, *, line: str = "head") -> Panel:
    """Makes a panel from rows.

    Args:
        title: what is shown.
        rows: of models at two contexts or more, with their controls.
        line: the column whose values are the lines.

    Raises:
        UserError: the rows hold fewer than two contexts.
    """
    require_contexts(rows)
    curves = {str(name): context_curve(part) for name, part in rows.groupby(line, sort=False) if _has_model(part)}
    return Panel(title, curves, ceiling_by_context(rows))


def context_panels(rows: pd.DataFrame, *, line: str = "head") -> list[Panel]:
    """Makes two panels: the queries that have the past of every length shown, so that each point is the same set; and
    all queries.

    Raises:
        UserError: the rows hold fewer than two contexts.
    """
    longest = eligible_seconds(rows)
    panels = []
    if longest > 0:
        title = f"Queries with {longest:.3g} s of past or more"
        panels.append(rows_panel(title, eligible_rows(rows, longest), line=line))
    return [*panels, rows_panel("All queries", rows, line=line)]


def family_panels(rows: pd.DataFrame, *, line: str = "head") -> list[Panel]:
    """Makes one panel a family of questions, in the order in which they come."""
    return [rows_panel(str(family), part, line=line) for family, part in rows.groupby("family", sort=False)]


def context_figure(panels: Sequence[Panel], *, title: str, styles: Mapping[str, LineStyle] | None = None) -> Figure:
    """Draws accuracy against context: panels side by side, with a title and what the bands mean.

    Args:
        panels: see `context_panels` and `family_panels`.
        title: what is shown, such as "50 Salads: next action, 1 s ahead".
        styles: of each line; None: made here.

    Returns:
        the figure; save it with `save_figure`.

    Raises:
        UserError: no panel.
    """
    if not panels:
        raise UserError("A figure expects at least one panel, got none.")
    styles = line_styles(name for panel in panels for name in panel.curves) if styles is None else styles
    columns = min(len(panels), _MAX_COLUMNS)
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows + _TITLE + _NOTES))
        outer = figure.subfigures(3, 1, height_ratios=(_TITLE, HEIGHT * rows, _NOTES), squeeze=False)
        head, body, foot = outer.ravel()
        parts = body.subfigures(rows, columns, squeeze=False).ravel()
        finish_panels([draw_panel(part, panel, styles) for part, panel in zip(parts, panels)])
        head.text(0.02 / columns, 0.6, title, va="center", fontsize=12, fontweight="bold", parse_math=False)
        notes = textwrap.fill(figure_notes(panels), 82 * columns)
        foot.text(0.02 / columns, 0.95, notes, va="top", fontsize=8, color=GREY)
    return figure


def panel_figure(panel: Panel, styles: Mapping[str, LineStyle]) -> Figure:
    """Draws one panel as a figure of its own, as wide as a phone; what the bands mean stands in its caption."""
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        finish_panels([draw_panel(figure, panel, styles)])
    return figure


def figure_notes(panels: Sequence[Panel]) -> str:
    """Says what the bands and the lines without a name mean."""
    controls = set(itertools.chain.from_iterable(panel.controls for panel in panels))
    notes = {
        BANDS: True,
        "Dashed: the ceiling, the best accuracy possible.": any(panel.ceiling for panel in panels),
        "Dotted: the control blind.": Blind.name in controls,
        "The dotted step leads to all of the past, which has no one length.": any(p.has_step for p in panels),
    }
    return " ".join(note for note, holds in notes.items() if holds)


def _has_model(rows: pd.DataFrame) -> bool:
    return bool((rows["control"] == "").any())
