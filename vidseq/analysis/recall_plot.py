"""Draws the accuracy of heads on recall tasks: one panel per task, one column per lag."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.analysis.recall_report import SOLVED
from vidseq.reporting.figures import COLORS

#: A map of one hue from pale to dark, which is readable in greyscale prints.
MAP = "Blues"


def recall_figure(rows: pd.DataFrame) -> Figure:
    """Draws percent right by head and lag, bold if the lag is solved, with a line where the head's context ends.

    Args:
        rows: rows of `score_recall`; the figure shows means over seeds, with heads and tasks in the order of the rows.
    """
    heads, tasks = rows["head"].drop_duplicates(), rows["task"].drop_duplicates()
    lags = sorted(rows["lag"].unique())
    size = (2.2 + 0.47 * len(lags) * len(tasks), 1.5 + 0.23 * len(heads))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    reach = rows.groupby("head")["context_frames"].max().reindex(heads)
    for axes, task in zip(panels, tasks):
        means = rows[rows["task"] == task].pivot_table(index="head", columns="lag", values="accuracy")
        _draw_panel(axes, means.reindex(index=heads, columns=lags))
        for row, (head, frames) in enumerate(reach.items()):
            if head in means.index and math.isfinite(frames):
                # The shown frame and the question take two frames of the context.
                border = np.searchsorted(lags, frames - 2, side="right") - 0.5
                axes.plot([border] * 2, [row - 0.5, row + 0.5], color=COLORS[1], lw=2)
        axes.set_title(task.replace("_", " "), loc="left", fontsize=10, fontweight="bold")
        axes.set_xticks(range(len(lags)), [f"{lag:,}" for lag in lags], fontsize=8)
        axes.set_xlabel("lag (frames)")
    panels[0].set_yticks(range(len(heads)), heads)
    figure.supxlabel(
        f"Percent right, mean over seeds; bold: {100 * SOLVED:.0f} or more. Line: longer lags exceed the context.",
        fontsize=8,
    )
    return figure


def _draw_panel(axes: Axes, means: pd.DataFrame) -> None:
    """Draws a coloured table of percentages."""
    axes.imshow(means.to_numpy(float), cmap=MAP, vmin=0, vmax=1, aspect="auto")
    for row, values in enumerate(means.itertuples(index=False)):
        for column, value in enumerate(values):
            if not math.isnan(value):
                color, weight = ("white" if value > 0.6 else "black"), ("bold" if value >= SOLVED else "normal")
                axes.text(
                    column, row, f"{100 * value:.0f}", ha="center", va="center", size=7, color=color, weight=weight
                )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
