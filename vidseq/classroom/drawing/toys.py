"""Toys: small things, each about one unit wide and standing on y = 0."""

from collections.abc import Callable

from vidseq.classroom.drawing.canvas import Color, Pen, mix, shade
from vidseq.errors import unknown_name

_INK: Color = (60, 48, 46)
_PAGE: Color = (252, 250, 240)


def _ball(pen: Pen, color: Color) -> None:
    pen.circle(0, 0.5, 0.5, shade(color, 0.82))
    pen.circle(-0.03, 0.53, 0.46, color)
    pen.ellipse(0, 0.5, 0.5, 0.13, (252, 250, 244), turn=0.35)
    pen.ellipse(-0.18, 0.74, 0.13, 0.08, shade(color, 1.5), turn=0.6)


def _teddy(pen: Pen, color: Color) -> None:
    dark, light = shade(color, 0.8), mix(color, (255, 240, 214), 0.55)
    for side in (-1, 1):
        pen.circle(side * 0.27, 1.02, 0.15, dark)
        pen.ellipse(side * 0.3, 0.14, 0.19, 0.15, dark)
        pen.ellipse(side * 0.38, 0.46, 0.13, 0.2, dark, turn=side * 0.6)
    pen.ellipse(0, 0.36, 0.33, 0.36, color)
    pen.ellipse(0, 0.34, 0.2, 0.23, light)
    pen.circle(0, 0.82, 0.32, color)
    pen.ellipse(0, 0.74, 0.16, 0.12, light)
    pen.circle(0, 0.78, 0.06, _INK)
    for side in (-1, 1):
        pen.circle(side * 0.13, 0.9, 0.05, _INK)


def _car(pen: Pen, color: Color) -> None:
    pen.polygon(((-0.34, 0.36), (-0.22, 0.66), (0.16, 0.66), (0.34, 0.36)), shade(color, 0.9))
    pen.polygon(((-0.25, 0.38), (-0.17, 0.59), (-0.03, 0.59), (-0.03, 0.38)), (206, 230, 244))
    pen.polygon(((0.03, 0.38), (0.03, 0.59), (0.13, 0.59), (0.24, 0.38)), (206, 230, 244))
    pen.rounded(-0.55, 0.12, 1.1, 0.3, 0.12, color)
    pen.circle(0.5, 0.3, 0.05, (255, 236, 150))
    for x in (-0.3, 0.3):
        pen.circle(x, 0.14, 0.15, _INK)
        pen.circle(x, 0.14, 0.06, (200, 196, 190))


def _blocks(pen: Pen, color: Color) -> None:
    for x, y, tone in ((-0.5, 0, color), (0.02, 0, shade(color, 0.75)), (-0.24, 0.46, shade(color, 1.3))):
        pen.rounded(x, y, 0.46, 0.44, 0.05, shade(tone, 0.8))
        pen.rounded(x + 0.04, y + 0.05, 0.38, 0.35, 0.04, tone)


def _drum(pen: Pen, color: Color) -> None:
    pen.rectangle(-0.42, 0.1, 0.84, 0.46, color)
    pen.ellipse(0, 0.1, 0.42, 0.12, color)
    for x in (-0.4, -0.13, 0.13):
        pen.line(((x, 0.52), (x + 0.14, 0.06), (x + 0.28, 0.52)), (252, 246, 226), 0.05)
    pen.ellipse(0, 0.56, 0.44, 0.14, shade(color, 0.7))
    pen.ellipse(0, 0.58, 0.4, 0.12, (252, 246, 230))


def _apple(pen: Pen, color: Color) -> None:
    for x in (-0.16, 0.16):
        pen.ellipse(x, 0.4, 0.3, 0.4, color)
    pen.line(((0, 0.7), (0.06, 0.94)), (110, 80, 60), 0.08)
    pen.ellipse(0.22, 0.88, 0.17, 0.08, (96, 168, 80), turn=0.4)
    pen.ellipse(-0.24, 0.54, 0.08, 0.13, shade(color, 1.5))


def _duck(pen: Pen, color: Color) -> None:
    pen.ellipse(-0.06, 0.3, 0.48, 0.3, color)
    pen.polygon(((-0.36, 0.34), (-0.6, 0.66), (-0.2, 0.56)), color)
    pen.polygon(((0.42, 0.82), (0.7, 0.74), (0.42, 0.66)), (240, 130, 40))
    pen.circle(0.26, 0.76, 0.25, color)
    pen.circle(0.34, 0.82, 0.05, _INK)
    pen.ellipse(-0.1, 0.34, 0.24, 0.14, shade(color, 0.86), turn=-0.2)


