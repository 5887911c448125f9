"""The figure of recall: how often every head is right, a panel a task, a column a lag."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.analysis.recall_report import SOLVED
from vidseq.reporting.figures import COLORS

#: Pale where nothing is remembered, and dark in one hue, so that grey prints read alike.
MAP = "Blues"


def recall_figure(rows: pd.DataFrame) -> Figure:
    """Draws percent right by head and lag; a line where the head's sight ends, bold where a lag is solved.

    Args:
        rows: of `score_recall`, means over whose seeds are drawn; heads and tasks in the order in which they come.
    """
    heads, tasks = rows["head"].drop_duplicates(), rows["task"].drop_duplicates()
    lags = sorted(rows["lag"].unique())
    size = (2.2 + 0.47 * len(lags) * len(tasks), 1.5 + 0.23 * len(heads))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    sight = rows.groupby("head")["context_frames"].max().reindex(heads)
    for axes, task in zip(panels, tasks):
        means = rows[rows["task"] == task].pivot_table(index="head", columns="lag", values="accuracy")
        _draw_panel(axes, means.reindex(index=heads, columns=lags))
        for place, (head, frames) in enumerate(sight.items()):
            if head in means.index and math.isfinite(frames):
                border = np.searchsorted(lags, frames - 2, side="right") - 0.5  # what was shown and the question
                axes.plot([border] * 2, [place - 0.5, place + 0.5], color=COLORS[1], lw=2)
        axes.set_title(task.replace("_", " "), loc="left", fontsize=10, fontweight="bold")
        axes.set_xticks(range(len(lags)), [f"{lag:,}" for lag in lags], fontsize=8)
        axes.set_xlabel("lag (frames)")
    panels[0].set_yticks(range(len(heads)), heads)
    figure.supxlabel(
        f"Percent right, mean over seeds; bold: {100 * SOLVED:.0f} or more. Line: no longer lag can be seen.",
        fontsize=8,
    )
    return figure


def _draw_panel(axes: Axes, means: pd.DataFrame) -> None:
    """A coloured table of percents."""
    axes.imshow(means.to_numpy(float), cmap=MAP, vmin=0, vmax=1, aspect="auto")
    for place, values in enumerate(means.itertuples(index=False)):
        for column, value in enumerate(values):
            if not math.isnan(value):
                color, weight = ("white" if value > 0.6 else "black"), ("bold" if value >= SOLVED else "normal")
                axes.text(
                    column, place, f"{100 * value:.0f}", ha="center", va="center", size=7, color=color, weight=weight
                )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
