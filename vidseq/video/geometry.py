"""How stored pictures become the pictures that a player shows: upright, with square pixels, all of one size."""

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from vidseq.video.resizing import fit, scale

#: Shapes of pixels from here to its inverse are shown; files that state others are taken to be wrong.
MAX_PIXEL_ASPECT = 8


@dataclass(frozen=True)
class Orientation:
    """How stored pictures are turned: first mirrored, if at all, then rotated."""

    rotation: int = 0
    """Degrees, counter-clockwise: 0, 90, 180 or 270."""
    mirrored: bool = False
    """Whether left and right change places before the rotation."""

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """Reads the display matrix of a decoded frame; other angles count as the nearest quarter turn.

        The matrix (a, b; c, d) maps a stored pixel (p, q) to (a p + c q, b p + d q), with q downwards.
        """
        stored = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload] # PyAV's stubs say str
        if stored is None:
            return cls()
        a, b, _, c, d = struct.unpack("=5i", bytes(stored)[:20])
        mirrored = a * d < b * c
        angle = math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
        return cls(round(-angle / 90) * 90 % 360, mirrored)

    @property
    def is_plain(self) -> bool:
        """Whether stored pictures are upright as they are."""
        return self == Orientation()

    @property
    def swaps_sides(self) -> bool:
        """Whether height and width change places."""
        return self.rotation in (90, 270)

    def upright(self, stored: np.ndarray) -> np.ndarray:
        """Turns a stored picture (H, W, 3) upright."""
        image = stored[:, ::-1] if self.mirrored else stored
        return np.ascontiguousarray(np.rot90(image, self.rotation // 90))


@dataclass(frozen=True)
class Canvas:
    """The size of the shown pictures of a video, which is that of its first one.

    Attributes:
        height: pixels of a shown picture.
        width: pixels of a shown picture.
        pixel_aspect: width of a pixel of an upright picture, divided by its height.
    """

    height: int
    width: int
    pixel_aspect: Fraction = Fraction(1)

    @classmethod
    def of(cls, height: int, width: int, orientation: Orientation, stored_aspect: Fraction | None) -> "Canvas":
        """Finds the canvas of a video; the longer side of its pixels becomes several, so that no detail is lost.

        Args:
            height: of the first stored picture.
            width: of the first stored picture.
            orientation: how stored pictures are turned.
            stored_aspect: width of a stored pixel divided by its height; None or 0: unknown, so square.
        """
        aspect = stored_aspect or Fraction(1)
        if not Fraction(1, MAX_PIXEL_ASPECT) <= aspect <= MAX_PIXEL_ASPECT:
            aspect = Fraction(1)
        if orientation.swaps_sides:
            height, width, aspect = width, height, 1 / aspect
        return cls(*_square(height, width, aspect), aspect)

    def show(self, image: np.ndarray) -> np.ndarray:
        """Scales an upright picture (H, W, 3) to the canvas.

        A picture of another size, because the stream changed its size, keeps its shape: it is scaled to fit inside,
        and its outermost pixels fill the rest.
        """
        if image.shape[:2] == (self.height, self.width) and self.pixel_aspect == 1:
            return image
        square = _square(image.shape[0], image.shape[1], self.pixel_aspect)
        if square == (self.height, self.width):
            return scale(image[None], *square)[0]
        return fit(image[None], self.height, self.width, shape=square)[0]


def _square(height: int, width: int, aspect: Fraction) -> tuple[int, int]:
    """Returns height and width in square pixels."""
    if aspect >= 1:
        return height, round(width * aspect)
    return round(height / aspect), width
