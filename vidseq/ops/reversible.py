"""Residual layers whose inputs are recomputed from their outputs, so that training does not store them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Step(NamedTuple):
    """One reversible layer: y1 = x1 + attend(x2), y2 = x2 + feed_forward(y1)."""

    attend: Callable[..., tuple[Tensor, ...]]
    """Maps x and the parts of the old state to an output like x and the parts of the new state; deterministic."""
    feed_forward: Callable[[Tensor], Tensor]
    """Maps x to an output like x; deterministic."""
    old: tuple[Tensor, ...]
    """The old state."""
    parameters: tuple[Tensor, ...]
    """The weights of both functions."""


def run_reversibly(steps: Sequence[Step], x: Tensor) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """Runs reversible layers; the backward pass recomputes every layer's inputs from the outputs of the last one.

        y1 = x1 + attend(x2)              x2 = y2 - feed_forward(y1)
        y2 = x2 + feed_forward(y1)        x1 = y1 - attend(x2)

    Source: Gomez et al., arXiv:1707.04585; Kitaev et al., arXiv:2001.04451, section 3: eq. 7 to 10. Both streams begin
    as x, and end as their mean.

    Args:
        steps: the layers; their functions must be deterministic.
        x: (B, T, D).

    Returns:
        y (B, T, D), and each layer's new state.
    """
    inputs = (tensor for step in steps for tensor in (*step.old, *step.parameters))
    first, second, *flat = _Reversible.apply(steps, x, x, *inputs)
    parts = iter(flat)
    return (first + second) / 2, [tuple(next(parts) for _ in step.old) for step in steps]


class _Reversible(torch.autograd.Function):
    """Stores only the two outputs of the last layer, states and weights."""

    @staticmethod
    def forward(ctx: Any, steps: Sequence[Step], x1: Tensor, x2: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Runs the layers; the new states have as many parts as the old."""
        states: list[Tensor] = []
        for step in steps:
            output, *new = step.attend(x2, *step.old)
            x1 = x1 + output
            x2 = x2 + step.feed_forward(x1)
            states.extend(new)
        ctx.steps, ctx.device_type = steps, x1.device.type
        ctx.autocast = torch.is_autocast_enabled(ctx.device_type), torch.get_autocast_dtype(ctx.device_type)
        ctx.mark_non_differentiable(*(part for part in states if not part.is_floating_point()))
        ctx.save_for_backward(x1, x2, *inputs)
        return x1, x2, *states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Runs from the last layer to the first."""
        y1, y2, *_ = ctx.saved_tensors
        d1, d2, *grad_states = gradients
        enabled, dtype = ctx.autocast
        answers: list[Tensor | None] = []
        for step in reversed(ctx.steps):
            grad_new = [grad_states.pop() for _ in step.old][::-1]
            with torch.enable_grad(), torch.autocast(ctx.device_type, dtype=dtype, enabled=enabled):
                y1 = y1.detach().requires_grad_()
                thought = step.feed_forward(y1)
            more, *grad_thought = _gradients([thought], [d2], (y1, *step.parameters))
            d1 = d1 if more is None else d1 + more
            x2 = (y2 - thought).detach().requires_grad_()
            old = [part.detach().requires_grad_(part.is_floating_point()) for part in step.old]
            with torch.enable_grad(), torch.autocast(ctx.device_type, dtype=dtype, enabled=enabled):
                output, *new = step.attend(x2, *old)
            more, *grad_inputs = _gradients([output, *new], [d1, *grad_new], (x2, *old, *step.parameters))
            d2 = d2 if more is None else d2 + more
            y1, y2 = y1 - output, x2
            grad_old, grad_weights = grad_inputs[: len(old)], grad_inputs[len(old) :]
            both = [a if b is None else b if a is None else a + b for a, b in zip(grad_thought, grad_weights)]
            answers = [*grad_old, *both, *answers]
        return None, d1, d2, *answers


def _gradients(outputs: list[Tensor], grad_outputs: list[Tensor], inputs: Sequence[Tensor]) -> list[Tensor | None]:
    """Computes gradients of the inputs, None where there is none."""
    pairs = [(output, given) for output, given in zip(outputs, grad_outputs) if output.requires_grad]
    wanted = [part for part in inputs if part.requires_grad]
    outputs, grad_outputs = (list(part) for part in zip(*pairs))
    found = iter(torch.autograd.grad(outputs, wanted, grad_outputs, allow_unused=True))
    return [next(found) if part.requires_grad else None for part in inputs]
