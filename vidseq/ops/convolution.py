"""Dilated convolutions over time, as products of frames with matrices."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def convolve(x: Tensor, weight: Tensor, bias: Tensor, dilation: int = 1) -> Tensor:
    """Convolves frames whose input starts with the past that they need.

        y_t = bias + sum_k W_k x_(t + k dilation),    k = 0, ..., K - 1

    Args:
        x: (B, (K - 1) * dilation + T, C).
        weight: all W_k side by side, oldest first, (D, K * C).
        bias: (D,).
        dilation: distance in frames between the frames of one output.

    Returns:
        (B, T, D).
    """
    taps = weight.shape[1] // x.shape[2]
    num_frames = x.shape[1] - (taps - 1) * dilation
    in_place = x.dtype == weight.dtype and x.dtype in (torch.float32, torch.float64)
    if x.device.type == "cpu" and in_place and num_frames > 1 and not torch.is_autocast_enabled("cpu"):
        return cast("Tensor", _Convolve.apply(x, weight, bias, dilation))
    inputs = torch.cat([x.narrow(1, tap * dilation, num_frames) for tap in range(taps)], dim=-1)
    return F.linear(inputs, weight, bias)


class _Convolve(torch.autograd.Function):
    """Adds up the products of the K taps in place, without copies of x for each tap."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
        """Convolves one video after the other."""
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        first, *others = weight.split(x.shape[2], dim=1)
        num_frames = x.shape[1] - len(others) * dilation
        y = x.new_empty(len(x), num_frames, len(weight))
        for row, frames in zip(y, x):
            torch.addmm(bias, frames[:num_frames], first.T, out=row)
            for index, tap in enumerate(others, start=1):
                torch.addmm(row, frames[index * dilation :][:num_frames], tap.T, out=row)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Adds up the transposed products."""
        x, weight = ctx.saved_tensors
        taps, num_frames = weight.split(x.shape[2], dim=1), gradient.shape[1]
        grad_x, grad_weight = torch.zeros_like(x), torch.zeros_like(weight)
        for row, frames, grad_frames in zip(gradient, x, grad_x):
            for index, (tap, grad_tap) in enumerate(zip(taps, grad_weight.split(x.shape[2], dim=1))):
                part = slice(index * ctx.dilation, index * ctx.dilation + num_frames)
                grad_frames[part].addmm_(row, tap)
                grad_tap.addmm_(row.T, frames[part])
        return grad_x, grad_weight, gradient.sum(dim=(0, 1)), None
