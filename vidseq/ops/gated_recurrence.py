"""The gated recurrence of a GRU, with a backward pass as fast as its forward pass."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def gated_recurrence(inputs: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Runs the recurrence of a GRU over frames whose input products are precomputed.

        r, z = sigmoid(inputs_rz + W_rz h + b_rz)
        n    = tanh(inputs_n + r * (W_n h + b_n))
        h    = (1 - z) * n + z * h

    The backward pass is written by hand, because autograd would take some twenty operations per frame. Here everything
    that does not depend on later frames is computed for all frames at once, so a frame takes three operations: h's
    gradient times known slopes, times z, and times W. The gradient of W is one product at the end.

    Args:
        inputs: (B, T, 3 D) in the order r, z, n.
        hidden: h before the first frame, (B, D).
        weight: W, (3 D, D), rows in the order r, z, n.
        bias: b, (3 D).

    Returns:
        h after every frame, (B, T, D).
    """
    return _GatedRecurrence.apply(inputs, hidden, weight, bias)


class _GatedRecurrence(torch.autograd.Function):
    """GRU recurrence; time is the first dimension inside, so that a frame is contiguous."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Keeps r, z, W_n h + b_n, n and h of every frame."""
        batch, num_frames, dim = inputs.shape[0], inputs.shape[1], hidden.shape[1]
        gates = inputs.new_empty(num_frames, batch, 3 * dim)  # starts as the part that does not depend on h
        torch.add(inputs[..., : 2 * dim].transpose(0, 1), bias[: 2 * dim], out=gates[..., : 2 * dim])
        gates[..., 2 * dim :] = bias[2 * dim :]
        news = inputs[..., 2 * dim :].transpose(0, 1).clone(memory_format=torch.contiguous_format)  # likewise for n
        hiddens = torch.cat([hidden[None], torch.empty_like(news)])
        gates_rz, (r, z, carried) = gates[..., : 2 * dim].unbind(0), (part.unbind(0) for part in gates.chunk(3, -1))
        frames, new, h = gates.unbind(0), news.unbind(0), hiddens.unbind(0)
        transposed = weight.T.contiguous()  # the fastest layout for products with one row
        for t in range(num_frames):
            frames[t].addmm_(h[t], transposed)
            gates_rz[t].sigmoid_()
            new[t].addcmul_(r[t], carried[t]).tanh_()
            torch.lerp(new[t], h[t], z[t], out=h[t + 1])
        ctx.save_for_backward(gates, news, hiddens, weight)
        return hiddens[1:].transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        """Runs from the last frame to the first."""
        gates, news, hiddens, weight = ctx.saved_tensors
        r, z, carried = gates.chunk(3, dim=-1)
        grad_gates = torch.empty_like(gates).unflatten(-1, (3, -1))  # slopes; times h's gradient, that of W h + b
        grad_r, grad_z, grad_carried = grad_gates.unbind(2)
        torch.sub(hiddens[:-1], news, out=grad_z).mul_(z).addcmul_(grad_z, z, value=-1)
        slope_n = news.square().neg_().add_(1).mul_(1 - z)
        torch.mul(slope_n, r, out=grad_carried)
        torch.mul(grad_carried, carried, out=grad_r).addcmul_(grad_r, r, value=-1)
        totals = torch.cat([torch.zeros_like(hiddens[:1]), gradient.transpose(0, 1)])
        total, total_thrice, keep = totals.unbind(0), totals[:, :, None].unbind(0), z.unbind(0)
        frames, rows = grad_gates.unbind(0), grad_gates.flatten(2).unbind(0)
        by_columns = weight.T.contiguous().T
        for t in reversed(range(len(frames))):
            frames[t].mul_(total_thrice[t + 1])
            total[t].addcmul_(total[t + 1], keep[t]).addmm_(rows[t], by_columns)
        rows_once = grad_gates.flatten(2).flatten(0, 1)
        grad_weight, grad_bias = rows_once.T @ hiddens[:-1].flatten(0, 1), rows_once.sum(dim=0)
        torch.mul(totals[1:], slope_n, out=grad_carried)  # from here on, grad_gates is the gradient of the inputs
        return grad_gates.flatten(2).transpose(0, 1), totals[0], grad_weight, grad_bias
