"""Rotary positions: attention scores then depend on how far apart two frames are, not on where they stand."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

MAX_WAVE = 10_000.0
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
    turns = exact[..., None] * _turns_a_frame(dim, exact.device)
    angles = turns.sub_(turns.floor()).mul_(2 * math.pi)
    return angles if exact is positions else angles.float().to(positions.device)


@functools.cache
def _turns_a_frame(dim: int, device: torch.device) -> Tensor:
    """Of each pair, float64 (dim / 2)."""
    with torch.inference_mode(False):  # what is made in that mode could never be used in training
        pair = torch.arange(dim // 2, device=device, dtype=torch.float64)
        return MAX_WAVE ** (-2 * pair / dim) / (2 * math.pi)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turns each pair of numbers (x_i, x_(i + d/2)) by its angle.

    Source: Su et al., arXiv:2104.09864, eq. 15; here: a pair is i and i + d/2.

    Args:
        x: (..., d).
        angles: from `rotary_angles`, (..., d / 2).

    Returns:
        like `x`.
    """
    return _Rotate.apply(x, *_waves(angles.to(x.dtype)))


def rotate_qkv(
    qkv: Tensor, angles: Tensor, past: Sequence[tuple[Tensor, Tensor]] = ()
) -> tuple[Tensor, Tensor, Tensor]:
    """Turns queries and keys by the angles of their frames, and puts keys and values behind those of earlier frames.

    As `rotate` of the first two and `torch.cat`, but for the copies: keys are turned to where they belong, and what
    autograd would do to put gradients together is not needed.

    Args:
        qkv: queries, keys and values, (B, T, 3, H, d).
        angles: from `rotary_angles`, (B or 1, T, d / 2).
        past: keys, which are not turned again, and values of earlier frames, each (B, H, N, d), in parts.

    Returns:
        queries (B, H, T, d), keys and values (B, H, all N + T, d); they lie in memory as (B, T, ..., H, d).
    """
    waves, parts = _waves(angles.to(qkv.dtype)[:, :, None]), [part for parts in past for part in parts]
    if torch.is_grad_enabled():
        return _RotateQKV.apply(qkv, *waves, *parts)
    return _turned_behind(qkv, *waves, *parts)


def _waves(angles: Tensor) -> tuple[Tensor, Tensor]:
    """What `_turn` takes: cosines of all numbers, (..., d), and sines of all pairs, (..., d / 2)."""
    cos = angles.cos()
    return torch.cat([cos, cos], dim=-1), angles.sin()


def _turn(x: Tensor, cos: Tensor, sin: Tensor, y: Tensor) -> None:
    """Turns x into y, which lies elsewhere; whole vectors at once where it can be, for halves are short."""
    half = sin.shape[-1]
    torch.mul(x, cos, out=y)
    y[..., :half].addcmul_(x[..., half:], sin, value=-1)
    y[..., half:].addcmul_(x[..., :half], sin)


class _RotateQKV(torch.autograd.Function):
    """Gradients are turned back into one tensor."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor, *past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Without a past, values are a view."""
        ctx.save_for_backward(cos, sin)
        ctx.sizes = [part.shape[2] for part in past[::2]]
        return _turned_behind(qkv, cos, sin, *past)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The same with the opposite angle."""
        cos, sin = ctx.saved_tensors
        of_q, *of_kv = gradients
        *of_past, (of_k, of_v) = zip(*(part.split([*ctx.sizes, of_q.shape[2]], dim=2) for part in of_kv))
        batch, heads, num_frames, width = of_q.shape
        whole = of_q.new_empty(batch, num_frames, 3, heads, width)
        for number, part in enumerate((of_q, of_k)):
            _turn(part.transpose(1, 2), cos, -sin, whole[:, :, number])
        whole[:, :, 2] = of_v.transpose(1, 2)
        return whole, None, None, *(part for parts in of_past for part in parts)


def _turned_behind(qkv: Tensor, cos: Tensor, sin: Tensor, *past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What `rotate_qkv` gives; past are keys and values by turns."""
    if not past:
        turned = torch.empty_like(qkv[:, :, :2])
        _turn(qkv[:, :, :2], cos[:, :, None], sin[:, :, None], turned)
        q, k, v = *turned.unbind(2), qkv.select(2, 2)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    q, new_k, new_v = qkv.unbind(2)
    turned, k, v = q.new_empty(q.shape), _behind(past[::2], new_k), _behind(past[1::2], new_v)
    earlier = k.shape[1] - q.shape[1]
    _turn(q, cos, sin, turned)
    _turn(new_k, cos, sin, k[:, earlier:])
    v[:, earlier:] = new_v
    return turned.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)


def _behind(past: Sequence[Tensor], new: Tensor) -> Tensor:
    """Past frames, (B, H, N, d) in parts, and room for new ones like `new` (B, T, H, d): (B, all N + T, H, d)."""
    sizes = [part.shape[2] for part in past]
    y = new.new_empty(len(new), sum(sizes) + new.shape[1], *new.shape[2:])
    for part, there in zip(past, y.split([*sizes, new.shape[1]], dim=1)):
        there.copy_(part.transpose(1, 2))
    return y


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
