"""Poses: how the limbs of a body are held, with the things that belong to it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from vidseq.classroom.drawing.canvas import Pen, Point


@dataclass(frozen=True)
class Prop:
    """A thing of an action."""

    draw: Callable[[Pen], None]
    x: float
    y: float
    scale: float = 1.0
    turn: float = 0.0
    anchor: str = "chest"
    """Origin of (x, y): "chest", "head", "left" or "right" (hands), or "ground" (between the feet)."""
    layer: int = 1
    """0 behind the body, 1 between body and near arm, 2 in front."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A pose of a body that looks to the right; lengths are parts of its height."""

    left: Point = (-0.14, -0.3)
    """The far hand, from the middle of the chest."""
    right: Point = (0.15, -0.3)
    """The near hand, from the middle of the chest."""
    left_foot: Point = (-0.075, 0.02)
    right_foot: Point = (0.07, 0.015)
    hip: Point = (0.0, 0.0)
    """Shift of the hip from its standing position."""
    drop: float = 0.0
    """0 standing to 1 sitting on the floor."""
    lean: float = 0.0
    """Of the trunk, radians, forwards."""
    tilt: float = 0.0
    """Of the head, radians, forwards."""
    eyes: str = "open"
    mouth: str = "smile"
    props: tuple[Prop, ...] = ()


def wave(phase: float, seconds: float, late: float = 0.0) -> float:
    """Swings between -1 and 1 with a period of `seconds`."""
    return math.sin(2 * math.pi * (phase / seconds - late))
