"""Draws a comparison: the context curve of each head, or accuracy against the bytes of the streaming state."""

import itertools

import pandas as pd
from matplotlib.figure import Figure

from vidseq.analysis.budget import MATCHES
from vidseq.comparison.plan import ComparisonPlan
from vidseq.evaluation.accuracy_figure import context_figure, context_panels
from vidseq.evaluation.pairing import context_names
from vidseq.reporting.figures import COLORS, plain_axis


def comparison_figure(plan: ComparisonPlan, table: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Draws the context curves, or with a single context each head's accuracy against its bytes of state.

    Args:
        plan: the comparison.
        table: table of `comparison_table`.
        rows: rows of all runs.
    """
    title = f"{plan.dataset}: heads of equal {MATCHES[plan.match]}"
    if len(context_names(rows)) > 1:
        seeds = f"{len(plan.seeds)} seed{'' if len(plan.seeds) == 1 else 's'}"
        return context_figure(context_panels(rows), title=f"{title}, {seeds}")
    return _against_state(plan, table, title)


def _against_state(plan: ComparisonPlan, table: pd.DataFrame, title: str) -> Figure:
    figure = Figure(figsize=(6.2, 4.2), layout="constrained")
    axis = figure.subplots()
    for line, color in zip(table.to_dict("records"), itertools.cycle(COLORS)):
        accuracy, low, high = (100 * line[f"accuracy_full{end}"] for end in ("", "_low", "_high"))
        axis.plot([line["state_bytes"]] * 2, [low, high], color=color, lw=1.6)
        axis.plot(line["state_bytes"], accuracy, "o", color=color)
        axis.annotate(
            line["head"], (line["state_bytes"], accuracy), (6, 3), textcoords="offset points", color=color, fontsize=9
        )
    axis.set_xscale("log", base=10)
    axis.margins(x=0.15)
    axis.set_xlabel(f"bytes of state after {plan.frames} frames")
    axis.set_ylabel("accuracy (%)")
    axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
    plain_axis(axis)
    figure.text(0.01, -0.02, f"Bars: 95% bootstrap intervals over {table['groups'].max()} groups and seeds.", va="top")
    return figure
