"""The figure of accuracy against context, with its controls, made from rows alone."""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.errors import UserError
from vidseq.evaluation.accuracy_curve import eligible_rows, eligible_seconds
from vidseq.evaluation.intervals import VERY_FEW_GROUPS, FewGroupsWarning, Interval, accuracy_interval, rough_text
from vidseq.reporting.figures import COLORS, FONT, plain_axis, spread_labels

_GREY = "#666666"
#: Line styles of controls, which are all grey.
_STYLES = ((0, (1, 1.5)), (0, (4, 2)), (0, (6, 2, 1, 2)), (0, (2, 1, 2, 4)), (0, (8, 2)))


@dataclass(frozen=True)
class Panel:
    """One set of axes: its title, and the rows in it."""

    title: str
    rows: pd.DataFrame


def context_panels(rows: pd.DataFrame) -> list[Panel]:
    """Two panels of the same rows: the queries that have the past of every length shown, so that each point is the
    same set; and all queries, at all lengths.

    Raises:
        UserError: no rows of a model at different contexts.
    """
    longest = eligible_seconds(rows)
    panels = []
    if longest > 0:
        same = eligible_rows(rows, longest)
        panels.append(Panel(f"Queries with {longest:g} s of past or more: the same at every point", same))
    return [*panels, Panel("All queries", rows)]


def family_panels(rows: pd.DataFrame) -> list[Panel]:
    """One panel a family of questions, in the order in which they come."""
    return [Panel(str(family), part) for family, part in rows.groupby("family", sort=False)]


def context_figure(panels: Sequence[Panel], *, title: str, line: str = "head") -> Figure:
    """Draws accuracy against context: a line for each head with its 95% interval, controls as level lines.

    Args:
        panels: see `context_panels` and `family_panels`.
        title: what is shown, such as "50 Salads: next action, 1 s ahead".
        line: the column whose values are the lines.

    Returns:
        the figure; save it with `save_figure`.

    Raises:
        UserError: no rows of a model at different contexts.
    """
    if not panels:
        raise UserError("A figure expects at least one panel, got none.")
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    with matplotlib.rc_context(FONT), warnings.catch_warnings():
        warnings.simplefilter("ignore", FewGroupsWarning)  # told on the figure
        figure = Figure(figsize=(4.9 * columns, 3.7 * lines + 0.7), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        labels = [_draw_panel(axis, panel, line) for axis, panel in zip(axes, panels)]
        for axis, of_panel in zip(axes, labels):  # now that all panels have set the axis they share
            _write_labels(axis, of_panel)
        for axis in axes[::columns]:
            axis.set_ylabel("accuracy (%)")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.text(0.01, -0.01, _small_print(pd.concat([panel.rows for panel in panels])), va="top", color=_GREY)
    return figure


def _draw_panel(axis: Axes, panel: Panel, line: str) -> list[tuple[float, str, str]]:
    """Draws all lines; gives height, name and colour of each, to be written at its end."""
    curve = _curve_rows(panel.rows)
    contexts = curve.groupby("context")["context_seconds"].mean().sort_values()
    places = _places(contexts)
    labels: list[tuple[float, str, str]] = []
    for (name, part), color in zip(curve.groupby(line, sort=False), itertools.cycle(COLORS)):
        labels.append((_draw_line(axis, part, places, color), str(name) or "model", color))
    if curve["ceiling"].notna().any():
        known = 100 * curve.groupby("context")["ceiling"].mean().dropna()
        order = sorted(known.index, key=places.__getitem__)
        axis.plot([places[name] for name in order], known[order], color="black", lw=1, ls=(0, (3, 1)))
        labels.append((float(known[order[-1]]), "best possible", "black"))
    controls = panel.rows[panel.rows["control"] != ""]
    for (name, part), style in zip(controls.groupby("control", sort=False), itertools.cycle(_STYLES)):
        value = 100 * float(part["correct"].mean())
        axis.axhline(value, color=_GREY, lw=1, ls=style, zorder=1)
        labels.append((value, str(name).replace("_", " "), _GREY))
    _finish_axes(axis, contexts, places, panel)
    return labels


def _draw_line(axis: Axes, part: pd.DataFrame, places: dict[str, float], color: str) -> float:
    """Draws one line with its band; gives the height at which it ends, in percent."""
    points: list[tuple[float, Interval]] = []
    for context, rows in part.groupby("context"):
        points.append((places[str(context)], accuracy_interval(rows)))
    points.sort(key=lambda point: point[0])
    x = [place for place, _ in points]
    mean = [100 * interval.mean for _, interval in points]
    low, high = ([100 * getattr(interval, end) for _, interval in points] for end in ("low", "high"))
    axis.fill_between(x, low, high, color=color, alpha=0.14, lw=0, zorder=2)
    axis.plot(x, mean, color=color, lw=1.8, marker="o", ms=3.5, zorder=3)
    return mean[-1]


def _places(contexts: "pd.Series[float]") -> dict[str, float]:
    """Where each context stands: seconds on a log axis, everything one doubling beyond the longest."""
    finite = contexts[np.isfinite(contexts)]
    beyond = 2 * float(finite.max()) if len(finite) else 1.0
    return {str(name): float(value) if np.isfinite(value) else beyond for name, value in contexts.items()}


def _finish_axes(axis: Axes, contexts: "pd.Series[float]", places: dict[str, float], panel: Panel) -> None:
    axis.set_xscale("log", base=2)
    ticks = {places[name]: "all" if name == "full" else f"{seconds:.3g}" for name, seconds in contexts.items()}
    ticks |= {places[name]: str(name) for name in contexts.index if str(name).endswith("f")}
    axis.set_xticks(list(ticks), list(ticks.values()), fontsize=8)
    axis.minorticks_off()
    axis.set_xlabel("past shown to the model (seconds, or frames as in 1f)")
    queries = panel.rows.drop_duplicates(["dataset", "split", "query"])
    axis.set_title(
        f"{panel.title}\nn = {len(queries):,} queries, {queries['group'].nunique()} groups", loc="left", fontsize=9
    )
    plain_axis(axis)
    axis.margins(x=0.03)


def _write_labels(axis: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Names each line at its right end, moved up or down where names would touch."""
    bottom, top = axis.get_ylim()
    heights = spread_labels([(value - bottom) / (top - bottom) for value, _, _ in labels])
    for height, (value, name, color) in zip(heights, labels):
        text = f"{name}  {value:.1f}"
        axis.annotate(
            text,
            (1.02, height),
            xycoords="axes fraction",
            color=color,
            va="center",
            fontsize=8.5,
            annotation_clip=False,
        )


def _curve_rows(rows: pd.DataFrame) -> pd.DataFrame:
    curve = rows[rows["control"] == ""]
    if curve["context"].nunique() < 2:
        raise UserError(
            f"A context figure expects a model's rows at two contexts or more, got {curve['context'].nunique()}."
        )
    return curve


def _small_print(rows: pd.DataFrame) -> str:
    groups, seeds = rows["group"].nunique(), rows["seed"].nunique()
    text = (
        f"Bands: 95% bootstrap intervals over groups ({groups}) and seeds ({seeds}).\n"
        "Grey: controls, with all of the past unless their name says otherwise; mean over lines."
    )
    if groups < VERY_FEW_GROUPS:
        text += f"\n{rough_text(groups)}"
    return text
