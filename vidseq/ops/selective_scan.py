"""The recurrence of a selective state space, in little memory."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.linear_scan import run, run_backwards

NUMBERS = 2**16
"""Numbers of hidden state that are worked on at once; they stay in a processor's cache."""


def selective_scan(delta: Tensor, x: Tensor, a: Tensor, b: Tensor, c: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Runs a diagonal state space whose step width, input and output change from frame to frame.

        h_t[n, e] = exp(delta_t[e] a[n, e]) h_(t-1)[n, e] + delta_t[e] b_t[n] x_t[e]
        y_t[e]    = sum_n c_t[n] h_t[n, e]

    A hidden state is N times as large as a frame, so h is never kept: the video is worked on in segments, and going
    back a segment's h is made again from where the segment started.

    Args:
        delta: (B, T, E); 0 leaves h as it was.
        x: like `delta`.
        a: (N, E), negative.
        b: (B, T, N).
        c: like `b`.
        hidden: h before the first frame, (B, N, E).

    Returns:
        y (B, T, E), and h after the last frame.
    """
    return _SelectiveScan.apply(delta, x, a, b, c, hidden)


class _SelectiveScan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, delta: Tensor, x: Tensor, a: Tensor, b: Tensor, c: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keeps h where segments start."""
        ctx.frames = max(1, NUMBERS // max(1, hidden.numel()))
        y, starts, scaled = torch.empty_like(x), [], delta * x
        for start in range(0, x.shape[1], ctx.frames):
            part = slice(start, start + ctx.frames)
            starts.append(hidden)
            _, h = _hidden(delta[:, part], scaled[:, part], a, b[:, part], hidden)
            y[:, part] = (c[:, part, None] @ h)[:, :, 0]
            hidden = h[:, -1].clone()
        ctx.save_for_backward(delta, x, a, b, c, *starts)
        return y, hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_y: Tensor, carry: Tensor) -> tuple[Tensor, ...]:
        """Segment by segment from the last to the first; `carry` is the gradient of h between two segments."""
        delta, x, a, b, c, *starts = ctx.saved_tensors
        of_delta, of_scaled, of_a = torch.empty_like(delta), torch.empty_like(x), torch.zeros_like(a)
        of_b, of_c, scaled = torch.empty_like(b), torch.empty_like(c), delta * x
        for index in reversed(range(len(starts))):
            part = slice(index * ctx.frames, (index + 1) * ctx.frames)
            keep, h = _hidden(delta[:, part], scaled[:, part], a, b[:, part], starts[index])
            of_h = run_backwards(keep, of_y[:, part, None] * c[:, part, :, None], carry)
            carry = keep[:, 0] * of_h[:, 0]
            of_b[:, part] = (of_h @ scaled[:, part, :, None])[..., 0]
            of_c[:, part] = (h @ of_y[:, part, :, None])[..., 0]
            of_scaled[:, part] = (b[:, part, None] @ of_h)[:, :, 0]
            keep[:, 1:].mul_(h[:, :-1])
            keep[:, 0].mul_(starts[index])
            of_exponent = keep.mul_(of_h)
            of_delta[:, part] = (of_exponent * a).sum(dim=2)
            of_a += of_exponent.mul_(delta[:, part, None]).sum(dim=(0, 1))
        return of_delta.addcmul_(of_scaled, x), of_scaled * delta, of_a, of_b, of_c, carry


def _hidden(delta: Tensor, scaled: Tensor, a: Tensor, b: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """What h keeps, and h after every frame of a segment, both (B, T, N, E)."""
    keep = (delta[:, :, None] * a).exp_()
    return keep, run(keep, scaled[:, :, None] * b[..., None], hidden)
