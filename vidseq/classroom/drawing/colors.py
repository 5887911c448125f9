"""Pixel values of colour names, with one error for all drawings."""

from vidseq.classroom.drawing.canvas import Color
from vidseq.classroom.palette import COLORS, NEUTRAL
from vidseq.errors import unknown_name

_ALL: dict[str, Color] = {**COLORS, **NEUTRAL}


def color_of(name: str) -> Color:
    """Returns the pixel value of a colour name.

    Raises:
        UserError: the palette has no such colour.
    """
    if name not in _ALL:
        raise unknown_name("colour", name, _ALL)
    return _ALL[name]
