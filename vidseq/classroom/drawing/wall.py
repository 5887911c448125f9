"""Things on the wall: window, television, bell and lamp. One unit is a child's height."""

import math
import random

from vidseq.classroom.drawing.canvas import Color, Pen, mix, shade
from vidseq.classroom.drawing.screens import draw_programme
from vidseq.classroom.scene import Thing

_TRIM: Color = (250, 247, 238)
_CURTAINS: tuple[Color, ...] = ((222, 150, 130), (134, 176, 164), (226, 192, 120), (158, 164, 204))
_DARK: Color = (44, 44, 50)
_GLOW: Color = (255, 226, 80)


def draw_window(pen: Pen, thing: Thing) -> None:
    """A window with daylight; view and curtains depend on its exact position, which differs between videos."""
    rng = random.Random(repr(thing.x))
    glass = pen.at((0, 1.26))
    glass.rectangle(-0.4, -0.42, 0.8, 0.84, _TRIM)
    for step in range(8):
        glass.rectangle(-0.36, -0.38 + 0.095 * step, 0.72, 0.1, mix((234, 245, 252), (146, 200, 240), step / 7))
    _view(glass, rng)
    glass.rectangle(-0.016, -0.38, 0.032, 0.76, _TRIM)
    glass.rectangle(-0.36, 0.02, 0.72, 0.03, _TRIM)
    glass.rectangle(-0.48, -0.47, 0.96, 0.05, shade(_TRIM, 0.9))
    _curtains(glass, rng.choice(_CURTAINS))


def _view(glass: Pen, rng: random.Random) -> None:
    green = rng.choice(((160, 204, 130), (140, 190, 120), (184, 206, 120)))
    bump = rng.uniform(0, 6)
    hill = [(-0.36 + 0.06 * k, -0.26 + 0.035 * math.sin(bump + k * 0.6)) for k in range(13)]
    glass.polygon([(-0.36, -0.38), *hill, (0.36, -0.38)], green)
    tree = rng.choice((-0.18, 0.18))
    glass.rectangle(tree - 0.015, -0.28, 0.03, 0.12, (130, 96, 70))
    for x, y, size in ((-0.05, -0.12, 0.07), (0.05, -0.12, 0.07), (0, -0.06, 0.075)):
        glass.circle(tree + x, y, size, shade(green, 0.8))
    cloud = -tree + rng.uniform(-0.02, 0.02)
    for x, size in ((-0.07, 0.035), (0, 0.05), (0.07, 0.035)):
        glass.circle(cloud + x, 0.22, size, (255, 255, 255))


def _curtains(glass: Pen, color: Color) -> None:
    for side in (-1, 1):
        outline = ((0.48, 0.46), (0.24, 0.46), (0.37, -0.16), (0.37, -0.48), (0.48, -0.48))
        glass.polygon([(side * x, y) for x, y in outline], color)
        for top, bottom in ((0.4, 0.44), (0.32, 0.4)):
            glass.line(((side * top, 0.46), (side * bottom, -0.46)), shade(color, 0.88), 0.014)
    glass.line(((-0.53, 0.46), (0.53, 0.46)), (140, 110, 86), 0.026)


def draw_television(pen: Pen, thing: Thing) -> None:
    """A large television; black when it is off."""
    screen = pen.at((0, 1.36))
    screen.rounded(-0.59, -0.37, 1.18, 0.74, 0.05, _DARK)
    screen.rounded(-0.57, -0.35, 1.14, 0.7, 0.04, (70, 70, 78))
    if thing.state == "on" and thing.content is not None:
        draw_programme(screen.at((0, 0.005), scale=0.64, mirrored=False), thing.content)
        screen.circle(0.5, -0.335, 0.012, (110, 230, 120))
    else:
        screen.rectangle(-0.545, -0.315, 1.09, 0.64, (22, 23, 28))
        screen.polygon(
            ((-0.4, 0.325), (-0.16, 0.325), (-0.42, -0.315), (-0.545, -0.315), (-0.545, -0.02)), (34, 36, 42)
        )


def draw_bell(pen: Pen, thing: Thing) -> None:
    """A brass bell on a bracket; it swings and shines while it rings."""
    ringing = thing.state == "ringing"
    pen = pen.at((0, 0.26))
    bell = pen.at((0, 1.2), turn=0.38 if ringing else 0.0)
    brass: Color = (246, 190, 50) if ringing else (196, 152, 62)
    if ringing:
        pen.circle(0, 1.0, 0.34, (255, 240, 170))
        for side in (-1, 1):
            for size in (0.3, 0.4):
                arc = [(size * math.cos(a), 1.0 + size * math.sin(a)) for a in (-0.5, -0.25, 0, 0.25, 0.5)]
                pen.line([(side * x, y) for x, y in arc], (224, 90, 40), 0.03)
    pen.rectangle(-0.12, 1.2, 0.24, 0.05, (120, 88, 62))
    bell.circle(0, -0.3, 0.055, shade(brass, 0.6))
    bell.polygon(
        (
            (-0.06, 0),
            (0.06, 0),
            (0.12, -0.06),
            (0.14, -0.2),
            (0.2, -0.28),
            (-0.2, -0.28),
            (-0.14, -0.2),
            (-0.12, -0.06),
        ),
        brass,
    )
    bell.line(((-0.2, -0.28), (0.2, -0.28)), shade(brass, 0.75), 0.035)
    bell.line(((-0.06, -0.06), (-0.08, -0.2)), shade(brass, 1.5), 0.025)


def draw_lamp(pen: Pen, thing: Thing) -> None:
    """A signal lamp that hangs from the ceiling; rays and light while it flashes."""
    flashing = thing.state == "flashing"
    lamp = pen.at((0, 1.42))
    lamp.line(((0, 0.1), (0, 0.5)), (110, 104, 100), 0.018)
    if flashing:
        lamp.circle(0, -0.08, 0.3, (255, 244, 176))
        for k in range(9):
            turn = math.pi * (1.0 + k / 8)
            inner, outer = 0.24, 0.38
            ray = [(r * math.cos(turn), -0.08 + r * math.sin(turn)) for r in (inner, outer)]
            lamp.line(ray, (255, 190, 30), 0.03)
    lamp.circle(0, -0.05, 0.12, _GLOW if flashing else (206, 206, 200))
    lamp.polygon(((-0.07, 0.12), (0.07, 0.12), (0.19, -0.04), (-0.19, -0.04)), (70, 130, 140))
