"""The reliability diagram: how often predictions of a probability are right."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.evaluation.calibration import reliability_bins
from vidseq.evaluation.figure_header import new_figure
from vidseq.evaluation.metrics import expected_calibration_error
from vidseq.reporting.figures import FONT, GREY, LineStyle, line_styles, small_axis
from vidseq.reporting.line_labels import short

_AXIS = (0.13, 0.14, 0.84, 0.68)


def reliability_figure(rows: pd.DataFrame, *, title: str, line: str = "head") -> Figure:
    """Draws accuracy against probability, in bins; calibrated predictions lie on the diagonal.

    Points are as large as their share of the predictions, bars are 95% intervals over groups.

    Args:
        rows: with the columns of `vidseq.evaluation.calibration.COLUMNS`.
        title: what is shown.
        line: the column whose values are the lines.
    """
    subtitle = f"{len(rows):,} answers, {rows['group'].nunique()} groups; bars: 95% intervals over groups"
    figure = new_figure(title, subtitle, rows["group"].nunique())
    with matplotlib.rc_context(FONT):
        axis = figure.add_axes(_AXIS)
        axis.plot([0, 100], [0, 100], color=GREY, lw=0.9, ls=(0, (4, 2)), zorder=1)
        styles = line_styles(str(name) for name in rows[line].unique())
        for name, part in rows.groupby(line, sort=False):
            _draw_line(axis, str(name), part, styles[str(name)])
        axis.set_xlim(0, 100)
        axis.set_ylim(-2, 102)
        axis.set_xlabel("probability of the prediction (%)", fontsize=8.5)
        small_axis(axis, "accuracy (%)")
        axis.legend(loc="upper left", fontsize=8, frameon=False)
    return figure


def _draw_line(axis: Axes, name: str, rows: pd.DataFrame, style: LineStyle) -> None:
    bins = reliability_bins(rows)
    x = np.array([100 * part.confidence for part in bins])
    mean, low, high = (
        100 * np.array([getattr(part.accuracy, end) for part in bins]) for end in ("mean", "low", "high")
    )
    label = f"{short(name, 24)}: ECE {100 * expected_calibration_error(rows):.1f}"
    axis.plot(x, mean, color=style.color, lw=1.4, zorder=3, label=label)
    axis.vlines(x, low, high, color=style.color, lw=1.0, alpha=0.5, zorder=2)
    sizes = [6 + 130 * part.share for part in bins]
    axis.scatter(x, mean, s=sizes, color=style.color, marker=style.marker, zorder=4)
