"""Draws the timeline of one video as a figure for a paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vidseq.data.timeline import DARK_TEXT, HATCHES, LabelStyle, label_style, stack, tick_step
from vidseq.data.words import clock, label_in_words
from vidseq.reporting.figures import ALARM, GREY, PALE
from vidseq.reporting.line_labels import short
from vidseq.timeline.content import Bar, Line, TimelineVideo

#: Inches of the figure's width, of a layer of bars, of the strip of confidence, of a row of answers, between rows, of
#: the time axis, and of a line of the legend.
WIDTH, _BAR, _STRIP, _MARKS, _GAP, _AXIS, _LEGEND = 7.2, 0.2, 0.08, 0.18, 0.08, 0.28, 0.158
#: Labels in the legend at most, those that last longest; and letters of a name.
MAX_LEGEND, _LETTERS = 24, 30
#: Bars shorter than this share of the video have no hatch: it would not show, and hatches take long to draw.
MIN_HATCHED = 0.004
#: matplotlib's hatches for those of a page.
_HATCHES = dict(zip(HATCHES, ("", "///", "..", "||")))
#: Right answers are dots, wrong ones crosses, those without a truth rings: marker, edge and face.
_ANSWERS = {True: ("o", "#009E73", "#009E73"), False: ("x", ALARM, ALARM), None: ("o", GREY, "white")}
#: Inches of a letter in small print.
_LETTER_WIDTH = 0.062


@dataclass(frozen=True)
class _Row:
    """A line of bars, or the answers of a model to the queries of one kind."""

    name: str
    height: float
    line: Line | None = None
    answers: Sequence[tuple[float, bool | None]] = ()
    """Time of each query, and whether the answer is right."""


def timeline_figure(video: TimelineVideo, labels: Sequence[str], *, width: float = WIDTH) -> Figure:
    """Draws the lines of a video below one another, then the answers of each model.

    Args:
        video: what to draw.
        labels: classes in order, which gives their colours; see `Timeline.all_labels`.
        width: of the figure, in inches.

    Returns:
        the figure. The strip below predicted bars is as high as the confidence. Right answers are dots, wrong ones
        crosses, and those without a truth rings.
    """
    styles = {label: label_style(index) for index, label in enumerate(labels)}
    rows = [*map(_line_row, video.lines), *_answer_rows(video)]
    legend = _legend(video, styles)
    letters = max((len(str(patch.get_label())) for patch in legend), default=0)
    columns = max(1, int(width / (0.45 + _LETTER_WIDTH * letters)))
    below = _AXIS + (_LEGEND * -(-len(legend) // columns) + 0.05 if legend else 0)
    drawn = sum(row.height + _GAP for row in rows) or _BAR
    figure = Figure(figsize=(width, drawn + below))
    gutter = (0.12 + _LETTER_WIDTH * max((len(short(row.name, _LETTERS)) for row in rows), default=0)) / width
    axis = figure.add_axes((gutter, below / (drawn + below), 0.985 - gutter, drawn / (drawn + below)))
    _draw_rows(axis, rows, drawn, styles)
    _style_axis(axis, video, width * (0.985 - gutter))
    if legend:
        figure.legend(handles=legend, loc="lower center", ncols=columns, fontsize=7.5, frameon=False,
                      handlelength=1.2, columnspacing=1.2, borderaxespad=0.1)  # fmt: skip
    return figure


def _line_row(line: Line) -> _Row:
    layers = max(stack((bar.start, bar.end) for bar in line.sorted_bars), default=0) + 1
    return _Row(line.name, layers * _BAR + (_STRIP if _has_confidence(line) else 0), line)


def _has_confidence(line: Line) -> bool:
    return any(bar.confidence is not None for bar in line.bars)


def _answer_rows(video: TimelineVideo) -> list[_Row]:
    found: dict[tuple[str, str], list[tuple[float, bool | None]]] = {}
    for query in video.queries:
        for answer in query.answers:
            found.setdefault((query.kind, answer.model), []).append((query.time, answer.right))
    return [
        _Row(f"{kind.replace('_', ' ')} · {model}", _MARKS, answers=answers)
        for (kind, model), answers in sorted(found.items(), key=lambda item: item[0][0])
    ]


def _draw_rows(axis: Axes, rows: Sequence[_Row], height: float, styles: Mapping[str, LabelStyle]) -> None:
    """Draws rows from the top down; the vertical axis is in inches."""
    axis.set_ylim(0, height)
    top, middles = height, []
    for row in rows:
        top -= row.height
        middles.append(top + row.height / 2)
        if row.line is not None:
            _draw_line(axis, row.line, top, row.height, styles)
        else:
            _draw_answers(axis, row, middles[-1])
        top -= _GAP
    axis.set_yticks(middles, [short(row.name, _LETTERS) for row in rows], fontsize=8, parse_math=False)


def _draw_line(axis: Axes, line: Line, bottom: float, height: float, styles: Mapping[str, LabelStyle]) -> None:
    bars = line.sorted_bars
    layers = stack((bar.start, bar.end) for bar in bars)
    top = bottom + height
    boxes: dict[tuple[LabelStyle, bool], list[np.ndarray]] = {}
    narrow = MIN_HATCHED * max((bar.end for bar in bars), default=0.0)
    for bar, layer in zip(bars, layers):
        low = top - (layer + 1) * _BAR
        key = styles[bar.label], bar.end - bar.start < narrow
        boxes.setdefault(key, []).append(_box(bar, low + 0.01, low + _BAR - 0.01))
    for (style, plain), found in boxes.items():
        axis.add_collection(PolyCollection(found, linewidth=0, **_paint(style._replace(hatch="") if plain else style)))
    known = [bar for bar in bars if bar.confidence is not None]
    strips = [_box(bar, bottom, bottom + (bar.confidence or 0.0) * (_STRIP - 0.02)) for bar in known]
    axis.add_collection(PolyCollection(strips, linewidth=0, facecolor=GREY))


def _box(bar: Bar, low: float, high: float) -> np.ndarray:
    return np.array([(bar.start, low), (bar.start, high), (bar.end, high), (bar.end, low)])


def _paint(style: LabelStyle) -> dict[str, Any]:
    return {
        "facecolor": style.color,
        "hatch": _HATCHES[style.hatch],
        "edgecolor": "#16202A" if style.color in DARK_TEXT else "white",
    }


def _draw_answers(axis: Axes, row: _Row, middle: float) -> None:
    for right, (marker, edge, face) in _ANSWERS.items():
        times = [time for time, verdict in row.answers if verdict is right]
        axis.plot(times, np.full(len(times), middle), marker, markersize=3.6, markeredgewidth=1,
                  markeredgecolor=edge, markerfacecolor=face, clip_on=False)  # fmt: skip


def _style_axis(axis: Axes, video: TimelineVideo, inches: float) -> None:
    axis.set_xlim(0, video.duration)
    step = tick_step(video.duration, most=max(2, int(inches / 0.6)))
    times = np.arange(0, video.duration + step / 1000, step)
    axis.set_xticks(times, [clock(float(seconds), step) for seconds in times])
    axis.tick_params(axis="x", labelsize=7.5, color=GREY)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=PALE, lw=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _legend(video: TimelineVideo, styles: Mapping[str, LabelStyle]) -> list[Patch]:
    """A patch for each label, in the order of the classes; where there are too many, those that last longest."""
    lasting: dict[str, float] = {}
    for line in video.lines:
        for bar in line.bars:
            lasting[bar.label] = lasting.get(bar.label, 0.0) + bar.end - bar.start
    kept = sorted(lasting, key=lambda label: -lasting[label])[:MAX_LEGEND]
    return [
        Patch(label=short(label_in_words(label), _LETTERS).lstrip("_"), linewidth=0, **_paint(style))
        for label, style in styles.items()
        if label in kept
    ]
