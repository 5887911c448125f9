"""Television programmes, which differ in colour and shape; the screen is 1.7 wide and 1 high around the origin."""

import math
from collections.abc import Callable

from vidseq.classroom.drawing.canvas import Color, Pen
from vidseq.errors import unknown_name


def _rocket(pen: Pen) -> None:
    _sky(pen, (32, 36, 92))
    for x, y in ((-0.7, 0.3), (-0.5, -0.2), (0.6, 0.36), (0.72, -0.1), (0.36, -0.34), (-0.3, 0.38)):
        pen.circle(x, y, 0.026, (255, 250, 210))
    pen.circle(0.58, 0.1, 0.16, (236, 176, 96))
    ship = pen.at((-0.06, 0.0), turn=-0.5)
    ship.polygon(((-0.1, -0.28), (0.1, -0.28), (0, -0.5)), (255, 150, 30))
    ship.polygon(((-0.22, -0.3), (-0.1, -0.08), (0.1, -0.08), (0.22, -0.3)), (226, 60, 56))
    ship.ellipse(0, 0.06, 0.15, 0.38, (244, 244, 248))
    ship.ellipse(0, 0.3, 0.09, 0.15, (226, 60, 56))
    ship.circle(0, 0.1, 0.075, (80, 170, 230))


def _fish(pen: Pen) -> None:
    _sky(pen, (38, 160, 190))
    pen.rectangle(-0.85, -0.5, 1.7, 0.16, (236, 214, 150))
    for x, lean in ((-0.66, 0.06), (0.62, -0.06), (0.48, 0.05)):
        pen.line(((x, -0.4), (x + lean, -0.2), (x - lean, 0.0)), (40, 120, 70), 0.05)
    orange: Color = (255, 136, 26)
    pen.polygon(((0.26, 0.04), (0.6, 0.32), (0.56, 0.02), (0.6, -0.24)), orange)
    pen.ellipse(-0.06, 0.04, 0.44, 0.29, orange)
    for x, high in ((-0.2, 0.26), (0.12, 0.25)):
        pen.line(((x, 0.04 + high), (x, 0.04 - high)), (255, 255, 255), 0.07)
    pen.circle(-0.34, 0.1, 0.055, (255, 255, 255))
    pen.circle(-0.35, 0.1, 0.03, (20, 20, 30))
    for y in (0.2, 0.32, 0.42):
        pen.circle(-0.62 + 0.1 * y, y, 0.04, (214, 244, 250))


def _clown(pen: Pen) -> None:
    _sky(pen, (250, 214, 70))
    for k in range(0, 16, 2):
        ray = [(1.2 * math.cos(turn), 1.2 * math.sin(turn)) for turn in (k * math.pi / 8, (k + 1) * math.pi / 8)]
        pen.polygon(((0, 0), *((max(-0.85, min(0.85, x)), max(-0.5, min(0.5, y))) for x, y in ray)), (252, 232, 150))
    for side in (-1, 1):
        for x, y in ((0.36, 0.08), (0.42, -0.08), (0.32, 0.22)):
            pen.circle(side * x, y, 0.14, (222, 50, 60))
    pen.circle(0, -0.04, 0.36, (252, 226, 204))
    pen.polygon(((-0.17, 0.26), (0.17, 0.26), (0, 0.5)), (60, 120, 220))
    for side in (-1, 1):
        pen.ellipse(side * 0.14, 0.1, 0.075, 0.11, (255, 255, 255))
        pen.circle(side * 0.14, 0.08, 0.045, (30, 40, 60))
    pen.ellipse(0, -0.2, 0.2, 0.13, (222, 50, 60), part=(180, 360))
    pen.circle(0, -0.05, 0.095, (226, 40, 50))


def _sky(pen: Pen, color: Color) -> None:
    pen.rectangle(-0.85, -0.5, 1.7, 1.0, color)


PROGRAMMES: dict[str, Callable[[Pen], None]] = {"rocket": _rocket, "fish": _fish, "clown": _clown}


def draw_programme(pen: Pen, programme: str) -> None:
    """Draws a programme that fills the screen.

    Raises:
        UserError: there is no such programme.
    """
    if programme not in PROGRAMMES:
        raise unknown_name("programme", programme, PROGRAMMES)
    PROGRAMMES[programme](pen)
