"""An image and pens that draw on it in local coordinates."""

import functools
import math
from collections.abc import Sequence

import cv2
import numpy as np

from vidseq.classroom.drawing.text import text_mask

Color = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""
Point = tuple[float, float]

_SHIFT = 4
_FIXED = 1 << _SHIFT
_QUARTERS = [
    [(math.cos((quarter + step / 4) * math.pi / 2), math.sin((quarter + step / 4) * math.pi / 2)) for step in range(5)]
    for quarter in range(4)
]


def shade(color: Color, factor: float) -> Color:
    """Makes a colour darker (factor below 1) or lighter (above 1, towards white)."""
    if factor <= 1:
        return (round(color[0] * factor), round(color[1] * factor), round(color[2] * factor))
    return mix(color, (255, 255, 255), min(factor - 1, 1.0))


def mix(first: Color, second: Color, part: float) -> Color:
    """Mixes two colours.

    Args:
        first: the colour at `part` 0.
        second: the colour at `part` 1.
        part: share of `second`.
    """
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(first, second))
    return (red, green, blue)


class Pen:
    """Draws anti-aliased shapes in local coordinates: x to the right (or left, if mirrored), y **up**.

    Args:
        image: uint8 (H, W, 3), drawn on in place.
        x: pixel column of the local origin.
        y: pixel row of the local origin.
        unit: pixels of one local unit.
        mirrored: local x runs to the left; text stays readable.
        angle: turns the local frame, radians, counter-clockwise on the screen before mirroring.
    """

    def __init__(
        self, image: np.ndarray, x: float, y: float, unit: float, mirrored: bool = False, angle: float = 0.0
    ) -> None:
        self.image = image
        self.x, self.y, self.unit, self.mirrored, self.angle = x, y, unit, mirrored, angle
        sign = -1.0 if mirrored else 1.0
        cos, sin = math.cos(angle) * unit, math.sin(angle) * unit
        self._across = (sign * cos, -sin)
        self._up = (-sign * sin, -cos)

    def at(self, point: Point, scale: float = 1.0, turn: float = 0.0, mirrored: bool | None = None) -> "Pen":
        """Returns a pen with its origin at a local point, with its own scale, turn and mirroring."""
        column, row = self.pixel(point)
        mirror = self.mirrored if mirrored is None else mirrored
        return Pen(self.image, column, row, self.unit * scale, mirror, self.angle + turn)

    def pixel(self, point: Point) -> Point:
        """Returns the image position of a local point, (column, row)."""
        x, y = point
        return (self.x + x * self._across[0] + y * self._up[0], self.y + x * self._across[1] + y * self._up[1])

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """Fills a polygon."""
        cv2.fillPoly(self.image, [self._fixed(points)], color, cv2.LINE_AA, _SHIFT)

    def rectangle(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        """Fills a rectangle whose lower left corner is (x, y)."""
        self.polygon(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), color)

    def rounded(self, x: float, y: float, width: float, height: float, radius: float, color: Color) -> None:
        """Fills a rectangle with round corners; (x, y) is the lower left."""
        radius = min(radius, width / 2, height / 2)
        corners = ((x + width, y + height, 0), (x, y + height, 1), (x, y, 2), (x + width, y, 3))
        points = []
        for corner_x, corner_y, quarter in corners:
            center_x = corner_x - radius if corner_x > x else corner_x + radius
            center_y = corner_y - radius if corner_y > y else corner_y + radius
            points += [(center_x + radius * cos, center_y + radius * sin) for cos, sin in _QUARTERS[quarter]]
        self.polygon(points, color)

    def line(self, points: Sequence[Point], color: Color, width: float, closed: bool = False) -> None:
        """Draws a line with round ends, `width` in local units."""
        thickness = max(1, round(width * self.unit))
        cv2.polylines(self.image, [self._fixed(points)], closed, color, thickness, cv2.LINE_AA, _SHIFT)

    def circle(self, x: float, y: float, radius: float, color: Color) -> None:
        """Fills a circle."""
        column, row = self.pixel((x, y))
        size = max(1, round(radius * self.unit * _FIXED))
        cv2.circle(
            self.image, (round(column * _FIXED), round(row * _FIXED)), size, color, cv2.FILLED, cv2.LINE_AA, _SHIFT
        )

    def ring(self, x: float, y: float, radius: float, color: Color, width: float) -> None:
        """Draws the outline of a circle."""
        column, row = self.pixel((x, y))
        size, thickness = max(1, round(radius * self.unit * _FIXED)), max(1, round(width * self.unit))
        cv2.circle(
            self.image, (round(column * _FIXED), round(row * _FIXED)), size, color, thickness, cv2.LINE_AA, _SHIFT
        )

    def ellipse(
        self, x: float, y: float, across: float, up: float, color: Color, turn: float = 0.0, part: Point = (0.0, 360.0)
    ) -> None:
        """Fills an ellipse or a slice of one.

        Args:
            x: centre.
            y: centre.
            across: half its width.
            up: half its height.
            color: fill.
            turn: radians, counter-clockwise.
            part: arc to draw, degrees counter-clockwise from the right.
        """
        steps = 12 if (across + up) * self.unit < 12 else 24 if (across + up) * self.unit < 80 else 48
        cos, sin = math.cos(turn), math.sin(turn)
        rows = []
        for from_x, from_y in zip(self._across, self._up):
            rows.append(((from_x * cos + from_y * sin) * across, (from_y * cos - from_x * sin) * up))
        column, row = self.pixel((x, y))
        points = _arc(steps, part) @ (np.asarray(rows).T * _FIXED) + (column * _FIXED, row * _FIXED)
        cv2.fillPoly(self.image, [np.rint(points).astype(np.int32)], color, cv2.LINE_AA, _SHIFT)

    def text(self, text: str, x: float, y: float, height: float, color: Color) -> None:
        """Writes text centred on (x, y); `height` is the font's size in local units."""
        column, row = self.pixel((x, y))
        mask = text_mask(text, max(6, round(height * self.unit)))
        blend(self.image, mask, round(column - mask.shape[1] / 2), round(row - mask.shape[0] / 2), color)

    def text_width(self, text: str, height: float) -> float:
        """Returns the width of a text, in local units."""
        return text_mask(text, max(6, round(height * self.unit))).shape[1] / self.unit

    def _fixed(self, points: Sequence[Point]) -> np.ndarray:
        (x_right, y_right), (x_down, y_down) = zip(self._across, self._up)
        pixels = []
        for x, y in points:
            column, row = self.x + x * x_right + y * y_right, self.y + x * x_down + y * y_down
            pixels.append((round(column * _FIXED), round(row * _FIXED)))
        return np.array(pixels, np.int32)


@functools.lru_cache(maxsize=64)
def _arc(steps: int, part: Point) -> np.ndarray:
    """Returns points of the unit circle between two angles in degrees."""
    angles = np.radians(np.linspace(part[0], part[1], steps))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def blend(image: np.ndarray, mask: np.ndarray, column: int, row: int, color: Color, strength: float = 1.0) -> None:
    """Lays a colour over an image through a mask, cut at the image's edges.

    Args:
        image: uint8 (H, W, 3), changed in place.
        mask: uint8 (h, w), 255 where the colour covers.
        column: where the mask's left edge goes.
        row: where the mask's top edge goes.
        color: of the layer.
        strength: 0 to 1, opacity at 255 in the mask.
    """
    height, width = image.shape[:2]
    left, top = max(column, 0), max(row, 0)
    right, bottom = min(column + mask.shape[1], width), min(row + mask.shape[0], height)
    if left >= right or top >= bottom:
        return
    part = mask[top - row : bottom - row, left - column : right - column]
    alpha = part.astype(np.float32)[..., None] * (strength / 255)
    area = image[top:bottom, left:right]
    area[:] = np.rint(area + (np.asarray(color, np.float32) - area) * alpha).astype(np.uint8)
