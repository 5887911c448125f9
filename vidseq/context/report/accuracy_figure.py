"""Accuracy against context with its intervals, the controls beside it, and the best that is possible."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.context.report.axes import (
    GREY,
    Label,
    context_places,
    draw_context_axis,
    end_label,
    finish,
    new_figure,
    queries_text,
    short,
    write_labels,
)
from vidseq.context.report.lines import Style
from vidseq.evaluation.accuracy_curve import ContextCurve
from vidseq.evaluation.input_controls import Blind
from vidseq.evaluation.intervals import Interval
from vidseq.reporting.figures import FONT

#: Left, bottom, width and height of the curve, and how far it is from its end to the controls' beginning.
_CURVE, _BETWEEN = (0.115, 0.26, 0.445, 0.58), 0.205
#: Controls of so many names stand aslant; more stand upright in a wider place, so that none covers another.
_MAX_ASLANT = 8
_WIDER = 0.1


def accuracy_figure(
    title: str,
    curves: Mapping[str, ContextCurve],
    styles: Mapping[str, Style],
    *,
    ceiling: Mapping[str, float] | None = None,
    by_frames: bool = False,
) -> Figure:
    """Draws the curves of one mode on one set of queries.

    Args:
        title: what is shown.
        curves: by line, at least one.
        styles: of each line.
        ceiling: best accuracy possible by context, where known.
        by_frames: the axis counts frames instead of seconds, for a fixed span.
    """
    first = next(iter(curves.values()))
    places = context_places(list(curves.values()), by_frames)
    counts = queries_text(max(curves.values(), key=lambda curve: curve.num_seeds))
    figure = new_figure(title, counts, first.num_groups)
    with matplotlib.rc_context(FONT):
        controls = list(dict.fromkeys(name for curve in curves.values() for name in curve.controls))
        wider = _WIDER if len(controls) > _MAX_ASLANT else 0.0
        left, bottom, width, height = _CURVE
        axis = figure.add_axes((left, bottom, width - wider, height))
        labels = [_draw_line(axis, name, curve, styles[name], places, by_frames) for name, curve in curves.items()]
        if ceiling:
            labels.append(_draw_ceiling(axis, ceiling, places))
        beside = None
        if controls:
            start = left + width - wider + _BETWEEN
            beside = figure.add_axes((start, bottom, 0.99 - start, height), sharey=axis)
        if beside is not None:
            _draw_controls(beside, controls, curves, styles)
        _mark_blind(axis, curves)
        draw_context_axis(axis, list(curves.values()), places, by_frames)
        finish(axis, "accuracy (%)")
        low, high = axis.get_ylim()
        axis.set_ylim(max(low, -2), min(high, 102))
        write_labels(axis, labels)
    return figure


def _draw_line(
    axis: Axes, name: str, curve: ContextCurve, style: Style, places: Mapping[str, float], by_frames: bool
) -> Label:
    """Draws a line with its band; the step from the longest length to everything, which has no length, is dotted."""
    x = np.array([places[point.context] for point in curve.points])
    order = np.argsort(x, kind="stable")
    x = x[order]
    mean, low, high = (
        100 * np.array([getattr(curve.points[place].accuracy, end) for place in order])
        for end in ("mean", "low", "high")
    )
    measured = len(x) - (not by_frames and not np.isfinite(curve.points[order[-1]].seconds))
    axis.fill_between(x, low, high, color=style.color, alpha=0.14, lw=0, zorder=2)
    axis.plot(x[:measured], mean[:measured], color=style.color, lw=1.7, zorder=3)
    axis.plot(x[measured - 1 :], mean[measured - 1 :], color=style.color, lw=1.4, ls=(0, (1, 1.2)), zorder=3)
    axis.plot(x, mean, color=style.color, lw=0, marker=style.marker, ms=3.6, zorder=4)
    return end_label(name, float(mean[-1]), style.color)


def _draw_ceiling(axis: Axes, ceiling: Mapping[str, float], places: Mapping[str, float]) -> Label:
    names = sorted((name for name in ceiling if name in places), key=places.__getitem__)
    values = [100 * ceiling[name] for name in names]
    marker = "_" if len(names) == 1 else ""
    axis.plot([places[name] for name in names], values, color="black", lw=1.1, ls=(0, (4, 2)), marker=marker, zorder=2)
    return end_label("ceiling", values[-1], "black")


def _draw_controls(
    axis: Axes, controls: list[str], curves: Mapping[str, ContextCurve], styles: Mapping[str, Style]
) -> None:
    """A place a control, and in it a point with its interval for each line."""
    step = 0.62 / max(1, len(curves))
    for number, (name, curve) in enumerate(curves.items()):
        offset = (number - (len(curves) - 1) / 2) * step
        for place, control in enumerate(controls):
            if control in curve.controls:
                _draw_point(axis, place + offset, curve.controls[control], styles[name])
    names = [short(name.replace("_", " "), 19) for name in controls]
    aslant = len(controls) <= _MAX_ASLANT
    placed: dict[str, Any] = {"rotation": 60} if aslant else {"rotation": 90, "va": "center"}
    axis.set_xticks(range(len(controls)), names, ha="right", rotation_mode="anchor", **placed)
    axis.set_xlim(-0.6, len(controls) - 0.4)
    axis.set_facecolor("none")
    axis.set_title("controls", fontsize=8, color=GREY, pad=3)
    finish(axis)
    axis.tick_params(axis="y", labelleft=False, length=0)
    axis.tick_params(axis="x", length=2, labelsize=7.5 if aslant else 6.8, pad=1)
    axis.spines["left"].set_visible(False)


def _draw_point(axis: Axes, x: float, interval: Interval, style: Style) -> None:
    mean = 100 * interval.mean
    if np.isfinite(interval.low):
        axis.plot([x, x], [100 * interval.low, 100 * interval.high], color=style.color, lw=1.1, alpha=0.6)
    axis.plot([x], [mean], color=style.color, marker=style.marker, ms=3.4, lw=0)


def _mark_blind(axis: Axes, curves: Mapping[str, ContextCurve]) -> None:
    blind = [curve.controls[Blind.name].mean for curve in curves.values() if Blind.name in curve.controls]
    if blind:
        axis.axhline(100 * float(np.mean(blind)), color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1)
