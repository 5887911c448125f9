"""Furniture on the floor; one unit is the height of a child at its position, the origin is on the floor."""

import random

from vidseq.classroom.drawing.canvas import Color, Pen, mix, shade
from vidseq.classroom.drawing.colors import color_of
from vidseq.classroom.drawing.toys import TOYS, draw_toy
from vidseq.classroom.palette import TOYS as HIDDEN_TOYS
from vidseq.classroom.scene import Thing
from vidseq.errors import unknown_name

_WOOD: Color = (188, 142, 96)
_WHITE: Color = (248, 246, 240)
_SPINES: tuple[Color, ...] = ((198, 98, 92), (104, 140, 186), (120, 166, 124), (226, 186, 104), (160, 128, 174))


def draw_rug(pen: Pen, thing: Thing) -> None:
    """An oval rug, flat on the floor."""
    color = color_of(thing.color)
    pen.ellipse(0, 0, 0.98, 0.26, shade(color, 0.72))
    pen.ellipse(0, 0.008, 0.96, 0.25, color)
    pen.ellipse(0, 0.008, 0.8, 0.2, mix(color, _WHITE, 0.55))
    pen.ellipse(0, 0.008, 0.74, 0.18, color)


def draw_table(pen: Pen, thing: Thing) -> None:
    """A wide low table, seen from the front."""
    color = color_of(thing.color)
    for x in (-0.56, 0.46):
        pen.rectangle(x, 0, 0.1, 0.24, shade(color, 0.66))
    pen.polygon(((-0.62, 0.34), (0.62, 0.34), (0.7, 0.22), (-0.7, 0.22)), mix(color, _WHITE, 0.25))
    pen.rounded(-0.7, 0.15, 1.4, 0.09, 0.03, color)
    pen.rectangle(-0.66, 0.15, 1.32, 0.02, shade(color, 0.75))


def draw_easel(pen: Pen, thing: Thing) -> None:
    """A large easel with an empty sheet."""
    for foot, top in ((-0.26, -0.04), (0.26, 0.04)):
        pen.line(((foot, 0.02), (top, 1.08)), shade(_WOOD, 0.8), 0.04)
    pen.rectangle(-0.32, 0.3, 0.64, 0.05, _WOOD)
    pen.rectangle(-0.29, 0.35, 0.58, 0.62, shade(_WHITE, 0.82))
    pen.rectangle(-0.28, 0.36, 0.56, 0.6, _WHITE)
    pen.rectangle(-0.1, 0.94, 0.2, 0.05, shade(_WOOD, 0.7))


def draw_bookshelf(pen: Pen, thing: Thing) -> None:
    """A shelf with the backs of books."""
    rng = random.Random(repr(thing.x))
    pen.rectangle(-0.42, 0.0, 0.84, 0.82, shade(_WOOD, 0.62))
    for row in range(3):
        bottom = 0.05 + 0.26 * row
        x = -0.37
        while x < 0.33:
            wide, high = rng.uniform(0.035, 0.07), rng.uniform(0.15, 0.2)
            pen.rectangle(x, bottom, wide, high, rng.choice(_SPINES))
            x += wide + 0.008
        pen.rectangle(-0.42, bottom - 0.05, 0.84, 0.05, _WOOD)
    for x, wide in ((-0.45, 0.06), (0.39, 0.06)):
        pen.rectangle(x, 0.0, wide, 0.86, _WOOD)
    pen.rectangle(-0.45, 0.8, 0.9, 0.06, shade(_WOOD, 1.15))


def draw_toy_shelf(pen: Pen, thing: Thing) -> None:
    """A low shelf of cubbies with a few things in them."""
    pen.rectangle(-0.46, 0.0, 0.92, 0.5, shade(_WHITE, 0.7))
    fill: tuple[Color, ...] = ((224, 160, 140), (150, 190, 200), (236, 206, 140))
    for k in range(3):
        pen.rounded(-0.4 + 0.28 * k, 0.05, 0.22, 0.13, 0.03, fill[k])
        pen.rounded(-0.4 + 0.28 * k, 0.28, 0.22, 0.13, 0.03, fill[(k + 1) % 3])
    for y in (0.0, 0.22, 0.45):
        pen.rectangle(-0.48, y, 0.96, 0.05, _WHITE)
    for k in range(4):
        pen.rectangle(-0.48 + 0.3 * k, 0.0, 0.05, 0.5, _WHITE)


def draw_sink(pen: Pen, thing: Thing) -> None:
    """A low cupboard with a basin, and a mirror above it."""
    pen.rounded(-0.2, 0.68, 0.4, 0.4, 0.2, shade(_WHITE, 0.8))
    pen.rounded(-0.17, 0.71, 0.34, 0.34, 0.17, (208, 228, 236))
    pen.line(((-0.08, 0.82), (0.04, 0.96)), (238, 248, 250), 0.03)
    pen.rectangle(-0.34, 0.0, 0.68, 0.4, (176, 202, 200))
    for x in (-0.31, 0.02):
        pen.rounded(x, 0.04, 0.29, 0.3, 0.02, (196, 218, 214))
    pen.rounded(-0.38, 0.38, 0.76, 0.09, 0.03, _WHITE)
    pen.line(((0, 0.46), (0, 0.58), (0.09, 0.58), (0.09, 0.54)), (150, 160, 170), 0.035)


