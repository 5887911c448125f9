"""The elementwise linear recurrence, without a loop over single frames."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

NUMBERS = 2**14
"""Numbers that one operation should work on: enough to outweigh its call, few enough to stay in a cache."""
MIN_COUNT = 8
"""With fewer chunks than this, to read every chunk twice costs more than calls for single frames."""
MIN_LENGTH = 16
"""Frames of the shortest chunk worth making."""


def linear_scan(keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
    """Solves h_t = keep_t h_(t-1) + new_t, number by number.

    The video is cut into chunks that are worked on side by side: first each as if nothing had been before it, which
    gives what a chunk keeps and adds, then from chunk to chunk, then each from where it really starts:

        chunk 1   ■ ■ ■ ■ ─┐            all chunks take their first frame at once, then their second, ...
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
    """The gradient of a linear recurrence is the same recurrence, from the last frame to the first."""

    @staticmethod
    def forward(ctx: Any, keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
        """Solves it."""
        h = run(keep, new, before)
        ctx.save_for_backward(keep, h, before)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """of_new_t = gradient_t + keep_(t+1) of_new_(t+1)."""
        keep, h, before = ctx.saved_tensors
        of_new = run_backwards(keep, gradient, torch.zeros_like(before))
        of_keep = torch.empty_like(of_new)
        torch.mul(of_new[:, 1:], h[:, :-1], out=of_keep[:, 1:])
        torch.mul(of_new[:, 0], before, out=of_keep[:, 0])
        return of_keep, of_new, keep[:, 0] * of_new[:, 0]


def run(keep: Tensor, new: Tensor, before: Tensor) -> Tensor:
    """`linear_scan` without gradients, for autograd functions."""
    h = torch.empty_like(new, memory_format=torch.contiguous_format)
    num_chunks = _num_chunks(new)
    whole = new.shape[1] - new.shape[1] % num_chunks
    before = _run_chunks([part[:, :whole] for part in (keep, new, h)], before, num_chunks, 1)
    _run_frames([part[:, whole:].unbind(1) for part in (keep, new, h)], before)
    return h


def run_backwards(keep: Tensor, gradient: Tensor, after: Tensor) -> Tensor:
    """Its gradient: g_t = gradient_t + keep_(t+1) g_(t+1).

    Args:
        keep: as in `linear_scan`.
        gradient: of h after every frame, (B, T, ...).
        after: what later frames add to the last, (B, ...).

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
    """Chunks that are worked on side by side."""
    num_chunks = min(NUMBERS // max(1, new[:, :1].numel()), new.shape[1] // MIN_LENGTH)
    return num_chunks if num_chunks >= MIN_COUNT else 1


def _run_frames(frames: Sequence[Sequence[Tensor]], before: Tensor) -> Tensor:
    """Frame by frame, from lists of keep, new and h, which is written; returns the last frame."""
    for keep, new, h in zip(*frames):
        before = torch.addcmul(new, keep, before, out=h)
    return before


def _run_chunks(parts: Sequence[Tensor], before: Tensor, num_chunks: int, direction: int) -> Tensor:
    """Chunks side by side, from keep, new and h, which is written; returns the last frame."""
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
