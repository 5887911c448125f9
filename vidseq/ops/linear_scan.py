"""The elementwise linear recurrence, without a loop over single frames."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

WORK_SIZE = 2**14
"""Numbers per operation: enough to outweigh its call, few enough to fit a cache."""
MIN_COUNT = 8
"""With fewer chunks than this, reading every chunk twice costs more than a call per frame."""
MIN_LENGTH = 16
"""Frames of the shortest useful chunk."""


def linear_scan(keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
    """Solves h_t = keep_t h_(t-1) + new_t, elementwise.

    The video is cut into chunks that run side by side. First each chunk runs as if it were the first, which gives what
    it keeps and adds; then the starts are computed from chunk to chunk; then each chunk runs from its true start:

        chunk 1   ■ ■ ■ ■ ─┐            all chunks run their first frame at once, then their second, ...
        chunk 2   ■ ■ ■ ■ ─┤ starts
        chunk 3   ■ ■ ■ ■ ─┘

    Products are multiplied out, without logarithms or quotients, so that a keep of 0 loses no digits.

    Args:
        keep: (B, T, ...).
        new: like `keep`.
        before: h before the first frame, (B, ...).

    Returns:
        h after every frame, like `new`.
    """
    return _LinearScan.apply(keep, new, before)


class _LinearScan(torch.autograd.Function):
    """Linear recurrence; its gradient is the same recurrence, from the last frame to the first."""

    @staticmethod
    def forward(ctx: Any, keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
        """Runs the recurrence."""
        h = scan_forward(keep, new, before)
        ctx.save_for_backward(keep, h, before)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Computes grad_new_t = gradient_t + keep_(t+1) grad_new_(t+1), and the other gradients from it."""
        keep, h, before = ctx.saved_tensors
        grad_new = scan_backward(keep, gradient, torch.zeros_like(before))
        grad_keep = torch.empty_like(grad_new)
        torch.mul(grad_new[:, 1:], h[:, :-1], out=grad_keep[:, 1:])
        torch.mul(grad_new[:, 0], before, out=grad_keep[:, 0])
        return grad_keep, grad_new, keep[:, 0] * grad_new[:, 0]


def scan_forward(keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
    """Runs `linear_scan` without gradients, for autograd functions."""
    h = torch.empty_like(new, memory_format=torch.contiguous_format)
    num_chunks = _num_chunks(new)
    whole = new.shape[1] - new.shape[1] % num_chunks
    before = _run_chunks([part[:, :whole] for part in (keep, new, h)], before, num_chunks, 1)
    _run_frames([part[:, whole:].unbind(1) for part in (keep, new, h)], before)
    return h


def scan_backward(keep: Tensor, gradient: Tensor, after: Tensor) -> Tensor:
    """Runs the backward recurrence g_t = gradient_t + keep_(t+1) g_(t+1).

    Args:
        keep: as in `linear_scan`.
        gradient: of h after every frame, (B, T, ...).
        after: gradient that later frames add to the last one, (B, ...).

    Returns:
        g, like `gradient`.
    """
    total = torch.empty_like(gradient, memory_format=torch.contiguous_format)
    torch.add(gradient[:, -1], after, out=total[:, -1])
    parts = keep[:, 1:], gradient[:, :-1], total[:, :-1]
    num_chunks = _num_chunks(parts[1])
    rest = parts[1].shape[1] % num_chunks
    last = _run_chunks([part[:, rest:] for part in parts], total[:, -1], num_chunks, -1)
    _run_frames([part[:, :rest].unbind(1)[::-1] for part in parts], last)
    return total


def _num_chunks(new: Tensor) -> int:
    """Returns the number of chunks that run side by side."""
    num_chunks = min(WORK_SIZE // max(1, new[:, :1].numel()), new.shape[1] // MIN_LENGTH)
    return num_chunks if num_chunks >= MIN_COUNT else 1


def _run_frames(frames: Sequence[Sequence[Tensor]], before: Tensor) -> Tensor:
    """Runs frame by frame on lists of keep, new and h, and writes h; returns the last frame."""
    for keep, new, h in zip(*frames):
        before = torch.addcmul(new, keep, before, out=h)
    return before


def _run_chunks(parts: Sequence[Tensor], before: Tensor, num_chunks: int, direction: int) -> Tensor:
    """Runs chunks side by side on keep, new and h, and writes h; returns the last frame."""
    size = (num_chunks, parts[0].shape[1] // num_chunks)
    frames = [part.unflatten(1, size).unbind(2)[::direction] for part in parts]
    starts = before[:, None]
    if num_chunks > 1:
        kept, end = frames[0][0].clone(), frames[1][0].clone()
        for keep, new in zip(frames[0][1:], frames[1][1:]):
            kept.mul_(keep)
            torch.addcmul(new, keep, end, out=end)
        starts = torch.empty_like(end)
        for keep, new, start in zip(*(part.unbind(1)[::direction] for part in (kept, end, starts))):
            start.copy_(before)
            before = torch.addcmul(new, keep, before)
    last = _run_frames(frames, starts)
    return last[:, -1 if direction == 1 else 0]
