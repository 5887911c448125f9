"""Draws an audit: the accuracy of each entry, one panel per family."""

import itertools

import matplotlib
import matplotlib.lines
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.audit.entries import AuditEntry, audit_entries, display_name
from vidseq.audit.findings import accuracy_of
from vidseq.baselines.majority import Majority
from vidseq.reporting.figures import FONT, plain_axis

#: Colours that colour-blind readers can distinguish (Okabe and Ito), by how much of the past an entry sees.
COLORS = {"nothing": "#666666", "present": "#E69F00", "short": "#56B4E9", "long": "#0072B2"}
_LEGEND = {"nothing": "no frame", "present": "the newest frame", "short": "a short window", "long": "all of the past"}


def audit_figure(rows: pd.DataFrame, name: str, short_seconds: float) -> Figure:
    """Draws the accuracy of each entry with its 95% interval; the dashed line is the majority answer.

    Args:
        rows: rows of an `Audit`.
        name: name of the data set.
        short_seconds: length of the past that the short entries see, in seconds.
    """
    families = list(rows.groupby("family", sort=False))
    entries = audit_entries(short_seconds)
    columns = min(3, len(families))
    lines = -(-len(families) // columns)
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(1.6 + 3.1 * columns, 2.4 * lines + 1.1), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False, sharey=True, sharex=True).ravel()
        for axis, family in itertools.zip_longest(axes, families):
            if family is None:
                axis.set_visible(False)
            else:
                _draw(axis, str(family[0]), family[1], entries)
        axes[0].invert_yaxis()
        figure.suptitle(f"{name}: what small probes get right", x=0.01, ha="left", fontsize=12, fontweight="bold")
        for axis in axes[len(families) - columns : len(families)]:  # the lowest of each column
            axis.set_xlabel("accuracy (%)")
            axis.tick_params(labelbottom=True)
        handles = [
            matplotlib.lines.Line2D([], [], color=color, marker="o", lw=2, label=f"sees {_LEGEND[part]}")
            for part, color in COLORS.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _draw(axis: Axes, family: str, rows: pd.DataFrame, entries: dict[str, AuditEntry]) -> None:
    found = accuracy_of(rows)
    shown = [name for name in entries if name in found]
    for row, name in enumerate(shown):
        interval, color = found[name], COLORS[entries[name].part]
        axis.plot([100 * interval.low, 100 * interval.high], [row, row], color=color, lw=2, solid_capstyle="round")
        axis.plot(100 * interval.mean, row, "o", color=color, ms=5)
    axis.axvline(100 * found[Majority.name].mean, color=COLORS["nothing"], lw=0.9, ls=(0, (4, 2)), zorder=0)
    axis.set_yticks(range(len(shown)), [display_name(name) for name in shown])
    axis.set_title(
        f"{family}\nn = {rows['query'].nunique():,} queries, {rows['group'].nunique()} groups", loc="left", fontsize=9
    )
    plain_axis(axis, grid="x")
