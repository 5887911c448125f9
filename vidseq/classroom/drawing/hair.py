"""Hair: its colours and its styles, around a head whose radius is one unit."""

import math
from collections.abc import Callable

from vidseq.classroom.drawing.canvas import Color, Pen, shade
from vidseq.errors import unknown_name

HAIR_COLORS: dict[str, Color] = {
    "black": (46, 40, 44),
    "brown": (112, 72, 46),
    "blond": (232, 192, 104),
    "red": (206, 100, 40),
}


def hair_color(name: str) -> Color:
    """Returns the colour of hair.

    Raises:
        UserError: there is no hair of that colour.
    """
    if name not in HAIR_COLORS:
        raise unknown_name("hair colour", name, HAIR_COLORS)
    return HAIR_COLORS[name]


def _short_over(head: Pen, color: Color) -> None:
    _cap(head, color)
    head.polygon(((-0.98, 0.1), (-0.9, -0.3), (-0.66, -0.02), (-0.62, 0.4)), color)
    head.polygon(((0.5, 0.9), (0.98, 0.3), (0.7, 0.42), (0.3, 0.5)), color)


def _long_behind(head: Pen, color: Color) -> None:
    head.rounded(-1.16, -1.62, 1.9, 2.4, 0.6, shade(color, 0.85))


def _long_over(head: Pen, color: Color) -> None:
    _cap(head, color)
    head.polygon(((-1.08, 0.3), (-0.5, 0.5), (-0.46, -0.5), (-0.6, -1.55), (-1.16, -1.5), (-1.2, -0.4)), color)
    head.line(((-0.84, 0.2), (-0.86, -1.4)), shade(color, 0.85), 0.06)


def _bun_over(head: Pen, color: Color) -> None:
    _cap(head, color)
    head.circle(-0.3, 1.26, 0.46, color)
    head.ellipse(-0.25, 0.92, 0.36, 0.1, shade(color, 0.7), turn=0.2)
    head.ellipse(-0.36, 1.38, 0.16, 0.1, shade(color, 1.2), turn=0.6)


def _curly_behind(head: Pen, color: Color) -> None:
    for step in range(9):
        turn = math.pi * (0.12 + step * 0.155)
        head.circle(1.02 * math.cos(turn) - 0.1, 0.98 * math.sin(turn) + 0.1, 0.44, shade(color, 0.9))


def _curly_over(head: Pen, color: Color) -> None:
    for step in range(7):
        turn = math.pi * (0.2 + step * 0.13)
        head.circle(0.82 * math.cos(turn) - 0.05, 0.78 * math.sin(turn) + 0.16, 0.36, color)
    for x, y in ((-0.86, 0.0), (-0.8, -0.36), (-0.45, 0.62), (0.05, 0.72)):
        head.circle(x, y, 0.3, color)
    for x, y in ((-0.5, 0.9), (0.2, 1.0), (0.6, 0.75)):
        head.circle(x, y, 0.09, shade(color, 1.2))


def _tail_behind(head: Pen, color: Color) -> None:
    head.polygon(((-0.7, 0.7), (-1.3, 0.75), (-1.8, 0.1), (-1.72, -1.0), (-1.42, -0.5), (-1.1, 0.05)), color)


def _tail_over(head: Pen, color: Color) -> None:
    _cap(head, color)
    head.polygon(((-0.98, 0.3), (-0.86, -0.18), (-0.6, 0.05), (-0.5, 0.5)), color)
    head.circle(-0.94, 0.55, 0.17, (236, 120, 140))


def _none(head: Pen, color: Color) -> None:
    pass


def _cap(head: Pen, color: Color) -> None:
    """The hair on top, with a parting over the forehead."""
    head.ellipse(-0.06, 0.1, 1.04, 1.0, color, part=(18, 190))
    head.polygon(((-1.08, 0.05), (-0.7, 0.75), (0.5, 0.85), (0.93, 0.42), (0.45, 0.36), (0, 0.46), (-0.5, 0.2)), color)
    head.ellipse(-0.3, 0.78, 0.34, 0.08, shade(color, 1.16), turn=0.35)


_Stroke = Callable[[Pen, Color], None]
_BEHIND: dict[str, _Stroke] = {
    "short": _none,
    "long": _long_behind,
    "bun": _none,
    "curly": _curly_behind,
    "tail": _tail_behind,
}
_OVER: dict[str, _Stroke] = {
    "short": _short_over,
    "long": _long_over,
    "bun": _bun_over,
    "curly": _curly_over,
    "tail": _tail_over,
}


def draw_hair_behind(head: Pen, style: str, color: Color) -> None:
    """Draws the hair behind the head.

    Raises:
        UserError: there is no such style.
    """
    if style not in _BEHIND:
        raise unknown_name("hair style", style, _BEHIND)
    _BEHIND[style](head, color)


def draw_hair_over(head: Pen, style: str, color: Color) -> None:
    """Draws the hair over the head; `draw_hair_behind` has checked the style."""
    _OVER[style](head, color)
