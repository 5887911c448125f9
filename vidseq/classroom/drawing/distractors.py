"""Distractors: things that move and have no meaning."""

from vidseq.classroom.drawing.canvas import Color, Pen, mix, shade
from vidseq.classroom.drawing.colors import color_of
from vidseq.classroom.scene import Thing

_INK: Color = (50, 44, 48)


def draw_fly(pen: Pen, thing: Thing) -> None:
    """A fat fly in the air."""
    fly = pen.at((0, 1.0))
    for side in (-1, 1):
        fly.ellipse(side * 0.05, 0.05, 0.055, 0.028, (214, 224, 234), turn=side * 0.6)
    fly.ellipse(0, 0, 0.045, 0.035, _INK)


def draw_balloon(pen: Pen, thing: Thing) -> None:
    """A balloon on a string."""
    color = mix(color_of(thing.color), (255, 255, 255), 0.2)
    balloon = pen.at((0, 1.15))
    balloon.line(((0, -0.2), (0.03, -0.34), (-0.02, -0.48), (0.01, -0.6)), (150, 140, 134), 0.014)
    balloon.polygon(((-0.035, -0.23), (0.035, -0.23), (0, -0.17)), shade(color, 0.8))
    balloon.ellipse(0, 0, 0.16, 0.2, color)
    balloon.ellipse(-0.06, 0.08, 0.035, 0.06, shade(color, 1.5), turn=-0.4)


def draw_cat(pen: Pen, thing: Thing) -> None:
    """A cat on its way through the room."""
    fur = color_of(thing.color)
    pen.line(((-0.2, 0.17), (-0.32, 0.26), (-0.3, 0.38)), fur, 0.045)
    for x in (-0.15, -0.08, 0.1, 0.16):
        pen.rectangle(x, 0.0, 0.045, 0.14, shade(fur, 0.85))
    pen.ellipse(0, 0.17, 0.22, 0.1, fur)
    for x in (0.15, 0.27):
        pen.polygon(((x - 0.045, 0.33), (x + 0.045, 0.33), (x, 0.42)), fur)
    pen.circle(0.21, 0.28, 0.1, fur)
    for x in (0.19, 0.26):
        pen.circle(x, 0.29, 0.017, (236, 236, 120))
