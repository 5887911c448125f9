"""A slow, obvious twin of the HyperLSTM's recurrence: one frame after another, in the order of the paper."""

import torch
from torch import Tensor


def lstm_cell(sums: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """From the sums of the gates o, i, f, g."""
    o, i, f, g = sums.chunk(4, dim=-1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def hyper(
    inputs: Tensor,
    small_inputs: Tensor,
    both: Tensor,
    cell: Tensor,
    small_cell: Tensor,
    weight: Tensor,
    small_weight: Tensor,
    scale: Tensor,
    scale_bias: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The equations of `hyper_recurrence`, with rows of the weight scaled one matrix a stream."""
    dim, frames = cell.shape[1], []
    h, s = both[:, :dim], both[:, dim:]
    for now, small_now in zip(inputs.unbind(1), small_inputs.unbind(1)):
        s, small_cell = lstm_cell(small_now + torch.cat([h, s], dim=-1) @ small_weight.T, small_cell)
        d_h, d_x, d_b = (s @ scale.T + scale_bias).chunk(3, dim=-1)
        scaled_weight = d_h[:, :, None] * weight
        h, cell = lstm_cell(torch.einsum("bij,bj->bi", scaled_weight, h) + d_x * now + d_b, cell)
        frames.append((torch.cat([h, s], dim=-1), cell, small_cell))
    return tuple(torch.stack(parts, dim=1) for parts in zip(*frames))
