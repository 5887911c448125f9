"""All kinds of things: their drawing, order and shadow."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vidseq.classroom.drawing import distractors, furniture, wall
from vidseq.classroom.drawing.canvas import Pen
from vidseq.classroom.drawing.light import draw_shadow
from vidseq.classroom.drawing.stage import stand_at
from vidseq.classroom.scene import Thing
from vidseq.errors import unknown_name


@dataclass(frozen=True)
class Kind:
    """Drawing of a kind of thing."""

    draw: Callable[[Pen, Thing], None]
    nearer: float = 0.0
    """Added to its depth for sorting, so that things on the wall and on the floor come first."""
    shadow: float = 0.0
    """Half the width of its shadow, in children's heights; 0 for none."""
    before: float = 0.0
    """Distance by which it stands nearer than its position: a table is in front of those who use it."""


_ON_WALL, _ON_FLOOR, _BEHIND = -9.0, -8.0, -0.06
BACKDROP = -5.0
"""Depth below which things are behind all people."""

KINDS: dict[str, Kind] = {
    "rug": Kind(furniture.draw_rug, _ON_FLOOR),
    "window": Kind(wall.draw_window, _ON_WALL),
    "television": Kind(wall.draw_television, _ON_WALL),
    "bell": Kind(wall.draw_bell, _ON_WALL),
    "lamp": Kind(wall.draw_lamp, _ON_WALL),
    "door": Kind(furniture.draw_door, _ON_WALL),
    "coat_rack": Kind(furniture.draw_coat_rack, _ON_WALL),
    "bookshelf": Kind(furniture.draw_bookshelf, _BEHIND, 0.5),
    "easel": Kind(furniture.draw_easel, _BEHIND, 0.4),
    "sink": Kind(furniture.draw_sink, _BEHIND, 0.42),
    "toy_shelf": Kind(furniture.draw_toy_shelf, _BEHIND, 0.55),
    "drum": Kind(furniture.draw_drum, _BEHIND, 0.32),
    "table": Kind(furniture.draw_table, shadow=0.75, before=0.13),
    "chair": Kind(furniture.draw_chair, shadow=0.3),
    "box": Kind(furniture.draw_box, shadow=0.3),
    "fly": Kind(distractors.draw_fly, 2.0),
    "balloon": Kind(distractors.draw_balloon),
    "cat": Kind(distractors.draw_cat, shadow=0.26),
}


def kind_of(thing: Thing) -> Kind:
    """Returns the kind of a thing.

    Raises:
        UserError: there is no such kind of thing.
    """
    if thing.kind not in KINDS:
        raise unknown_name("thing kind", thing.kind, KINDS)
    return KINDS[thing.kind]


def order_of(thing: Thing) -> float:
    """Returns the depth of a thing for drawing from back to front, comparable to that of a person."""
    kind = kind_of(thing)
    return thing.depth + kind.before + kind.nearer


def draw_thing(image: np.ndarray, thing: Thing) -> None:
    """Draws a thing at its position, with its shadow."""
    kind = kind_of(thing)
    pen = stand_at(image, thing.x, thing.depth + kind.before)
    if kind.shadow:
        draw_shadow(image, pen.x, pen.y, kind.shadow * pen.unit, 0.22)
    kind.draw(pen, thing)
