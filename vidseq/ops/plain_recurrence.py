"""The recurrence of a plain RNN, with a backward pass as fast as its forward pass."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SEGMENT = 512
"""Frames that are worked on at once, so that what is made of them stays in a processor's cache."""


def plain_recurrence(inputs: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    """Runs h = tanh(inputs_t + W h) over frames whose input products are already made.

    Written by hand, for autograd would make a gradient of W at every frame, and keep nodes of its own for each. Here a
    frame takes two operations either way, and the gradient of W is one product at the end.

    Args:
        inputs: (B, T, D).
        hidden: h before the first frame, (B, D).
        weight: W, (D, D).

    Returns:
        h after every frame, (B, T, D).
    """
    return _PlainRecurrence.apply(inputs, hidden, weight)


class _PlainRecurrence(torch.autograd.Function):
    """Time comes first inside, so that a frame lies together."""

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
        """From the last frame to the first."""
        hiddens, weight = ctx.saved_tensors
        totals = gradient.transpose(0, 1).clone(
            memory_format=torch.contiguous_format
        )  # h's gradients, then those of the inputs
        of_next, of_weight = torch.zeros_like(hiddens[0]), torch.zeros_like(weight)
        parts = (part.split(SEGMENT) for part in (totals, hiddens[1:], hiddens[:-1]))
        for of_inputs, after, before in reversed([*zip(*parts)]):
            slopes = after.square().neg_().add_(1)
            for total, slope in zip(reversed(of_inputs.unbind(0)), reversed(slopes.unbind(0))):
                of_next = total.addmm_(of_next, weight).mul_(slope)
            of_weight.addmm_(of_inputs.flatten(0, 1).T, before.flatten(0, 1))
        return totals.transpose(0, 1), of_next @ weight, of_weight
