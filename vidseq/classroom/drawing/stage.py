"""The perspective of the room: from a position to pixels, nearer things lower and larger."""

import numpy as np

from vidseq.classroom.drawing.canvas import Pen

FLOOR = 0.56
"""Edge of wall and floor, as a share of the picture's height from the top."""
_BACK, _FRONT = 0.60, 0.965
_SMALL, _LARGE = 0.31, 0.41


def stand_at(image: np.ndarray, x: float, depth: float, mirrored: bool = False) -> Pen:
    """Makes a pen on the floor, whose unit is the height of a child at its position.

    Args:
        image: uint8 (H, W, 3), to be drawn on.
        x: across the room, 0 to 1.
        depth: 0 at the back wall to 1 nearest the camera.
        mirrored: whether local x runs to the left.
    """
    height, width = image.shape[:2]
    spread = 0.94 + 0.06 * depth
    column = width * (0.5 + (x - 0.5) * spread)
    row = height * (_BACK + (_FRONT - _BACK) * depth)
    unit = min(height, 0.7 * width) * (_SMALL + (_LARGE - _SMALL) * depth)
    return Pen(image, column, row, unit, mirrored)
