"""Light on the finished picture, shadows on the floor, and camera shake."""

import functools

import cv2
import numpy as np

_SHADE = np.asarray((0.32, 0.34, 0.36))
"""Share of the light that a shadow takes away in its middle; it is slightly warm."""


def draw_shadow(image: np.ndarray, column: float, row: float, half: float, flat: float = 0.26) -> None:
    """Darkens the floor softly.

    Args:
        image: uint8 (H, W, 3), changed in place.
        column: middle of the shadow, pixels.
        row: middle of the shadow, pixels.
        half: half its width, pixels.
        flat: its height over its width.
    """
    mask = _shadow_mask(max(2, round(half)), flat)
    left, top = round(column - mask.shape[1] / 2), round(row - mask.shape[0] / 2)
    area = image[max(top, 0) : max(top + mask.shape[0], 0), max(left, 0) : max(left + mask.shape[1], 0)]
    if area.size:
        start_row, start_column = max(-top, 0), max(-left, 0)
        part = mask[start_row : start_row + area.shape[0], start_column : start_column + area.shape[1]]
        cv2.multiply(area, part, dst=area, scale=1 / 255)


@functools.lru_cache(maxsize=512)
def _shadow_mask(half: int, flat: float) -> np.ndarray:
    """Makes the remaining light, 255 for all, uint8 (h, w, 3)."""
    across = np.linspace(-1.25, 1.25, round(2.5 * half))[None, :]
    up = np.linspace(-1.25, 1.25, max(3, round(2.5 * half * flat)))[:, None]
    depth = np.clip((1.25 - np.sqrt(across**2 + up**2)) / 0.75, 0, 1)[..., None]
    return (255 * (1 - depth * depth * (3 - 2 * depth) * _SHADE)).astype(np.uint8)


def lit(image: np.ndarray, brightness: float, warmth: float) -> np.ndarray:
    """Applies another light to the picture.

    Args:
        image: uint8 (H, W, 3).
        brightness: 1 as drawn, less is darker.
        warmth: -1 cold (blue) to 1 warm (yellow).
    """
    return cv2.LUT(image, _light_table(round(brightness, 3), round(warmth, 3)))


@functools.lru_cache(maxsize=256)
def _light_table(brightness: float, warmth: float) -> np.ndarray:
    gains = brightness * (1 + warmth * np.asarray((0.12, 0.02, -0.16)))
    levels = np.arange(256)[:, None] * gains
    # The brightest tones saturate smoothly.
    bent = np.where(levels > 220, 220 + 35 * np.tanh((levels - 220) / 35), levels)
    return np.clip(np.rint(bent), 0, 255).astype(np.uint8)[None]


def shaken(image: np.ndarray, camera: tuple[float, float]) -> np.ndarray:
    """Shifts the picture by shares of its width and height, with subpixel accuracy; edges are repeated."""
    if camera == (0.0, 0.0):
        return image
    height, width = image.shape[:2]
    center = ((width - 1) / 2 - camera[0] * width, (height - 1) / 2 - camera[1] * height)
    return cv2.getRectSubPix(image, (width, height), center)