def _robot(pen: Pen, color: Color) -> None:
    for side in (-1, 1):
        pen.rectangle(side * 0.18 - 0.09, 0, 0.18, 0.25, shade(color, 0.7))
        pen.line(((side * 0.34, 0.56), (side * 0.48, 0.3)), shade(color, 0.7), 0.12)
    pen.rounded(-0.34, 0.2, 0.68, 0.44, 0.05, color)
    pen.rounded(-0.26, 0.68, 0.52, 0.36, 0.05, shade(color, 1.3))
    for side in (-1, 1):
        pen.circle(side * 0.11, 0.86, 0.07, _INK)
    pen.line(((0, 1.04), (0, 1.2)), _INK, 0.05)
    pen.circle(0, 1.2, 0.06, (236, 80, 70))


def _kite(pen: Pen, color: Color) -> None:
    pen.line(((0, 0.3), (0.16, 0.12), (0, 0.04)), _INK, 0.04)
    pen.polygon(((0, 1.1), (0.42, 0.72), (0, 0.2), (-0.42, 0.72)), color)
    pen.polygon(((0, 1.1), (0.42, 0.72), (0, 0.72)), shade(color, 1.35))
    pen.polygon(((0, 0.72), (-0.42, 0.72), (0, 0.2)), shade(color, 0.8))


def _flag(pen: Pen, color: Color) -> None:
    pen.line(((-0.3, 0.0), (-0.3, 1.1)), (120, 90, 66), 0.07)
    pen.polygon(((-0.28, 1.1), (0.5, 0.98), (0.34, 0.76), (0.5, 0.5), (-0.28, 0.5)), color)
    pen.polygon(((-0.28, 0.88), (0.4, 0.84), (0.34, 0.76), (0.38, 0.68), (-0.28, 0.7)), _PAGE)


def _trumpet(pen: Pen, color: Color) -> None:
    pen.polygon(((0.3, 0.5), (0.62, 0.86), (0.62, 0.1), (0.3, 0.42)), color)
    pen.ellipse(0.62, 0.48, 0.08, 0.39, shade(color, 0.75))
    pen.line(((-0.55, 0.46), (0.34, 0.46)), color, 0.11)
    pen.line(((-0.25, 0.46), (-0.25, 0.2), (0.15, 0.2), (0.15, 0.46)), shade(color, 0.85), 0.08)
    for x in (-0.16, -0.04, 0.08):
        pen.line(((x, 0.46), (x, 0.68)), shade(color, 0.7), 0.07)


def _umbrella(pen: Pen, color: Color) -> None:
    pen.line(((0, 0.55), (0, 0.05), (0.06, -0.03), (0.15, 0.0), (0.16, 0.08)), (110, 84, 70), 0.07)
    pen.ellipse(0, 0.52, 0.62, 0.54, color, part=(0, 180))
    pen.ellipse(0, 0.52, 0.24, 0.54, shade(color, 1.35), part=(0, 180))
    for x in (-0.42, 0, 0.42):
        pen.ellipse(x, 0.52, 0.2, 0.08, shade(color, 0.7), part=(0, 180))


_Drawing = Callable[[Pen, Color], None]
TOYS: dict[str, tuple[_Drawing, Color]] = {
    "apple": (_apple, (214, 52, 52)),
    "ball": (_ball, (226, 66, 60)),
    "blocks": (_blocks, (240, 170, 50)),
    "car": (_car, (52, 116, 206)),
    "drum": (_drum, (206, 60, 70)),
    "duck": (_duck, (250, 208, 60)),
    "flag": (_flag, (40, 120, 200)),
    "kite": (_kite, (236, 92, 80)),
    "robot": (_robot, (116, 140, 164)),
    "teddy": (_teddy, (176, 120, 72)),
    "trumpet": (_trumpet, (234, 184, 60)),
    "umbrella": (_umbrella, (150, 70, 170)),
}
"""Drawing and usual colour of each toy."""


def draw_toy(pen: Pen, toy: str, color: Color | None = None) -> None:
    """Draws a toy that stands at the pen's origin.

    Args:
        pen: one unit is about the toy's width.
        toy: its kind.
        color: None: its usual colour.

    Raises:
        UserError: there is no such toy.
    """
    if toy not in TOYS:
        raise unknown_name("toy", toy, TOYS)
    drawing, usual = TOYS[toy]
    drawing(pen, usual if color is None else color)
