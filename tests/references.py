"""Slow, obvious twins of every head and kernel: one frame after another, in the order of the paper."""

import math

import torch
from torch import Tensor, nn


def band_attention(q: Tensor, k: Tensor, v: Tensor, valid: Tensor, before: int, after: int) -> Tensor:
    """Query by query, over a list of the keys it may see."""
    y = torch.zeros_like(q)
    for row in range(q.shape[0]):
        for query in range(q.shape[2]):
            seen = [key for key in range(query, query + before + after + 1) if valid[row, key]]
            if seen:
                scores = torch.einsum("hd,hkd->hk", q[row, :, query], k[row][:, seen]) / math.sqrt(q.shape[-1])
                y[row, :, query] = torch.einsum("hk,hkd->hd", scores.softmax(-1), v[row][:, seen])
    return y


def rotated(x: Tensor, position: int) -> Tensor:
    """One vector (..., d) as complex numbers times e^(i angle)."""
    half = x.shape[-1] // 2
    angles = torch.tensor([position * 10_000 ** (-2 * pair / x.shape[-1]) for pair in range(half)], dtype=x.dtype)
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


def slots(
    query: Tensor, value: Tensor, write: Tensor, keep: Tensor, keys: Tensor, memory: Tensor
) -> tuple[Tensor, ...]:
    """The equations of `slot_scan`, a frame at a time."""
    reads = []
    for t in range(query.shape[2]):
        share, new = keep[:, t, :][:, None, :, None], write[:, t, :][:, None, :, None]
        memory = share * memory + new * value[:, :, t, None]
        scores = ((keys + memory) * query[:, :, t, None]).sum(-1) / math.sqrt(query.shape[-1])
        reads.append((scores.softmax(-1)[..., None] * memory).sum(2))
    return torch.stack(reads, dim=2), memory


def rnn_layer(kernel: nn.RNN, show: nn.Linear, x: Tensor) -> Tensor:
    """h = tanh(W h + U x + b), y = V h."""
    u, w, b_x, b_h = kernel.all_weights[0]
    h, y = torch.zeros_like(x[:, 0]), []
    for t in range(x.shape[1]):
        h = torch.tanh(h @ w.T + x[:, t] @ u.T + b_x + b_h)
        y.append(h @ show.weight.T)
    return torch.stack(y, dim=1)


def lstm_layer(kernel: nn.LSTM, x: Tensor) -> Tensor:
    """The gates one by one."""
    w, u, b_x, b_h = kernel.all_weights[0]
    h = c = torch.zeros_like(x[:, 0])
    y = []
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ w.T + b_x + h @ u.T + b_h).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        y.append(h)
    return torch.stack(y, dim=1)


def reversed_frames(layer: object, *arguments: object) -> Tensor:
    """Runs a reference layer on the video backwards; the video is the last argument."""
    *modules, x = arguments
    return layer(*modules, x.flip(1)).flip(1)  # type: ignore[operator, attr-defined, no-any-return]


def conv_layer(layer: nn.Module, x: Tensor, kernel_size: int, dilation: int, ahead: int) -> Tensor:
    """Tap by tap; `ahead` frames of the kernel lie in the future."""
    weights = layer.taps.weight.chunk(kernel_size, dim=1)  # type: ignore[operator, union-attr]
    y = []
    for t in range(x.shape[1]):
        total = layer.taps.bias.expand(x.shape[0], -1)  # type: ignore[operator, union-attr]
        for tap, weight in enumerate(weights):
            source = t + ahead - (kernel_size - 1 - tap) * dilation
            if 0 <= source < x.shape[1]:
                total = total + x[:, source] @ weight.T
        y.append(layer.mix(total.clamp(min=0)))  # type: ignore[operator]
    return torch.stack(y, dim=1)
