"""The empty room: wall, posters, bunting and floor, drawn once per video."""

import functools
import itertools
import math
import random
from collections.abc import Callable

import cv2
import numpy as np

from vidseq.classroom.drawing.canvas import Color, Pen, mix, shade
from vidseq.classroom.drawing.stage import FLOOR

_WALLS: tuple[Color, ...] = (
    (247, 232, 205),
    (222, 235, 224),
    (214, 230, 241),
    (243, 222, 214),
    (233, 226, 241),
    (240, 238, 214),
)
_FLOORS: tuple[Color, ...] = ((214, 178, 132), (196, 160, 120), (205, 190, 160), (184, 172, 158))
_BUNTING: tuple[Color, ...] = ((226, 122, 112), (240, 196, 96), (128, 182, 148), (118, 164, 206), (190, 150, 200))
_PAPER: Color = (252, 249, 240)
_TRIM: Color = (250, 247, 238)
_POSTER_POSITIONS = (0.17, 0.355, 0.955)
"""Horizontal positions of posters, as shares of the width, where nothing else hangs."""


@functools.lru_cache(maxsize=8)
def room(layout_seed: int, width: int, height: int) -> np.ndarray:
    """Draws the empty room.

    Args:
        layout_seed: chooses colours, the floor and the posters.
        width: pixels.
        height: pixels.

    Returns:
        uint8 (height, width, 3), read-only: copy it to draw on it.
    """
    rng = random.Random(layout_seed)
    image = np.zeros((height, width, 3), np.uint8)
    # The wall's frame: x from 0 to `aspect`, y from 0 at the floor to 1 at the ceiling.
    pen = Pen(image, 0, FLOOR * height, FLOOR * height)
    aspect = width / (FLOOR * height)
    _floor(image, rng.choice(_FLOORS), rng.choice((_boards, _tiles)))
    wall = rng.choice(_WALLS)
    _wall(image, pen, wall, aspect)
    _posters(pen, aspect, rng)
    _bunting(pen, aspect, rng)
    _daylight(image)
    image.flags.writeable = False
    return image


def _wall(image: np.ndarray, pen: Pen, wall: Color, aspect: float) -> None:
    rows = round(pen.y)
    light = np.linspace(1.04, 0.95, rows)[:, None, None]
    image[:rows] = np.clip(np.asarray(wall) * light, 0, 255).astype(np.uint8)
    lower = mix(wall, (150, 120, 96), 0.22)
    pen.rectangle(0, 0, aspect, 0.3, lower)
    pen.rectangle(0, 0.295, aspect, 0.025, _TRIM)
    pen.rectangle(0, 0, aspect, 0.035, _TRIM)
    pen.rectangle(0, -0.006, aspect, 0.01, shade(lower, 0.6))


def _floor(image: np.ndarray, color: Color, pattern: Callable[[np.ndarray, Color], None]) -> None:
    height = image.shape[0]
    top = round(FLOOR * height)
    light = np.linspace(0.9, 1.06, height - top)[:, None, None]
    image[top:] = np.clip(np.asarray(color) * light, 0, 255).astype(np.uint8)
    pattern(image, color)


