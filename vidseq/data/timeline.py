"""The picture of one video: thumbnails, a row of segments a track, the times of its queries; as SVG, in seconds."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

from vidseq.data.schema import NEXT_ACTION, Query, Segment, Video

#: Okabe and Ito's colours, which people with any colour vision tell apart, without black. With labels beyond these the
#: colours come again, hatched.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_DARK_TEXT = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7")
HATCHES = ("", "diagonal", "dots", "bars")

WIDTH, GUTTER, RIGHT = 1180, 112, 24
_THUMBNAIL_HEIGHT, _ROW, _BAR, _AXIS, _MARKS = 74, 26, 22, 20, 22
_LETTER = 6.3
"""Width of a letter of the small print, in pixels."""


def label_style(index: int) -> tuple[str, str]:
    """The colour of a label and its hatch, by its number."""
    return COLORS[index % len(COLORS)], HATCHES[index // len(COLORS) % len(HATCHES)]


def hatch_patterns() -> str:
    """The hatches, to stand once in a page."""
    shapes = {
        "diagonal": '<path d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2" stroke="#fff" stroke-width="1.6"/>',
        "dots": '<circle cx="3" cy="3" r="1.3" fill="#fff"/>',
        "bars": '<path d="M1.5,0 v6" stroke="#fff" stroke-width="1.6"/>',
    }
    patterns = "".join(
        f'<pattern id="hatch-{name}" width="6" height="6" patternUnits="userSpaceOnUse">{shape}</pattern>'
        for name, shape in shapes.items()
    )
    return f'<svg width="0" height="0" aria-hidden="true"><defs>{patterns}</defs></svg>'


def swatch(index: int) -> str:
    """A small square in the style of a label."""
    return f'<svg class="swatch" width="14" height="14" aria-hidden="true">{_box(0, 0, 14, 14, index)}</svg>'


def thumbnail(image: np.ndarray) -> str:
    """An image as text that a page can hold.

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
    label_numbers: Mapping[str, int],
    thumbnails: Sequence[str] = (),
) -> str:
    """Draws a video.

    Args:
        video: whose duration is the width.
        segments: by start.
        queries: their marks carry the numbers 0, 1, ... in this order, as `data-query`.
        label_numbers: the number of each label, which gives its colour.
        thumbnails: from `thumbnail`, evenly spread over the video.

    Returns:
        an SVG element.
    """
    tracks = {track: [item for item in segments if item.track == track] for track in _tracks(segments)}
    parts: list[str] = []
    top = 2.0
    if thumbnails:
        parts.append(_thumbnails(thumbnails, top))
        top += _THUMBNAIL_HEIGHT + 4
    bottom = top
    for track, items in tracks.items():
        lanes = _lanes(items)
        height = _ROW * (max(lanes, default=0) + 1)
        parts.append(_row_name(track or "action", bottom + height / 2))
        parts.append(
            f'<rect class="row" x="{GUTTER}" y="{bottom + 1:g}" width="{_span()}" height="{height - 2}" rx="3"/>'
        )
        parts += [_segment(item, bottom + lane * _ROW, video, label_numbers) for item, lane in zip(items, lanes)]
        bottom += height
    if queries:
        parts.append(_row_name("queries", bottom + _MARKS / 2))
        parts += [_mark(number, query, top, bottom, video) for number, query in enumerate(queries)]
        bottom += _MARKS
    parts.append(_axis(video.duration, bottom))
    total = bottom + _AXIS
    name = escape(f"Timeline of {video.video}", quote=True)
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {total:g}" role="img" aria-label="{name}">{"".join(parts)}</svg>'
    )


def _tracks(segments: Sequence[Segment]) -> list[str]:
    return sorted({item.track for item in segments})


def _lanes(segments: Sequence[Segment]) -> list[int]:
    """The lane of each segment of a track, so that none hides another; segments come by start."""
    ends: list[float] = []
    lanes = []
    for item in segments:
        lane = next((number for number, end in enumerate(ends) if end <= item.start), len(ends))
        ends[lane : lane + 1] = [item.end]
        lanes.append(lane)
    return lanes


def _span() -> int:
    return WIDTH - GUTTER - RIGHT


def _x(seconds: float, video: Video) -> float:
    return round(GUTTER + _span() * min(1.0, seconds / video.duration), 1)


