"""The horizontal axis of figures against context: where each context stands, and what is written below it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from vidseq.evaluation.accuracy_curve import ContextCurve

#: Ticks stand at least so far apart, as a share of the axis.
_MIN_APART = 0.115


def context_positions(curves: Sequence[ContextCurve], by_frames: bool) -> dict[str, float]:
    """Gives each context its position on a log axis: seconds or frames; all of the past is twice the longest."""
    points = {
        point.context: point.frames if by_frames else point.seconds for curve in curves for point in curve.points
    }
    finite = [value for value in points.values() if np.isfinite(value) and value > 0]
    beyond = 2 * max(finite, default=0.5)
    least = min(finite, default=1.0)
    return {name: max(value, least) if np.isfinite(value) else beyond for name, value in points.items()}


def draw_context_axis(
    axis: Axes, curves: Sequence[ContextCurve], positions: Mapping[str, float], by_frames: bool
) -> None:
    """Labels contexts in seconds, with the number of frames below; omits some where there are many.

    Where contexts were asked of different numbers of queries, these are the third line.

    Args:
        axis: of the figure.
        curves: whose contexts are shown.
        positions: see `context_positions`.
        by_frames: the axis counts frames instead of seconds, for a fixed span.
    """
    points = {point.context: point for curve in curves for point in curve.points}
    names = readable_ticks(positions)
    lines = {} if by_frames else {"seconds": [_seconds(points[name].seconds) for name in names]}
    lines["frames"] = [_number(points[name].frames) for name in names]
    if len({point.num_queries for point in points.values()}) > 1:
        lines["queries"] = [f"{points[name].num_queries:,}" for name in names]
    first, *below = lines
    label = "frames shown of the span" if by_frames else f"past shown: {first}"
    label += f", {' and '.join(below)} below" if below else ""
    axis.set_xscale("log", base=2)
    axis.set_xticks(
        [positions[name] for name in names], ["\n".join(texts) for texts in zip(*lines.values())], fontsize=7.5
    )
    axis.set_xlabel(label, fontsize=8)
    axis.minorticks_off()
    axis.margins(x=0.04)


def readable_ticks(positions: Mapping[str, float]) -> list[str]:
    """Chooses contexts whose names fit below the axis: the first, the last, and as many of the others as fit."""
    names = sorted(positions, key=positions.__getitem__)
    log = {name: float(np.log2(positions[name])) for name in names}
    least = _MIN_APART * (log[names[-1]] - log[names[0]])
    kept = names[:1]
    for name in names[1:-1]:
        if log[name] - log[kept[-1]] >= least and log[names[-1]] - log[name] >= least:
            kept.append(name)
    return kept if len(names) == 1 else [*kept, names[-1]]


def _seconds(value: float) -> str:
    return "all" if not np.isfinite(value) else f"{value:.3g}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
