"""Rotary positions: attention scores then depend on how far apart two frames are, not on where they stand."""

import math
from typing import Any

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
    exact = positions.cpu() if positions.device.type == "mps" else positions  # without float64, hours lose digits
    pair = torch.arange(dim // 2, device=exact.device, dtype=torch.float64)
    turns = exact[..., None] * (LONGEST_WAVE ** (-2 * pair / dim) / (2 * math.pi))
    angles = (turns - turns.floor()) * (2 * math.pi)
    return angles if exact is positions else angles.float().to(positions.device)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turns each pair of numbers (x_i, x_(i + d/2)) by its angle.

    Source: Su et al., arXiv:2104.09864, eq. 15; here: a pair is i and i + d/2.

    Args:
        x: (..., d).
        angles: from `rotary_angles`, (..., d / 2).

    Returns:
        like `x`.
    """
    angles = angles.to(x.dtype)
    return _Rotate.apply(x, angles.cos(), angles.sin())


class _Rotate(torch.autograd.Function):
    """Gradients are turned back; nothing but the angles is remembered."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Writes both halves where they belong."""
        ctx.save_for_backward(cos, sin)
        y = torch.empty_like(x)
        (first, second), (new_first, new_second) = x.chunk(2, dim=-1), y.chunk(2, dim=-1)
        torch.mul(first, cos, out=new_first).addcmul_(second, sin, value=-1)
        torch.mul(second, cos, out=new_second).addcmul_(first, sin)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The same with the opposite angle."""
        cos, sin = ctx.saved_tensors
        return _Rotate.apply(gradients[0], cos, -sin), None, None
