"""Symbols of cards and screens, each in a unit box around the origin, which differ in outline and colour."""

import math
from collections.abc import Callable

from vidseq.classroom.drawing.canvas import Color, Pen, Point
from vidseq.errors import unknown_name


def _star(pen: Pen) -> None:
    points = []
    for k in range(10):
        radius, turn = (0.5, 0.21)[k % 2], math.pi / 2 + k * math.pi / 5
        points.append((radius * math.cos(turn), radius * math.sin(turn) - 0.03))
    pen.polygon(points, (244, 180, 32))


def _moon(pen: Pen) -> None:
    outer = [(0.46 * math.cos(a), 0.46 * math.sin(a)) for a in _angles(50, 310)]
    inner = [(0.16 + 0.37 * math.cos(a), 0.37 * math.sin(a)) for a in _angles(290, 70)]
    pen.polygon([*outer, *inner], (78, 92, 176))


def _sun(pen: Pen) -> None:
    for k in range(8):
        turn = k * math.pi / 4
        pen.line(
            ((0.3 * math.cos(turn), 0.3 * math.sin(turn)), (0.47 * math.cos(turn), 0.47 * math.sin(turn))),
            (240, 130, 30),
            0.09,
        )
    pen.circle(0, 0, 0.27, (250, 160, 40))


def _heart(pen: Pen) -> None:
    points = []
    for turn in _angles(0, 360, 30):
        x = 16 * math.sin(turn) ** 3
        y = 13 * math.cos(turn) - 5 * math.cos(2 * turn) - 2 * math.cos(3 * turn) - math.cos(4 * turn)
        points.append((x / 34, y / 34 + 0.04))
    pen.polygon(points, (222, 52, 74))


def _cloud(pen: Pen) -> None:
    color: Color = (120, 170, 216)
    pen.rounded(-0.46, -0.26, 0.92, 0.3, 0.15, color)
    for x, y, size in ((-0.2, 0.02, 0.2), (0.1, 0.1, 0.25), (0.28, -0.06, 0.17)):
        pen.circle(x, y, size, color)


def _flower(pen: Pen) -> None:
    pen.line(((0, -0.5), (0, 0.1)), (70, 150, 80), 0.07)
    pen.ellipse(0.14, -0.3, 0.14, 0.06, (70, 150, 80), turn=0.6)
    for turn in _angles(90, 450, 6)[:-1]:
        pen.circle(0.19 * math.cos(turn), 0.17 + 0.19 * math.sin(turn), 0.15, (226, 90, 160))
    pen.circle(0, 0.17, 0.12, (250, 206, 70))


def _angles(start: float, end: float, count: int = 16) -> list[float]:
    return [math.radians(start + (end - start) * k / count) for k in range(count + 1)]


SYMBOLS: dict[str, Callable[[Pen], None]] = {
    "star": _star,
    "moon": _moon,
    "sun": _sun,
    "heart": _heart,
    "cloud": _cloud,
    "flower": _flower,
}


def draw_symbol(pen: Pen, symbol: str) -> None:
    """Draws a symbol in the unit box around the pen's origin.

    Raises:
        UserError: there is no such symbol.
    """
    if symbol not in SYMBOLS:
        raise unknown_name("symbol", symbol, SYMBOLS)
    SYMBOLS[symbol](pen)


def draw_card(pen: Pen, symbol: str, border: Point = (0.5, 0.56)) -> None:
    """Draws a white card, one unit wide, with a symbol; it is never mirrored."""
    wide, high = border
    pen.rounded(-wide - 0.03, -high - 0.06, 2 * wide + 0.06, 2 * high + 0.06, 0.1, (120, 104, 96))
    pen.rounded(-wide, -high, 2 * wide, 2 * high, 0.08, (255, 255, 252))
    draw_symbol(pen.at((0, 0), scale=0.84), symbol)
