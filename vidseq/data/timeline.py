"""Draws one video as SVG: thumbnails, a row of segments for each track, and the times of its queries."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from PIL import Image

from vidseq.data.schema import NEXT_ACTION, Query, Segment, Video
from vidseq.data.words import clock
from vidseq.reporting.pages import template_macros

#: Okabe and Ito's colours, which differ for people with any colour vision, without black. With labels beyond these the
#: colours come again, hatched.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
DARK_TEXT = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7")
HATCHES = ("", "diagonal", "dots", "bars")

#: Pixels of the whole picture, and of its margins to the left, with names, and to the right.
WIDTH, GUTTER, RIGHT = 1180, 112, 24
_SPAN = WIDTH - GUTTER - RIGHT
_TOP, _THUMBNAIL_HEIGHT, _ROW, _BAR, _AXIS, _MARKS = 2.0, 74, 26, 22, 20, 22
_LETTER = 6.3
"""Width of a letter of the small print, in pixels."""


class LabelStyle(NamedTuple):
    """How segments of one label look."""

    color: str
    hatch: str
    """One of `HATCHES`."""


class Box(NamedTuple):
    """A rectangle, in pixels."""

    left: float
    top: float
    width: float
    height: float


class Bar(NamedTuple):
    """A segment."""

    box: Box
    style: LabelStyle
    text: str
    """As much of the label as there is room for."""
    ink: str
    title: str


class Row(NamedTuple):
    """The segments of one track."""

    name: str
    top: float
    height: float
    bars: list[Bar]


class QueryMark(NamedTuple):
    """A query with its evidence, which shows when the query is pointed at."""

    number: int
    kind: str
    is_next: bool
    x: float
    evidence: list[tuple[float, float]]
    """Left and width of each interval."""
    title: str


class Thumbnail(NamedTuple):
    """A picture of the video."""

    href: str
    left: float
    width: float
    height: float


class Tick(NamedTuple):
    """A time on the axis."""

    x: float
    text: str


@dataclass(frozen=True)
class _Drawing:
    """What the template draws, in pixels."""

    name: str
    thumbnails: list[Thumbnail]
    rows: list[Row]
    marks: list[QueryMark]
    ticks: list[Tick]
    top: float
    """Where rows begin."""

    @property
    def bottom(self) -> float:
        """Where rows end."""
        return self.top + self.rows_height

    @property
    def rows_height(self) -> float:
        return sum(row.height for row in self.rows)

    @property
    def marks_middle(self) -> float:
        return self.bottom + _MARKS / 2

    @property
    def axis_top(self) -> float:
        return self.bottom + (_MARKS if self.marks else 0)

    @property
    def height(self) -> float:
        return self.axis_top + _AXIS


def label_style(index: int) -> LabelStyle:
    """Gives the colour and the hatch of a label by its index."""
    return LabelStyle(COLORS[index % len(COLORS)], HATCHES[index // len(COLORS) % len(HATCHES)])


def thumbnail(image: np.ndarray) -> str:
    """Writes an image as text that a page can hold.

    Args:
        image: uint8 (H, W, 3) RGB.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=72)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def draw_timeline(
    video: Video,
    segments: Sequence[Segment],
    queries: Sequence[Query],
    label_indices: Mapping[str, int],
    thumbnails: Sequence[str] = (),
) -> Markup:
    """Draws a video.

    Args:
        video: whose duration is the width.
        segments: by start.
        queries: their marks carry the indices 0, 1, ... in this order, as `data-query`.
        label_indices: the index of each label, which gives its colour.
        thumbnails: from `thumbnail`, evenly spread over the video.

    Returns:
        an SVG element.
    """
    top = _TOP + (_THUMBNAIL_HEIGHT + 4 if thumbnails else 0)
    drawing = _Drawing(
        name=f"Timeline of {video.video}",
        thumbnails=_thumbnails(thumbnails),
        rows=_rows(video, segments, label_indices, top),
        marks=[_mark(index, query, video) for index, query in enumerate(queries)],
        ticks=_ticks(video.duration),
        top=top,
    )
    macros = template_macros("timeline.html", width=WIDTH, gutter=GUTTER, right=RIGHT)
    return Markup(macros.timeline(drawing))


def _thumbnails(images: Sequence[str]) -> list[Thumbnail]:
    width = _SPAN / max(1, len(images))
    return [
        Thumbnail(image, GUTTER + index * width + 1, width - 2, _THUMBNAIL_HEIGHT)
        for index, image in enumerate(images)
    ]


def _rows(video: Video, segments: Sequence[Segment], label_indices: Mapping[str, int], top: float) -> list[Row]:
    rows = []
    for track in sorted({item.track for item in segments}):
        items = [item for item in segments if item.track == track]
        lanes = stack((item.start, item.end) for item in items)
        bars = [_bar(item, top + lane * _ROW, video, label_indices) for item, lane in zip(items, lanes)]
        rows.append(Row(track or "action", top, _ROW * (max(lanes, default=0) + 1), bars))
        top += rows[-1].height
    return rows


def stack(spans: Iterable[tuple[float, float]]) -> list[int]:
    """Finds a layer for each interval, counted from 0, so that none hides another in its layer.

    Args:
        spans: starts and ends, by start.
    """
    ends: list[float] = []
    layers = []
    for start, end in spans:
        layer = next((index for index, before in enumerate(ends) if before <= start), len(ends))
        ends[layer : layer + 1] = [end]
        layers.append(layer)
    return layers


def _bar(item: Segment, top: float, video: Video, label_indices: Mapping[str, int]) -> Bar:
    left, right = _x(item.start, video), _x(item.end, video)
    width = max(1.5, right - left - 1)
    style = label_style(label_indices.get(item.label, 0))
    room = int((width - 8) / _LETTER)
    words = item.label.replace("_", " ")
    words = words if len(words) <= room else f"{words[: room - 1]}…"
    ink = "dark" if style.color in DARK_TEXT else "light"
    title = f"{item.label}: {item.start:.2f} to {item.end:.2f} s"
    return Bar(Box(left, top + 2, width, _BAR), style, words if room >= 3 else "", ink, title)


def _mark(index: int, query: Query, video: Video) -> QueryMark:
    ends = [(_x(start, video), _x(end, video)) for start, end in query.evidence]
    title = f"{query.time:.2f} s: {query.question or 'What happens next?'} {query.answer}"
    evidence = [(left, max(2.0, right - left)) for left, right in ends]
    return QueryMark(index, query.kind, query.kind == NEXT_ACTION, _x(query.time, video), evidence, title)


def _x(seconds: float, video: Video) -> float:
    return round(GUTTER + _SPAN * min(1.0, seconds / video.duration), 1)


def _ticks(duration: float) -> list[Tick]:
    step = tick_step(duration)
    times = np.arange(0, duration + step / 1000, step)
    return [Tick(GUTTER + _SPAN * float(seconds) / duration, clock(seconds, step)) for seconds in times]


def tick_step(duration: float, most: int = 12) -> float:
    """Finds a round number of seconds that gives at most about so many ticks."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800):
        if duration / step <= most:
            return step
    return 3600.0 * -(-duration // (3600.0 * most))
