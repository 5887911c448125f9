"""What the figures of a report have in common: size, frame, the axis of contexts, names of lines, warnings."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.evaluation.accuracy_curve import ContextCurve
from vidseq.evaluation.intervals import FEW_GROUPS, VERY_FEW_GROUPS, rough_text
from vidseq.reporting.figures import FONT, LABEL_HEIGHT, plain_axis, spread_labels

GREY, ALARM = "#666666", "#B33A00"
#: Inches. Shown as wide as a phone, letters are about ten pixels high.
WIDTH, HEIGHT = 4.7, 3.75
#: Ticks stand at least so far apart, as a share of the axis.
_MIN_APART = 0.115
#: Height of the name of a line, as a share of the axis; and its most letters.
_LABEL_HEIGHT, _LETTERS = 0.07, 13


class Label(NamedTuple):
    """The name of a line, written where it ends."""

    height: float
    """On the vertical axis."""
    text: str
    color: str


def new_figure(title: str, subtitle: str, num_groups: int) -> Figure:
    """An empty figure with its title, and a warning where intervals rest on few groups.

    Args:
        title: what is shown; text of a data set, never read as a formula.
        subtitle: of how many queries, groups and trained models.
        num_groups: what intervals rest on.
    """
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        left = 0.02
        figure.text(left, 0.985, short(title, 52), va="top", fontsize=10.5, fontweight="bold", parse_math=False)
        figure.text(left, 0.925, subtitle, va="top", fontsize=8, color=GREY, parse_math=False)
        if num_groups < FEW_GROUPS:
            very = num_groups < VERY_FEW_GROUPS
            figure.text(
                left, 0.87, rough_text(num_groups), va="top", fontsize=8, color=ALARM if very else GREY,
                fontweight="bold" if very else "normal",
            )  # fmt: skip
    return figure


def finish(axis: Axes, ylabel: str = "") -> None:
    """Takes away what is not needed, and adds a quiet grid."""
    plain_axis(axis)
    axis.tick_params(labelsize=8)
    axis.set_ylabel(ylabel, fontsize=8.5)


def context_places(curves: Sequence[ContextCurve], by_frames: bool) -> dict[str, float]:
    """Where contexts stand on a log axis: seconds or frames; everything stands one doubling beyond the longest."""
    points = {
        point.context: point.frames if by_frames else point.seconds for curve in curves for point in curve.points
    }
    finite = [value for value in points.values() if np.isfinite(value) and value > 0]
    beyond = 2 * max(finite, default=0.5)
    least = min(finite, default=1.0)
    return {name: max(value, least) if np.isfinite(value) else beyond for name, value in points.items()}


def draw_context_axis(
    axis: Axes, curves: Sequence[ContextCurve], places: Mapping[str, float], by_frames: bool
) -> None:
    """Labels contexts in seconds with the number of frames below; leaves some out where there are many."""
    frames = {point.context: point.frames for curve in curves for point in curve.points}
    seconds = {point.context: point.seconds for curve in curves for point in curve.points}
    names = readable_ticks(places)
    axis.set_xscale("log", base=2)
    if by_frames:
        texts = [_number(frames[name]) for name in names]
        axis.set_xlabel("frames shown of the span", fontsize=8)
    else:
        texts = [f"{_seconds(seconds[name])}\n{_number(frames[name])}" for name in names]
        axis.set_xlabel("past shown: seconds, frames below", fontsize=8)
    axis.set_xticks([places[name] for name in names], texts, fontsize=7.5)
    axis.minorticks_off()
    axis.margins(x=0.04)


def readable_ticks(places: Mapping[str, float]) -> list[str]:
    """The contexts whose names fit below the axis: always the first and the last, of the others as many as fit."""
    names = sorted(places, key=places.__getitem__)
    position = {name: float(np.log2(places[name])) for name in names}
    least = _MIN_APART * (position[names[-1]] - position[names[0]])
    kept = names[:1]
    for name in names[1:-1]:
        if position[name] - position[kept[-1]] >= least and position[names[-1]] - position[name] >= least:
            kept.append(name)
    return kept if len(names) == 1 else [*kept, names[-1]]


def write_labels(axis: Axes, labels: Sequence[Label], x: float = 1.03) -> None:
    """Writes names of lines to the right of an axis, moved apart where they would touch."""
    bottom, top = axis.get_ylim()
    heights = [(label.height - bottom) / (top - bottom) for label in labels]
    scale = _LABEL_HEIGHT / LABEL_HEIGHT
    spread = within_axis([scale * height for height in spread_labels([height / scale for height in heights])])
    for height, label in zip(spread, labels):
        axis.annotate(
            label.text, (x, height), xycoords="axes fraction", color=label.color, va="center", fontsize=7.5,
            annotation_clip=False, parse_math=False,
        )  # fmt: skip


def within_axis(heights: Sequence[float]) -> list[float]:
    """Moves heights that are apart into [0, 1] as far as there is room, in the same order and still apart."""
    moved = list(heights)
    order = sorted(range(len(moved)), key=moved.__getitem__)
    for above, place in enumerate(reversed(order)):
        moved[place] = min(moved[place], 1 - above * _LABEL_HEIGHT)
    for below, place in enumerate(order):
        moved[place] = max(moved[place], below * _LABEL_HEIGHT)
    return moved


def end_label(name: str, height: float, color: str, digits: int = 1) -> Label:
    """The name of a line with the number at which it ends; a long name alone, and cut."""
    text = f"{name or 'model'} {height:.{digits}f}"
    return Label(height, text if len(text) <= _LETTERS else short(name, _LETTERS), color)


def queries_text(curve: ContextCurve, num_queries: int | None = None) -> str:
    """What a figure rests on: "1,200 queries, 40 groups, 2 trained models", or of pooled splits "2 seeds, a model a
    split".

    Args:
        curve: the one with most models.
        num_queries: if there are others than the curve's.
    """
    pooled = curve.num_splits > 1
    counts = (
        (curve.num_queries if num_queries is None else num_queries, "quer", "y", "ies"),
        (curve.num_groups, "group", "", "s"),
        (curve.num_seeds, "seed" if pooled else "trained model", "", "s"),
    )
    text = ", ".join(f"{number:,} {stem}{one if number == 1 else many}" for number, stem, one, many in counts)
    return f"{text}, a model a split" if pooled else text


def short(text: str, letters: int) -> str:
    """A text of at most so many letters."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _seconds(value: float) -> str:
    return "all" if not np.isfinite(value) else f"{value:.3g}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
