"""Rotary positions: attention scores then depend on how far apart two frames are, not on where they stand."""

import math

import torch
from torch import Tensor

LONGEST_WAVE = 10_000.0
"""Frames of the slowest rotation, in radians."""


def rotary_angles(positions: Tensor, dim: int) -> Tensor:
    """The angles by which a vector at each position is turned, one for every pair of its numbers.

    Args:
        positions: whole numbers, (...,); hours of frames are fine.
        dim: width of the vectors, even.

    Returns:
        radians in [0, 2 pi), (..., dim / 2), float64 where the device has it.
    """
    exact = torch.float32 if positions.device.type == "mps" else torch.float64
    pair = torch.arange(dim // 2, device=positions.device, dtype=exact)
    return (positions[..., None] * LONGEST_WAVE ** (-2 * pair / dim)).remainder(2 * math.pi)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turns each pair of numbers (x_i, x_(i + d/2)) by its angle.

    Source: Su et al., arXiv:2104.09864, eq. 15; here: a pair is i and i + d/2.

    Args:
        x: (..., d).
        angles: from `rotary_angles`, (..., d / 2).

    Returns:
        like `x`.
    """
    cos, sin = angles.to(x.dtype).cos(), angles.to(x.dtype).sin()
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