def _boards(image: np.ndarray, color: Color) -> None:
    """Boards that run towards a vanishing point above the floor's edge."""
    height, width = image.shape[:2]
    top, vanishing = FLOOR * height, -0.5 * height
    seam = shade(color, 0.87)
    thickness = max(1, height // 300)
    stretch = (height - vanishing) / (top - vanishing)
    for board in range(-12, 29):
        start = width * board / 16
        end = width / 2 + (start - width / 2) * stretch
        _seam(image, (start, top), (end, height), seam, thickness)
        row = top + (height - top) * ((board * 0.37) % 1.0)
        across = (row - vanishing) / (top - vanishing)
        left, right = (width / 2 + (width * (board + k) / 16 - width / 2) * across for k in (0, 1))
        _seam(image, (left, row), (right, row), seam, thickness)


def _tiles(image: np.ndarray, color: Color) -> None:
    """A chequered floor in the same perspective."""
    height, width = image.shape[:2]
    top, vanishing = FLOOR * height, -0.5 * height
    dark = shade(color, 0.92)
    rows = [top + (height - top) * (k / 6) ** 1.25 for k in range(7)]
    for k, (upper, lower) in enumerate(itertools.pairwise(rows)):
        for column in range(-8 + k % 2, 30, 2):
            corners = []
            for part, row in ((0, upper), (1, upper), (1, lower), (0, lower)):
                across = (row - vanishing) / (top - vanishing)
                corners.append((width / 2 + (width * (column + part) / 20 - width / 2) * across, row))
            cv2.fillPoly(image, [np.rint(np.asarray(corners) * 16).astype(np.int32)], dark, cv2.LINE_AA, 4)


def _seam(
    image: np.ndarray, start: tuple[float, float], end: tuple[float, float], color: Color, thickness: int
) -> None:
    first, last = ((round(x * 16), round(y * 16)) for x, y in (start, end))
    cv2.line(image, first, last, color, thickness, cv2.LINE_AA, 4)


def _posters(pen: Pen, aspect: float, rng: random.Random) -> None:
    drawings: list[Callable[[Pen, random.Random], None]] = [_letters, _rainbow, _house, _flower, _numbers]
    for part, drawing in zip(_POSTER_POSITIONS, rng.sample(drawings, len(_POSTER_POSITIONS))):
        spot = (part * aspect, 0.66 + rng.uniform(-0.03, 0.03))
        paper = pen.at(spot, scale=0.26, turn=rng.uniform(-0.05, 0.05))
        paper.rectangle(-0.5, -0.62, 1.04, 1.2, shade(_TRIM, 0.8))
        paper.rectangle(-0.52, -0.6, 1.04, 1.2, _PAPER)
        drawing(paper, rng)
        paper.circle(0, 0.55, 0.035, (206, 96, 90))


def _letters(pen: Pen, rng: random.Random) -> None:
    for letter, x, y in (("A", -0.25, 0.24), ("B", 0.25, 0.24), ("C", -0.25, -0.26), ("D", 0.25, -0.26)):
        pen.text(letter, x, y, 0.48, rng.choice(_BUNTING))


def _numbers(pen: Pen, rng: random.Random) -> None:
    for digits, y in (("1 2 3", 0.28), ("4 5 6", -0.02), ("7 8 9", -0.32)):
        pen.text(digits, 0, y, 0.34, rng.choice(_BUNTING))


def _rainbow(pen: Pen, rng: random.Random) -> None:
    colors = (*_BUNTING, _PAPER)
    for k, color in enumerate(colors):
        pen.ellipse(0, -0.2, 0.44 - 0.065 * k, 0.5 - 0.07 * k, color, part=(0, 180))
    pen.rectangle(-0.46, -0.34, 0.92, 0.12, (168, 206, 140))


def _house(pen: Pen, rng: random.Random) -> None:
    pen.rectangle(-0.48, -0.55, 0.96, 0.2, (168, 206, 140))
    pen.rectangle(-0.27, -0.4, 0.54, 0.46, (240, 214, 160))
    pen.polygon(((-0.36, 0.06), (0.36, 0.06), (0, 0.38)), (206, 120, 104))
    pen.rectangle(-0.08, -0.4, 0.16, 0.26, (150, 110, 84))
    pen.circle(0.33, 0.42, 0.09, (246, 206, 92))


def _flower(pen: Pen, rng: random.Random) -> None:
    color = rng.choice(_BUNTING)
    pen.line(((0, -0.5), (0, 0.1)), (110, 160, 96), 0.06)
    pen.ellipse(0.14, -0.25, 0.16, 0.07, (110, 160, 96), turn=0.5)
    for k in range(6):
        pen.circle(0.19 * math.cos(k * math.pi / 3), 0.14 + 0.19 * math.sin(k * math.pi / 3), 0.13, color)
    pen.circle(0, 0.14, 0.12, (246, 214, 110))


def _bunting(pen: Pen, aspect: float, rng: random.Random) -> None:
    first, spans = rng.randrange(len(_BUNTING)), 3
    for span in range(spans):
        left, length = aspect * span / spans, aspect / spans
        rope = [(left + length * t / 12, 0.985 - 0.055 * math.sin(math.pi * t / 12)) for t in range(13)]
        pen.line(rope, (150, 130, 112), 0.006)
        for k in range(1, 12, 2):
            (x, y), color = rope[k], _BUNTING[(first + span * 6 + k // 2) % len(_BUNTING)]
            pen.polygon(((x - 0.032, y), (x + 0.032, y), (x, y - 0.07)), color)


def _daylight(image: np.ndarray) -> None:
    """Draws the soft light of the window on the floor."""
    height, width = image.shape[:2]
    patch = np.zeros((height, width), np.uint8)
    middle, lean = 0.47 * width, -0.06 * width
    corners = np.asarray(
        (
            (middle - 0.12 * width + lean * 0.4, 0.64 * height),
            (middle + 0.12 * width + lean * 0.4, 0.64 * height),
            (middle + 0.2 * width + lean, 0.88 * height),
            (middle - 0.2 * width + lean, 0.88 * height),
        )
    )
    cv2.fillPoly(patch, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    soft = cv2.GaussianBlur(patch, (0, 0), height * 0.018)
    alpha = soft.astype(np.float32)[..., None] * (0.24 / 255)
    image[:] = np.rint(image + (np.asarray((255, 250, 226), np.float32) - image) * alpha).astype(np.uint8)