def _thumbnails(images: Sequence[str], top: float) -> str:
    width = _span() / len(images)
    return "".join(
        f'<image href="{image}" x="{GUTTER + number * width + 1:.1f}" y="{top:g}" width="{width - 2:.1f}" '
        f'height="{_THUMBNAIL_HEIGHT}" preserveAspectRatio="xMidYMid slice"/>'
        for number, image in enumerate(images)
    )


def _row_name(name: str, middle: float) -> str:
    short = name if len(name) <= 16 else f"{name[:15]}…"
    return (
        f'<text class="name" x="{GUTTER - 8}" y="{middle + 4:g}" text-anchor="end">{escape(short)}'
        f"<title>{escape(name)}</title></text>"
    )


def _segment(item: Segment, top: float, video: Video, label_numbers: Mapping[str, int]) -> str:
    left, right = _x(item.start, video), _x(item.end, video)
    width = max(1.5, right - left - 1)
    number = label_numbers.get(item.label, 0)
    room = int((width - 8) / _LETTER)
    words = item.label.replace("_", " ")
    words = words if len(words) <= room else f"{words[: room - 1]}…"
    text = ""
    if room >= 3:
        ink = "dark" if label_style(number)[0] in _DARK_TEXT else "light"
        text = f'<text class="{ink}" x="{left + 5:.1f}" y="{top + 17:g}">{escape(words)}</text>'
    title = escape(f"{item.label}: {item.start:.2f} to {item.end:.2f} s")
    return f"<g>{_box(left, top + 2, width, _BAR, number)}{text}<title>{title}</title></g>"


def _box(left: float, top: float, width: float, height: float, number: int) -> str:
    color, hatch = label_style(number)
    place = f'x="{left:.1f}" y="{top:g}" width="{width:.1f}" height="{height:g}" rx="2.5"'
    over = f'<rect {place} fill="url(#hatch-{hatch})" opacity="0.35"/>' if hatch else ""
    return f'<rect {place} fill="{color}"/>{over}'


def _mark(number: int, query: Query, top: float, bottom: float, video: Video) -> str:
    """The mark of a query, and its evidence, which shows when the query is pointed at."""
    x = _x(query.time, video)
    bands = "".join(
        f'<rect x="{_x(start, video):g}" y="{top:g}" width="{max(2.0, _x(end, video) - _x(start, video)):.1f}" '
        f'height="{bottom - top:g}"/>'
        for start, end in query.evidence
    )
    line = f'<line x1="{x}" x2="{x}" y1="{top:g}" y2="{bottom + 4:g}"/>'
    y = bottom + _MARKS / 2
    if query.kind == NEXT_ACTION:
        shape = f'<path d="M{x - 4},{y - 5} l9,5 l-9,5 z"/>'
    else:
        shape = f'<circle cx="{x}" cy="{y:g}" r="4.5"/>'
    title = escape(f"{query.time:.2f} s: {query.question or 'What happens next?'} {query.answer}")
    return (
        f'<g class="query {query.kind}" data-query="{number}"><g class="evidence">{bands}{line}</g>'
        f"{shape}<title>{title}</title></g>"
    )


def _axis(duration: float, top: float) -> str:
    step = _tick_step(duration)
    ticks = np.arange(0, duration + step / 1000, step)
    marks = "".join(
        f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{top:g}" y2="{top + 4:g}"/>'
        f'<text class="tick" x="{x:.1f}" y="{top + 16:g}" text-anchor="middle">{clock(seconds, step)}</text>'
        for seconds, x in ((seconds, GUTTER + _span() * seconds / duration) for seconds in ticks)
    )
    return f'<line class="tick" x1="{GUTTER}" x2="{WIDTH - RIGHT}" y1="{top:g}" y2="{top:g}"/>{marks}'


def _tick_step(duration: float) -> float:
    """A round number of seconds that gives at most about twelve ticks."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800):
        if duration / step <= 12:
            return step
    return 3600.0


def count(number: int, thing: str) -> str:
    """A number of things for people: "1 query", "2 queries"."""
    many = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else many}"


def clock(seconds: float, step: float = 1.0) -> str:
    """A time for people: "4.5 s" below a minute, "1:04", "1:00:04"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if step < 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
