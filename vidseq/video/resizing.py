"""Resizes frames for a CNN and keeps their aspect ratio."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from vidseq.errors import UserError

Policy = Literal["crop", "stretch", "whole"]
Interpolation = Literal["bilinear", "bicubic"]
CROP_MARGIN = 256 / 224  # the shorter side before cropping, as a multiple of the crop; the usual value for ImageNet
SIDE_STEP = 32  # CNNs halve the size five times
MAX_ASPECT = 64  # of a frame; what is longer is cut or squeezed, or a frame of one row would fill gigabytes
BAD_ASPECT_COST = 3.0  # weight of a relative error of the aspect ratio against one of the area, to choose the sides


@dataclass(frozen=True)
class Size:
    """The size of resized frames, and the part of a frame to keep.

    Attributes:
        pixels: side S of the square that the CNN was trained on.
        resize: "crop" scales the shorter side to S * 256 / 224 (rounded down) and cuts out the middle S x S, as
            torchvision does: the ends of wide frames are lost. "stretch" scales both sides to S: shapes change, and
            nothing is lost. "whole" keeps the whole frame: the area is about S x S, the sides are multiples of 32, and
            their ratio is nearest to that of the frame. The frame is scaled to fit inside, and its outermost pixels
            fill the remaining rows or columns.
        scaled: side before the middle is cut out, of the shorter side ("crop") or of both ("stretch"); None: as said.
        interpolation: how pixels are scaled.
    """

    pixels: int = 224
    resize: Policy = "crop"
    scaled: int | None = None
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if self.resize not in get_args(Policy):
            raise UserError(f"Size expects resize crop, stretch or whole, got '{self.resize}'.")
        if self.pixels < SIDE_STEP:
            raise UserError(f"Size expects at least {SIDE_STEP} pixels, got {self.pixels}.")

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Returns the height and width of a resized frame, given its own height and width."""
        if self.resize != "whole":
            return self.pixels, self.pixels
        return _whole_sides(height, width, self.pixels)


def resize(images: np.ndarray, size: Size) -> np.ndarray:
    """Scales frames by area-aware (antialiased) interpolation, on 8-bit values.

    Args:
        images: uint8 (N, H, W, 3).
        size: the new size, and the part of a frame to keep.

    Returns:
        uint8 (N, h, w, 3) with (h, w) = `size.output(H, W)`; within one level of Pillow's BILINEAR or BICUBIC.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise UserError(f"resize expects uint8 images (N, H, W, 3), got {images.dtype} {images.shape}.")
    height, width = size.output(*images.shape[1:3])
    if size.resize == "whole":
        return fit(images, height, width, interpolation=size.interpolation)
    images = _middle(images) if size.resize == "crop" else images
    scaled = scale(images, *_sides_before_cut(size, *images.shape[1:3]), size.interpolation)
    top, left = round((scaled.shape[1] - height) / 2), round((scaled.shape[2] - width) / 2)
    return np.ascontiguousarray(scaled[:, top : top + height, left : left + width])


def fit(
    images: np.ndarray,
    height: int,
    width: int,
    *,
    shape: tuple[int, int] | None = None,
    interpolation: Interpolation = "bilinear",
) -> np.ndarray:
    """Scales frames to fit inside a height and width; their outermost pixels fill the remaining rows or columns.

    Args:
        images: uint8 (N, H, W, 3).
        height: of the result.
        width: of the result.
        shape: height and width that give the shape to keep; None: H and W.
        interpolation: how pixels are scaled.

    Returns:
        uint8 (N, height, width, 3).
    """
    own_height, own_width = shape or images.shape[1:3]
    factor = min(height / own_height, width / own_width)
    sides = max(1, min(height, round(own_height * factor))), max(1, min(width, round(own_width * factor)))
    scaled = scale(images, *sides, interpolation)
    rows, columns = height - sides[0], width - sides[1]
    if not rows and not columns:
        return np.ascontiguousarray(scaled)
    edges = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return np.pad(scaled, edges, mode="edge")


def _middle(images: np.ndarray) -> np.ndarray:
    """Cuts what is far from the middle of very long frames, which no crop shows."""
    height, width = images.shape[1:3]
    most = MAX_ASPECT * min(height, width)
    top, left = max(0, height - most) // 2, max(0, width - most) // 2
    return images[:, top : height - top, left : width - left]


def _sides_before_cut(size: Size, height: int, width: int) -> tuple[int, int]:
    """Returns height and width before the middle is cut out; a longer side is rounded down, as torchvision does."""
    if size.resize == "stretch":
        side = size.scaled or size.pixels
        return side, side
    shorter = size.scaled or int(size.pixels * CROP_MARGIN)
    if height <= width:
        return shorter, int(shorter * width / height)
    return int(shorter * height / width), shorter


def _whole_sides(height: int, width: int, pixels: int) -> tuple[int, int]:
    """Returns multiples of 32 whose ratio is near that of the frame, and whose area is near that of the square."""
    height, width = min(height, MAX_ASPECT * width), min(width, MAX_ASPECT * height)
    ideal_height = pixels * (height / width) ** 0.5

    def cost(sides: tuple[int, int]) -> float:
        shape = abs(np.log(sides[1] / sides[0] * height / width))
        area = abs(np.log(sides[0] * sides[1] / pixels**2))
        return float(BAD_ASPECT_COST * shape + area)

    choices = []
    nearest = round(ideal_height / SIDE_STEP)
    for rows in range(max(1, nearest - 2), nearest + 3):
        for columns in {int(rows * width / height), int(rows * width / height) + 1}:
            choices.append((rows * SIDE_STEP, max(1, columns) * SIDE_STEP))
    return min(sorted(choices), key=cost)


def scale(images: np.ndarray, height: int, width: int, interpolation: Interpolation = "bilinear") -> np.ndarray:
    """Scales frames, uint8 (N, H, W, 3), to a height and width, whatever their shape."""
    if images.shape[1:3] == (height, width):
        return images
    import torch  # heavy, and help pages need the room of videos without it

    channels_last = torch.from_numpy(images).permute(0, 3, 1, 2)
    scaled = torch.nn.functional.interpolate(
        channels_last, size=(height, width), mode=interpolation, antialias=True, align_corners=False
    )
    return scaled.permute(0, 2, 3, 1).numpy()
