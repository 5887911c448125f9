"""Text as masks, with the font in Pillow, so that every machine draws the same letters."""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont


@functools.lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Returns the font at a size in pixels."""
    return ImageFont.load_default(size)


@functools.lru_cache(maxsize=1024)
def text_mask(text: str, size: int) -> np.ndarray:
    """Draws one line of text.

    Args:
        text: the line.
        size: of the font, pixels.

    Returns:
        uint8 (h, w), 255 inside the letters; the height depends on the size alone, so that lines align. Read-only.
    """
    face = font(size)
    width = max(1, round(face.getlength(text)))
    image = Image.new("L", (width + 2, round(size * 1.25)))
    ImageDraw.Draw(image).text((1, 0), text, font=face, fill=255)
    mask = np.asarray(image).copy()
    mask.flags.writeable = False
    return mask
