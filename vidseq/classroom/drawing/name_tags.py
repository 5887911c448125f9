"""Name tags: each name has its own colour and badge, as in a kindergarten for children who cannot read."""

import math
import zlib
from collections.abc import Callable

from vidseq.classroom.drawing.canvas import Color, Pen, blend, shade
from vidseq.classroom.drawing.text import text_mask
from vidseq.classroom.palette import NAMES

_WHITE: Color = (255, 255, 255)
_INK: Color = (20, 26, 44)
_PLATES: tuple[Color, ...] = (
    (255, 255, 255),
    (206, 40, 60),
    (28, 86, 190),
    (255, 214, 60),
    (24, 128, 76),
    (126, 56, 160),
    (255, 146, 60),
    (30, 36, 56),
    (120, 214, 226),
    (248, 150, 196),
    (122, 78, 48),
    (176, 224, 110),
)


def draw_name_tag(pen: Pen, name: str) -> None:
    """Draws the name on a plate over the head, shifted into the picture where it would be cut.

    Args:
        pen: at the figure's position; one unit is the figure's height.
        name: text of the tag. Equal names have equal plates, in every video.
    """
    index = NAMES.index(name) if name in NAMES else zlib.crc32(name.encode())
    plate, badge = _PLATES[index % len(_PLATES)], _BADGES[index % len(_BADGES)]
    ink = _WHITE if sum(plate) < 400 else _INK
    mask = text_mask(name, max(10, round(0.27 * pen.unit)))
    high = 0.36
    wide = mask.shape[1] / pen.unit + high + 0.1
    margin = 0.03 + 4 / pen.unit
    half = (wide / 2 + margin) * pen.unit
    column = min(max(pen.x, half), pen.image.shape[1] - half)
    row = max(pen.y - 1.08 * pen.unit, (high + margin) * pen.unit)
    tag = Pen(pen.image, column, row, pen.unit)
    tag.polygon(((-0.06, 0.01), (0.06, 0.01), (0, -0.07)), ink)
    tag.rounded(-wide / 2 - 0.025, -0.025, wide + 0.05, high + 0.05, 0.1, ink)
    tag.rounded(-wide / 2, 0, wide, high, 0.08, plate)
    badge(tag.at((-wide / 2 + 0.5 * high + 0.02, 0.5 * high), scale=0.27), ink, plate)
    left, top = column + (-wide / 2 + high + 0.03) * pen.unit, row - 0.5 * high * pen.unit - 0.48 * mask.shape[0]
    blend(pen.image, mask, round(left), round(top), ink)


def _flower(pen: Pen, ink: Color, plate: Color) -> None:
    for k in range(6):
        pen.circle(0.3 * math.cos(k * math.pi / 3), 0.3 * math.sin(k * math.pi / 3), 0.2, ink)
    pen.circle(0, 0, 0.16, plate)


def _house(pen: Pen, ink: Color, plate: Color) -> None:
    pen.polygon(((-0.5, 0.02), (0.5, 0.02), (0, 0.5)), ink)
    pen.rectangle(-0.36, -0.48, 0.72, 0.5, ink)
    pen.rectangle(-0.11, -0.48, 0.22, 0.32, plate)


def _ring(pen: Pen, ink: Color, plate: Color) -> None:
    pen.circle(0, 0, 0.48, ink)
    pen.circle(0, 0, 0.26, plate)


def _tree(pen: Pen, ink: Color, plate: Color) -> None:
    pen.rectangle(-0.08, -0.5, 0.16, 0.3, ink)
    for y, wide in ((-0.28, 0.42), (0.0, 0.34)):
        pen.polygon(((-wide, y), (wide, y), (0, y + 0.5)), ink)


def _boat(pen: Pen, ink: Color, plate: Color) -> None:
    pen.polygon(((-0.5, -0.15), (0.5, -0.15), (0.3, -0.46), (-0.3, -0.46)), ink)
    pen.polygon(((0, -0.06), (0.4, -0.06), (0, 0.5)), ink)
    pen.line(((-0.05, -0.1), (-0.05, 0.5)), shade(ink, 0.8), 0.06)


_BADGES: tuple[Callable[[Pen, Color, Color], None], ...] = (_flower, _house, _ring, _tree, _boat)
