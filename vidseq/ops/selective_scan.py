"""The recurrence of a selective state space, in little memory."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.linear_scan import scan_backward, scan_forward
from vidseq.ops.places import Places

WORK_SIZE = 2**16
"""Numbers of hidden state of a segment, few enough to fit the processor's cache."""


def selective_scan(
    delta: Tensor, x: Tensor, a: Tensor, b: Tensor, c: Tensor, hidden: Tensor, places: Places | None = None
) -> tuple[Tensor, Tensor]:
    """Runs a diagonal state space whose step width, input and output change from frame to frame.

        h_t[n, e] = exp(delta_t[e] a[n, e]) h_(t-1)[n, e] + delta_t[e] b_t[n] x_t[e]
        y_t[e]    = sum_n c_t[n] h_t[n, e]

    A hidden state is N times as large as a frame, so h is never kept: the video runs in segments, and the backward
    pass recomputes a segment's h from its start.

    Args:
        delta: (B, T, E); 0 leaves h as it was.
        x: like `delta`.
        a: (N, E), negative.
        b: (B, T, N).
        c: like `b`.
        hidden: h before the first frame, (B, N, E).
        places: where h is wanted; None: after the last frame of each row.

    Returns:
        y (B, T, E), and h at the places, (P, N, E).
    """
    if places is None:
        places = Places.ends(torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))
    return _SelectiveScan.apply(delta, x, a, b, c, hidden, places)


class _SelectiveScan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, delta: Tensor, x: Tensor, a: Tensor, b: Tensor, c: Tensor, hidden: Tensor, places: Places
    ) -> tuple[Tensor, Tensor]:
        """Keeps h at the start of each segment."""
        ctx.frames = max(1, WORK_SIZE // max(1, hidden.numel()))
        ctx.places = places
        y, starts, scaled = torch.empty_like(x), [], delta * x
        at_places = hidden.new_empty(len(places.rows), *hidden.shape[1:])
        for start in range(0, x.shape[1], ctx.frames):
            part = slice(start, start + ctx.frames)
            starts.append(hidden)
            _, h = _hidden(delta[:, part], scaled[:, part], a, b[:, part], hidden)
            y[:, part] = (c[:, part, None] @ h)[:, :, 0]
            inside, index = places.within(start, start + h.shape[1])
            at_places[index] = inside.newest(h, hidden)
            hidden = h[:, -1].clone()
        ctx.save_for_backward(delta, x, a, b, c, *starts)
        return y, at_places

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, grad_places: Tensor) -> tuple[Tensor | None, ...]:
        """Runs from the last segment to the first; `carry` is the gradient of h between two segments."""
        delta, x, a, b, c, *starts = ctx.saved_tensors
        carry = torch.zeros_like(starts[0])
        grad_delta, grad_scaled, grad_a = torch.empty_like(delta), torch.empty_like(x), torch.zeros_like(a)
        grad_b, grad_c, scaled = torch.empty_like(b), torch.empty_like(c), delta * x
        for index in reversed(range(len(starts))):
            part = slice(index * ctx.frames, (index + 1) * ctx.frames)
            keep, h = _hidden(delta[:, part], scaled[:, part], a, b[:, part], starts[index])
            grad_h = grad_y[:, part, None] * c[:, part, :, None]
            inside, at = ctx.places.within(part.start, part.start + h.shape[1])
            behind = inside.seen > 0
            grad_h.index_put_((inside.rows[behind], inside.seen[behind] - 1), grad_places[at[behind]], accumulate=True)
            grad_h = scan_backward(keep, grad_h, carry)
            carry = keep[:, 0] * grad_h[:, 0]
            grad_b[:, part] = (grad_h @ scaled[:, part, :, None])[..., 0]
            grad_c[:, part] = (h @ grad_y[:, part, :, None])[..., 0]
            grad_scaled[:, part] = (b[:, part, None] @ grad_h)[:, :, 0]
            keep[:, 1:].mul_(h[:, :-1])
            keep[:, 0].mul_(starts[index])
            grad_exponent = keep.mul_(grad_h)
            grad_delta[:, part] = (grad_exponent * a).sum(dim=2)
            grad_a += grad_exponent.mul_(delta[:, part, None]).sum(dim=(0, 1))
        first = ctx.places.seen == 0
        carry = carry.index_add(0, ctx.places.rows[first], grad_places[first])
        return grad_delta.addcmul_(grad_scaled, x), grad_scaled * delta, grad_a, grad_b, grad_c, carry, None


def _hidden(delta: Tensor, scaled: Tensor, a: Tensor, b: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the share of h that is kept, and h after every frame of a segment, both (B, T, N, E)."""
    keep = (delta[:, :, None] * a).exp_()
    return keep, scan_forward(keep, scaled[:, :, None] * b[..., None], hidden)
