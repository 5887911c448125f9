"""Slow, obvious twins of the gated recurrences: one frame after another, in the order of the paper."""

import torch
from torch import Tensor


def gru(inputs: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The gates one by one, from inputs (B, T, 3 D) and h (B, D)."""
    w_r, w_z, w_n = weight.chunk(3)
    b_r, b_z, b_n = bias.chunk(3)
    y = []
    for t in range(inputs.shape[1]):
        x_r, x_z, x_n = inputs[:, t].chunk(3, dim=-1)
        r = torch.sigmoid(x_r + hidden @ w_r.T + b_r)
        z = torch.sigmoid(x_z + hidden @ w_z.T + b_z)
        n = torch.tanh(x_n + r * (hidden @ w_n.T + b_n))
        hidden = (1 - z) * n + z * hidden
        y.append(hidden)
    return torch.stack(y, dim=1)


def plain(inputs: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    """h = tanh(inputs_t + W h), from inputs (B, T, D) and h (B, D)."""
    y = []
    for new in inputs.unbind(1):
        hidden = torch.tanh(new + hidden @ weight.T)
        y.append(hidden)
    return torch.stack(y, dim=1)


def linear_recurrence(keep: Tensor, new: Tensor, hidden: Tensor) -> Tensor:
    """h = keep h + new."""
    y = []
    for share, added in zip(keep.unbind(1), new.unbind(1)):
        hidden = share * hidden + added
        y.append(hidden)
    return torch.stack(y, dim=1)
