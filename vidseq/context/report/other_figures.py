"""The other figures of a report: evidence age, model certificates against true reach, calibration."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import matplotlib.ticker
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.context.certificates import model_certificates
from vidseq.context.report.lines import Group, curves_of
from vidseq.evaluation.context_axis import context_positions, draw_context_axis
from vidseq.evaluation.figure_header import new_figure, queries_text
from vidseq.evaluation.input_controls import Blind
from vidseq.reporting.figures import FONT, GREY, LineStyle, small_axis
from vidseq.reporting.line_labels import Label, end_label, write_labels

_WIDE = (0.115, 0.18, 0.64, 0.66)


def evidence_age_figure(title: str, group: Group, styles: Mapping[str, LineStyle]) -> Figure | None:
    """Draws accuracy with all of the past against how long ago the newest evidence ended; None without evidence."""
    summaries = [item for item in group.summaries if item.evidence_age]
    if not summaries:
        return None
    curve = summaries[0].all_queries
    num_queries = sum(point.num_queries for point in summaries[0].evidence_age)
    figure = new_figure(title, queries_text(curve, num_queries), curve.num_groups)
    with matplotlib.rc_context(FONT):
        axis = figure.add_axes(_WIDE)
        labels = []
        for item in summaries:
            style = styles[item.line]
            x = [max(0.5, point.mean_seconds) for point in item.evidence_age]
            mean, low, high = (
                [100 * getattr(point.accuracy, end) for point in item.evidence_age] for end in ("mean", "low", "high")
            )
            axis.fill_between(x, low, high, color=style.color, alpha=0.14, lw=0)
            axis.plot(x, mean, color=style.color, lw=1.7, marker=style.marker, ms=3.6)
            labels.append(end_label(item.line, mean[-1], style.color, 0))
        blind = [
            item.all_queries.controls[Blind.name].mean for item in summaries if Blind.name in item.all_queries.controls
        ]
        if blind:
            axis.axhline(100 * float(np.mean(blind)), color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1)
            labels.append(Label(100 * float(np.mean(blind)), Blind.name, GREY))
        axis.set_xscale("log", base=2)
        points = summaries[0].evidence_age
        # Ages within the first second are one bin, which has no place on a log axis.
        ages = [f"{point.mean_seconds:.2g}" if point.low_seconds else "<1" for point in points]
        ticks = [f"{age}\n{point.num_queries}" for age, point in zip(ages, points)]
        axis.set_xticks([max(0.5, point.mean_seconds) for point in points], ticks, fontsize=7.5)
        axis.minorticks_off()
        axis.set_xlabel("age of the newest evidence: seconds, queries below", fontsize=8)
        small_axis(axis, "accuracy, all past (%)")
        write_labels(axis, labels)
    return figure


def certificates_of(group: Group) -> dict[str, pd.DataFrame]:
    """Finds the model certificates of each line, see `model_certificates`."""
    return {item.line: model_certificates(group.rows_of(item.line)) for item in group.summaries}


def certificate_figure(
    title: str, group: Group, certificates: Mapping[str, pd.DataFrame], styles: Mapping[str, LineStyle]
) -> Figure:
    """Draws the share of queries that are right for good with at most so much past, and the share whose evidence lies
    within it."""
    curves = curves_of(group, group.has_eligible)
    first = next(iter(curves.values()))
    figure = new_figure(title, queries_text(first), first.num_groups)
    with matplotlib.rc_context(FONT):
        axis = figure.add_axes(_WIDE)
        labels = []
        seconds = {name: table["model_certificate_seconds"].to_numpy(float) for name, table in certificates.items()}
        reach = next(iter(certificates.values())).drop_duplicates("query")["reach_seconds"].dropna().to_numpy(float)
        known = np.concatenate([reach, *seconds.values()])
        known = known[np.isfinite(known) & (known > 0)]
        # Lengths within the shortest context that was tested look the same, and a frame has a length of its own.
        least, most = min(first.points[0].seconds, 1.0), max(known.max(initial=2.0), 2.0)
        for name, values in seconds.items():
            last = _draw_shares(axis, values, (least, most), styles[name].color, "-")
            labels.append(end_label(name, last, styles[name].color, 0))
        if len(reach):
            labels.append(Label(_draw_shares(axis, reach, (least, most), "black", (0, (4, 2))), "true reach", "black"))
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_xlim(least, most * 1.05)
        axis.set_ylim(0, 103)
        axis.minorticks_off()
        axis.set_xlabel("past (seconds)", fontsize=8)
        small_axis(axis, "queries right for good (%)")
        write_labels(axis, labels)
    return figure


def _draw_shares(axis: Axes, values: np.ndarray, ends: tuple[float, float], color: str, style: Any) -> float:
    """Draws the share of values up to each value, over all of the axis; returns the last share, in percent."""
    finite = np.sort(values[np.isfinite(values)])
    share = 100 * np.arange(1, len(finite) + 1) / len(values)
    last = float(share[-1]) if len(share) else 0.0
    x, y = np.append(np.maximum(finite, ends[0]), ends[1]), np.append(share, last)
    axis.step(x, y, where="post", color=color, lw=1.1 if color == "black" else 1.7, ls=style)
    return last


def calibration_figure(title: str, group: Group, styles: Mapping[str, LineStyle]) -> Figure:
    """Draws the expected calibration error at each context."""
    curves = curves_of(group, group.has_eligible)
    by_frames = group.mode == "density"
    first = next(iter(curves.values()))
    positions = context_positions(list(curves.values()), by_frames)
    figure = new_figure(title, queries_text(first), first.num_groups)
    with matplotlib.rc_context(FONT):
        axis = figure.add_axes(_WIDE)
        labels = []
        for name, curve in curves.items():
            points = sorted(curve.points, key=lambda point: positions[point.context])
            error = [100 * point.calibration_error for point in points]
            x = [positions[point.context] for point in points]
            axis.plot(x, error, color=styles[name].color, lw=1.7, marker=styles[name].marker, ms=3.6)
            labels.append(end_label(name, error[-1], styles[name].color))
        draw_context_axis(axis, list(curves.values()), positions, by_frames)
        axis.set_ylim(0, max(5.0, axis.get_ylim()[1]))
        small_axis(axis, "calibration error (points)")
        write_labels(axis, labels)
    return figure
