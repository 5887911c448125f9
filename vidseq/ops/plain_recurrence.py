"""The recurrence of a plain RNN, with a backward pass as fast as its forward pass."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SEGMENT = 512
"""Frames of a segment, so that its tensors fit the processor's cache."""


def plain_recurrence(inputs: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    """Runs h = tanh(inputs_t + W h) over frames whose input products are precomputed.

    The backward pass is written by hand, because autograd would make a gradient of W and a graph node at every frame.
    Here a frame takes two operations in either direction, and the gradient of W is one product at the end.

    Args:
        inputs: (B, T, D).
        hidden: h before the first frame, (B, D).
        weight: W, (D, D).

    Returns:
        h after every frame, (B, T, D).
    """
    return _PlainRecurrence.apply(inputs, hidden, weight)


class _PlainRecurrence(torch.autograd.Function):
    """Plain recurrence; time is the first dimension inside, so that a frame is contiguous."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
        """Keeps h of every frame."""
        hiddens = torch.cat([hidden[None], inputs.transpose(0, 1)])
        before, transposed = hiddens[0], weight.T
        for segment in hiddens[1:].split(SEGMENT):
            for h in segment.unbind(0):
                before = h.addmm_(before, transposed).tanh_()
        ctx.save_for_backward(hiddens, weight)
        return hiddens[1:].transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """Runs from the last frame to the first."""
        hiddens, weight = ctx.saved_tensors
        totals = gradient.transpose(0, 1).clone(
            memory_format=torch.contiguous_format
        )  # h's gradients, then those of the inputs
        grad_next, grad_weight = torch.zeros_like(hiddens[0]), torch.zeros_like(weight)
        parts = (part.split(SEGMENT) for part in (totals, hiddens[1:], hiddens[:-1]))
        for grad_inputs, after, before in reversed([*zip(*parts)]):
            slopes = after.square().neg_().add_(1)
            for total, slope in zip(reversed(grad_inputs.unbind(0)), reversed(slopes.unbind(0))):
                grad_next = total.addmm_(grad_next, weight).mul_(slope)
            grad_weight.addmm_(grad_inputs.flatten(0, 1).T, before.flatten(0, 1))
        return totals.transpose(0, 1), grad_next @ weight, grad_weight
