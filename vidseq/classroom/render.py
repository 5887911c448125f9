"""Renders a scene to pixels."""

import functools
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from vidseq.classroom.drawing.canvas import Pen
from vidseq.classroom.drawing.figures import ADULT_SCALE, Joints, draw_figure
from vidseq.classroom.drawing.light import draw_shadow, lit, shaken
from vidseq.classroom.drawing.name_tags import draw_name_tag
from vidseq.classroom.drawing.poses import pose_of
from vidseq.classroom.drawing.room import room
from vidseq.classroom.drawing.stage import stand_at
from vidseq.classroom.drawing.symbols import draw_card
from vidseq.classroom.drawing.things import BACKDROP, draw_thing, order_of
from vidseq.classroom.drawing.toys import draw_toy
from vidseq.classroom.scene import Figure, Scene, Thing
from vidseq.errors import UserError

MIN_SIZE = (160, 90)
"""Smallest picture, (width, height) in pixels, in which things can be distinguished."""
_FINE = 540
"""Pictures up to this height are drawn at twice the size and reduced, for smooth edges."""
_CARD = "card:"


def render(scene: Scene, width: int, height: int) -> np.ndarray:
    """Draws a scene.

    The same scene gives the same bytes.

    Args:
        scene: the visible state.
        width: pixels, at least 160.
        height: pixels, at least 90.

    Returns:
        uint8 (height, width, 3), RGB.

    Raises:
        UserError: the picture is too small, or the scene has a thing, action or colour that cannot be drawn.
    """
    if width < MIN_SIZE[0] or height < MIN_SIZE[1]:
        raise UserError(f"Rendering expects at least {MIN_SIZE[0]}x{MIN_SIZE[1]} pixels, got {width}x{height}.")
    scale = 2 if height <= _FINE else 1
    behind = tuple(thing for thing in scene.things if order_of(thing) <= BACKDROP)
    image = _backdrop(scene.layout_seed, behind, scale * width, scale * height).copy()
    _draw_all(image, scene)
    if scale != 1:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return shaken(lit(image, scene.brightness, scene.warmth), scene.camera)


@functools.lru_cache(maxsize=6)
def _backdrop(layout_seed: int, things: tuple[Thing, ...], width: int, height: int) -> np.ndarray:
    """Draws the room with its wall and floor things, which seldom change."""
    image = room(layout_seed, width, height).copy()
    for thing in sorted(things, key=order_of):
        draw_thing(image, thing)
    image.flags.writeable = False
    return image


def _draw_all(image: np.ndarray, scene: Scene) -> None:
    """Draws things and people from back to front, and name tags last, so that nothing hides them."""
    layers: list[tuple[float, Callable[[], None]]] = []
    for thing in (*scene.things, *scene.distractors):
        if order_of(thing) > BACKDROP:
            layers.append((order_of(thing), partial(draw_thing, image, thing)))
    for figure in scene.figures:
        layers.append((figure.depth, partial(_draw_person, image, figure)))
    for _, draw in sorted(layers, key=lambda layer: layer[0]):
        draw()
    for figure in scene.figures:
        if figure.name_tag is not None:
            draw_name_tag(_stand(image, figure), figure.name_tag)


def _draw_person(image: np.ndarray, figure: Figure) -> None:
    pen = _stand(image, figure)
    pose = pose_of(figure.action, figure.phase)
    draw_shadow(image, pen.x, pen.y, 0.26 * pen.unit if not figure.adult else 0.2 * pen.unit)
    if figure.holding is not None and not figure.holding.startswith(_CARD):
        pose = replace(pose, left=(-0.3, 0.12))
    joints = draw_figure(pen, figure, pose)
    if figure.holding is not None:
        _draw_held(pen, joints, figure.holding)


def _stand(image: np.ndarray, figure: Figure) -> Pen:
    pen = stand_at(image, figure.x, figure.depth, mirrored=figure.facing < 0)
    return pen.at((0, 0), scale=ADULT_SCALE) if figure.adult else pen


def _draw_held(pen: Pen, joints: Joints, holding: str) -> None:
    if holding.startswith(_CARD):
        x, y = joints.right
        draw_card(pen.at((x, y + 0.19), scale=0.4, mirrored=False), holding.removeprefix(_CARD))
    else:
        x, y = joints.left
        draw_toy(pen.at((x - 0.12, y - 0.03), scale=0.42, mirrored=False), holding)