def draw_drum(pen: Pen, thing: Thing) -> None:
    """A big floor drum."""
    skin: Color = (246, 238, 220)
    barrel: Color = (176, 106, 70)
    for x in (-0.2, 0.16):
        pen.rectangle(x, 0, 0.05, 0.12, shade(barrel, 0.6))
    pen.rectangle(-0.27, 0.08, 0.54, 0.3, barrel)
    pen.ellipse(0, 0.08, 0.27, 0.06, barrel)
    for k in range(4):
        pen.line(((-0.26 + 0.13 * k, 0.36), (-0.195 + 0.13 * k, 0.06), (-0.13 + 0.13 * k, 0.36)), skin, 0.02)
    pen.ellipse(0, 0.38, 0.28, 0.08, shade(barrel, 0.65))
    pen.ellipse(0, 0.395, 0.25, 0.065, skin)


def draw_coat_rack(pen: Pen, thing: Thing) -> None:
    """Hooks in a row with a few coats."""
    pen.rounded(-0.42, 0.92, 0.84, 0.1, 0.02, _WOOD)
    coats: tuple[Color, ...] = ((150, 160, 186), (190, 150, 140), (156, 180, 158))
    for x, color in zip((-0.28, 0.0, 0.28), coats):
        pen.polygon(((x - 0.04, 0.92), (x + 0.04, 0.92), (x + 0.13, 0.5), (x - 0.13, 0.5)), color)
        pen.line(((x, 0.88), (x, 0.52)), shade(color, 0.8), 0.015)
        pen.circle(x, 0.94, 0.025, (110, 92, 80))


def draw_chair(pen: Pen, thing: Thing) -> None:
    """A solid chair with a broad back, whose colour is visible from afar."""
    color = color_of(thing.color)
    dark = shade(color, 0.7)
    for x in (-0.23, 0.17):
        pen.rectangle(x + 0.015, 0.05, 0.05, 0.24, shade(color, 0.55))
    pen.rounded(-0.24, 0.3, 0.48, 0.42, 0.09, dark)
    pen.rounded(-0.225, 0.32, 0.45, 0.39, 0.08, color)
    pen.rounded(-0.09, 0.55, 0.18, 0.06, 0.03, dark)
    pen.polygon(((-0.24, 0.36), (0.24, 0.36), (0.28, 0.25), (-0.28, 0.25)), mix(color, _WHITE, 0.22))
    pen.rounded(-0.28, 0.13, 0.56, 0.13, 0.03, color)
    pen.rectangle(-0.26, 0.13, 0.52, 0.02, dark)
    for x in (-0.27, 0.2):
        pen.rectangle(x, 0.0, 0.07, 0.14, dark)


def draw_door(pen: Pen, thing: Thing) -> None:
    """A door in the back wall; open, it shows the bright corridor."""
    color = color_of(thing.color)
    pen.rectangle(-0.36, -0.02, 0.72, 1.36, _WHITE)
    if thing.state == "open":
        pen.rectangle(-0.3, -0.02, 0.6, 1.3, (88, 96, 110))
        pen.polygon(((-0.3, -0.02), (0.3, -0.02), (0.14, 0.28), (-0.14, 0.28)), (204, 192, 170))
        pen.rectangle(-0.14, 0.28, 0.28, 0.72, (250, 244, 214))
        pen.polygon(((0.3, -0.02), (0.3, 1.28), (0.52, 1.38), (0.52, -0.12)), shade(color, 0.85))
        pen.circle(0.47, 0.58, 0.03, (240, 210, 110))
        return
    pen.rectangle(-0.3, -0.02, 0.6, 1.3, color)
    for y, high in ((0.08, 0.46), (0.66, 0.5)):
        pen.rounded(-0.22, y, 0.44, high, 0.03, shade(color, 0.85))
    pen.circle(0.23, 0.58, 0.035, (240, 210, 110))


def draw_box(pen: Pen, thing: Thing) -> None:
    """A box for toys: closed with a lid, or open with flaps and a toy above it."""
    color = color_of(thing.color)
    if thing.state == "open":
        for side in (-1, 1):
            pen.polygon(
                ((side * 0.23, 0.24), (side * 0.36, 0.36), (side * 0.3, 0.4), (side * 0.17, 0.3)), shade(color, 0.85)
            )
        pen.polygon(((-0.23, 0.24), (0.23, 0.24), (0.18, 0.31), (-0.18, 0.31)), (60, 48, 44))
        if thing.content is not None:
            if thing.content not in TOYS:
                raise unknown_name("toy", thing.content, HIDDEN_TOYS)
            draw_toy(pen.at((0, 0.24), scale=0.36), thing.content)
    pen.rounded(-0.24, 0.0, 0.48, 0.26, 0.02, color)
    pen.rectangle(-0.24, 0.0, 0.48, 0.035, shade(color, 0.75))
    pen.rounded(-0.08, 0.12, 0.16, 0.05, 0.025, shade(color, 0.7))
    if thing.state != "open":
        pen.rounded(-0.265, 0.2, 0.53, 0.1, 0.03, shade(color, 0.85))
        pen.polygon(((-0.25, 0.3), (0.25, 0.3), (0.2, 0.34), (-0.2, 0.34)), mix(color, _WHITE, 0.3))
