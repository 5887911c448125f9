"""Draws one set of queries: the curve of each line, the controls beside them, and the best accuracy possible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from vidseq.evaluation.accuracy_curve import ContextCurve
from vidseq.evaluation.context_axis import context_positions, draw_context_axis
from vidseq.evaluation.figure_header import queries_text, write_header
from vidseq.evaluation.input_controls import Blind
from vidseq.evaluation.intervals import Interval
from vidseq.reporting.figures import GREY, LineStyle, small_axis
from vidseq.reporting.line_labels import Label, end_label, short, write_labels

#: Left, bottom, width and height of the curves, and how far it is from their end to the controls' beginning.
_CURVES, _BETWEEN = (0.115, 0.26, 0.445, 0.56), 0.205
#: The names of so many controls stand aslant; more stand upright in a wider axis, so that none covers another.
_MAX_ASLANT = 8
_WIDER = 0.1


@dataclass(frozen=True)
class Panel:
    """What is drawn of one set of queries."""

    title: str
    curves: Mapping[str, ContextCurve]
    """By line, at least one."""
    ceiling: Mapping[str, float] = field(default_factory=dict)
    """The best accuracy possible by context, where it is known; a share."""
    by_frames: bool = False
    """The axis counts frames instead of seconds, for a fixed span."""

    @property
    def controls(self) -> list[str]:
        """The controls of any line, in the order in which they come."""
        return list(dict.fromkeys(name for curve in self.curves.values() for name in curve.controls))

    @property
    def has_step(self) -> bool:
        """Whether the last point is all of the past, which has no one length."""
        return not self.by_frames and any(not np.isfinite(curve.points[-1].seconds) for curve in self.curves.values())


@dataclass(frozen=True)
class DrawnPanel:
    """A panel whose vertical axis can still change; see `finish_panel`."""

    axis: Axes
    labels: Sequence[Label]


def draw_panel(figure: FigureBase, panel: Panel, styles: Mapping[str, LineStyle]) -> DrawnPanel:
    """Draws a panel into a figure, or into a part of one.

    Args:
        figure: empty, of the size that `write_header` expects.
        panel: what to draw.
        styles: of each line.
    """
    curves = list(panel.curves.values())
    positions = context_positions(curves, panel.by_frames)
    write_header(
        figure, panel.title, queries_text(max(curves, key=lambda curve: curve.num_seeds)), curves[0].num_groups
    )
    axis, beside = _add_axes(figure, len(panel.controls))
    labels = [
        _draw_line(axis, name, curve, styles[name], positions, panel.by_frames) for name, curve in panel.curves.items()
    ]
    if panel.ceiling:
        labels.append(_draw_ceiling(axis, panel.ceiling, positions))
    if beside is not None:
        _draw_controls(beside, panel, styles)
    _mark_blind(axis, curves)
    draw_context_axis(axis, curves, positions, panel.by_frames)
    small_axis(axis, "accuracy (%)")
    return DrawnPanel(axis, labels)


def finish_panels(panels: Sequence[DrawnPanel]) -> None:
    """Gives panels one vertical axis, within 0 and 100%, and writes the names of their lines."""
    ends = [panel.axis.get_ylim() for panel in panels]
    low, high = max(-2.0, min(low for low, _ in ends)), min(102.0, max(high for _, high in ends))
    for panel in panels:
        panel.axis.set_ylim(low, high)
        write_labels(panel.axis, panel.labels)


def _add_axes(figure: FigureBase, num_controls: int) -> tuple[Axes, Axes | None]:
    wider = _WIDER if num_controls > _MAX_ASLANT else 0.0
    left, bottom, width, height = _CURVES
    axis = figure.add_axes((left, bottom, width - wider, height))
    if not num_controls:
        return axis, None
    start = left + width - wider + _BETWEEN
    return axis, figure.add_axes((start, bottom, 0.99 - start, height), sharey=axis)


def _draw_line(
    axis: Axes, name: str, curve: ContextCurve, style: LineStyle, positions: Mapping[str, float], by_frames: bool
) -> Label:
    """Draws a line with its band; the step from the longest length to everything, which has no length, is dotted."""
    x = np.array([positions[point.context] for point in curve.points])
    order = np.argsort(x, kind="stable")
    x = x[order]
    mean, low, high = (
        100 * np.array([getattr(curve.points[index].accuracy, end) for index in order])
        for end in ("mean", "low", "high")
    )
    measured = len(x) - (not by_frames and not np.isfinite(curve.points[order[-1]].seconds))
    axis.fill_between(x, low, high, color=style.color, alpha=0.14, lw=0, zorder=2)
    axis.plot(x[:measured], mean[:measured], color=style.color, lw=1.7, zorder=3)
    axis.plot(x[measured - 1 :], mean[measured - 1 :], color=style.color, lw=1.4, ls=(0, (1, 1.2)), zorder=3)
    axis.plot(x, mean, color=style.color, lw=0, marker=style.marker, ms=3.6, zorder=4)
    return end_label(name, float(mean[-1]), style.color)


def _draw_ceiling(axis: Axes, ceiling: Mapping[str, float], positions: Mapping[str, float]) -> Label:
    names = sorted((name for name in ceiling if name in positions), key=positions.__getitem__)
    values = [100 * ceiling[name] for name in names]
    marker = "_" if len(names) == 1 else ""
    x = [positions[name] for name in names]
    axis.plot(x, values, color="black", lw=1.1, ls=(0, (4, 2)), marker=marker, zorder=2)
    return end_label("ceiling", values[-1], "black")


def _draw_controls(axis: Axes, panel: Panel, styles: Mapping[str, LineStyle]) -> None:
    """Draws a column a control, and in it a point with its interval for each line."""
    controls = panel.controls
    step = 0.62 / max(1, len(panel.curves))
    for line, (name, curve) in enumerate(panel.curves.items()):
        offset = (line - (len(panel.curves) - 1) / 2) * step
        for column, control in enumerate(controls):
            if control in curve.controls:
                _draw_point(axis, column + offset, curve.controls[control], styles[name])
    names = [short(name.replace("_", " "), 19) for name in controls]
    aslant = len(controls) <= _MAX_ASLANT
    placed: dict[str, Any] = {"rotation": 60} if aslant else {"rotation": 90, "va": "center"}
    axis.set_xticks(range(len(controls)), names, ha="right", rotation_mode="anchor", **placed)
    axis.set_xlim(-0.6, len(controls) - 0.4)
    axis.set_facecolor("none")
    axis.set_title("controls", fontsize=8, color=GREY, pad=3)
    small_axis(axis)
    axis.tick_params(axis="y", labelleft=False, length=0)
    axis.tick_params(axis="x", length=2, labelsize=7.5 if aslant else 6.8, pad=1)
    axis.spines["left"].set_visible(False)


def _draw_point(axis: Axes, x: float, interval: Interval, style: LineStyle) -> None:
    mean = 100 * interval.mean
    if np.isfinite(interval.low):
        axis.plot([x, x], [100 * interval.low, 100 * interval.high], color=style.color, lw=1.1, alpha=0.6)
    axis.plot([x], [mean], color=style.color, marker=style.marker, ms=3.4, lw=0)


def _mark_blind(axis: Axes, curves: Sequence[ContextCurve]) -> None:
    blind = [curve.controls[Blind.name].mean for curve in curves if Blind.name in curve.controls]
    if blind:
        axis.axhline(100 * float(np.mean(blind)), color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1)
