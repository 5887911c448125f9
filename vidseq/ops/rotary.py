"""Rotary positions: attention scores then depend on how far apart two frames are, not on where they stand."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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


def rotate_qkv(qkv: Tensor, angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turns queries and keys by the angles of their frames, and leaves values as they are.

    As `rotate` of the first two, but for the copies that autograd would make to put three gradients together.

    Args:
        qkv: queries, keys and values, (B, T, 3, H, d).
        angles: from `rotary_angles`, (B or 1, T, d / 2).

    Returns:
        queries, keys and values, each (B, H, T, d); they lie in memory as (B, T, ..., H, d).
    """
    angles = angles.to(qkv.dtype)[:, :, None]
    return _RotateQKV.apply(qkv, angles.cos(), angles.sin())


def _turn(x: Tensor, cos: Tensor, sin: Tensor, y: Tensor) -> None:
    """Turns x into y: both halves are written where they belong."""
    (first, second), (new_first, new_second) = x.chunk(2, dim=-1), y.chunk(2, dim=-1)
    torch.mul(first, cos, out=new_first).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=new_second).addcmul_(first, sin)


class _RotateQKV(torch.autograd.Function):
    """Gradients are turned back into one tensor."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values are a view."""
        ctx.save_for_backward(cos, sin)
        turned = qkv.new_empty(*qkv.shape[:2], 2, *qkv.shape[3:])
        _turn(qkv[:, :, :2], cos[:, :, None], sin[:, :, None], turned)
        q, k = turned.permute(2, 0, 3, 1, 4).unbind()
        return q, k, qkv[:, :, 2].transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The same with the opposite angle."""
        cos, sin = ctx.saved_tensors
        of_q, of_k, of_v = (part.transpose(1, 2) for part in gradients)
        whole = of_q.new_empty(*of_q.shape[:2], 3, *of_q.shape[2:])
        for number, part in enumerate((of_q, of_k)):
            _turn(part, cos, -sin, whole[:, :, number])
        whole[:, :, 2].copy_(of_v)
        return whole, None, None


class _Rotate(torch.autograd.Function):
    """Gradients are turned back; nothing but the angles is remembered."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Keeps no x."""
        ctx.save_for_backward(cos, sin)
        y = torch.empty_like(x)
        _turn(x, cos, sin, y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The same with the opposite angle."""
        cos, sin = ctx.saved_tensors
        return _Rotate.apply(gradients[0], cos, -sin), None, None
