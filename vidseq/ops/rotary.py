"""Rotary positions: attention scores depend on the distance of two frames, not on their positions."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.exported import is_exporting

MAX_WAVE = 10_000.0
"""Frames per radian of the slowest rotation."""


def rotary_angles(positions: Tensor, dim: int) -> Tensor:
    """Computes the angles by which a vector at each position is rotated, one per pair of its numbers.

    Args:
        positions: in frames, (...,); hours of frames are precise.
        dim: width of the vectors, even.

    Returns:
        radians in [0, 2 pi), (..., dim / 2), float64 where the device has it.
    """
    exact = positions.cpu() if positions.device.type == "mps" else positions  # hours of frames need float64
    # what a traced step makes is no number yet, so that it must not be kept
    turns_of = _turns_per_frame.__wrapped__ if is_exporting() else _turns_per_frame
    turns = exact[..., None] * turns_of(dim, exact.device)
    angles = turns.sub_(turns.floor()).mul_(2 * math.pi)
    return angles if exact is positions else angles.float().to(positions.device)


@functools.cache
def _turns_per_frame(dim: int, device: torch.device) -> Tensor:
    """Turns per frame of each pair, float64 (dim / 2)."""
    with torch.inference_mode(False):  # a tensor made in inference mode could never be used in training
        pair = torch.arange(dim // 2, device=device, dtype=torch.float64)
        return MAX_WAVE ** (-2 * pair / dim) / (2 * math.pi)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotates each pair of numbers (x_i, x_(i + d/2)) by its angle.

    Source: Su et al., arXiv:2104.09864, eq. 15; here: a pair is i and i + d/2.

    Args:
        x: (..., d).
        angles: from `rotary_angles`, (..., d / 2).

    Returns:
        like `x`.
    """
    return _Rotate.apply(x, *_cos_sin(angles.to(x.dtype)))


def rotate_qkv(
    qkv: Tensor, angles: Tensor, past: Sequence[tuple[Tensor, Tensor]] = ()
) -> tuple[Tensor, Tensor, Tensor]:
    """Rotates queries and keys by the angles of their frames, and appends keys and values to those of earlier frames.

    Like `rotate` of queries and keys and `torch.cat`, without the copies: keys are rotated into their final memory,
    and autograd does not have to assemble gradients.

    Args:
        qkv: queries, keys and values, (B, T, 3, H, d).
        angles: from `rotary_angles`, (B or 1, T, d / 2).
        past: keys, which are already rotated, and values of earlier frames, each (B, H, N, d), in parts.

    Returns:
        queries (B, H, T, d), keys and values (B, H, all N + T, d); in memory as (B, T, ..., H, d).
    """
    cos_sin, parts = _cos_sin(angles.to(qkv.dtype)[:, :, None]), [part for parts in past for part in parts]
    if torch.is_grad_enabled():
        return _RotateQKV.apply(qkv, *cos_sin, *parts)
    return _rotate_and_append(qkv, *cos_sin, *parts)


def _cos_sin(angles: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the inputs of `_rotate_into`: cosines of all numbers, (..., d), and sines of all pairs, (..., d / 2)."""
    cos = angles.cos()
    return torch.cat([cos, cos], dim=-1), angles.sin()


def _rotate_into(x: Tensor, cos: Tensor, sin: Tensor, y: Tensor) -> None:
    """Rotates x into y, another tensor; works on whole vectors where it can, because halves are short."""
    half = sin.shape[-1]
    torch.mul(x, cos, out=y)
    y[..., :half].addcmul_(x[..., half:], sin, value=-1)
    y[..., half:].addcmul_(x[..., :half], sin)


class _RotateQKV(torch.autograd.Function):
    """Rotates queries and keys; gradients are rotated back into one tensor."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor, *past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotates and appends; without a past, values are a view."""
        ctx.save_for_backward(cos, sin)
        ctx.sizes = [part.shape[2] for part in past[::2]]
        return _rotate_and_append(qkv, cos, sin, *past)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Rotates gradients by the opposite angle."""
        cos, sin = ctx.saved_tensors
        grad_q, *grad_kv = gradients
        *grad_past, (grad_k, grad_v) = zip(*(part.split([*ctx.sizes, grad_q.shape[2]], dim=2) for part in grad_kv))
        batch, heads, num_frames, width = grad_q.shape
        whole = grad_q.new_empty(batch, num_frames, 3, heads, width)
        for index, part in enumerate((grad_q, grad_k)):
            _rotate_into(part.transpose(1, 2), cos, -sin, whole[:, :, index])
        whole[:, :, 2] = grad_v.transpose(1, 2)
        return whole, None, None, *(part for parts in grad_past for part in parts)


def _rotate_and_append(qkv: Tensor, cos: Tensor, sin: Tensor, *past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Computes `rotate_qkv`; `past` alternates keys and values."""
    if not past:
        turned = torch.empty_like(qkv[:, :, :2])
        _rotate_into(qkv[:, :, :2], cos[:, :, None], sin[:, :, None], turned)
        q, k, v = *turned.unbind(2), qkv.select(2, 2)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    q, new_k, new_v = qkv.unbind(2)
    turned, k, v = q.new_empty(q.shape), _append_after(past[::2], new_k), _append_after(past[1::2], new_v)
    earlier = k.shape[1] - q.shape[1]
    _rotate_into(q, cos, sin, turned)
    _rotate_into(new_k, cos, sin, k[:, earlier:])
    v[:, earlier:] = new_v
    return turned.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)


def _append_after(past: Sequence[Tensor], new: Tensor) -> Tensor:
    """Copies past frames, (B, H, N, d) in parts, and leaves room for new (B, T, H, d): (B, all N + T, H, d)."""
    sizes = [part.shape[2] for part in past]
    y = new.new_empty(len(new), sum(sizes) + new.shape[1], *new.shape[2:])
    for part, target in zip(past, y.split([*sizes, new.shape[1]], dim=1)):
        target.copy_(part.transpose(1, 2))
    return y


class _Rotate(torch.autograd.Function):
    """Rotates x; stores only the angles for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Rotates without keeping x."""
        ctx.save_for_backward(cos, sin)
        y = torch.empty_like(x)
        _rotate_into(x, cos, sin, y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Rotates gradients by the opposite angle."""
        cos, sin = ctx.saved_tensors
        return _Rotate.apply(gradients[0], cos, -sin), None, None
