"""Vanishing and exploding gradients: how much the last output still depends on a frame of long ago."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def gradient_norms(read: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    """Measures how strongly the last output depends on each frame, by backpropagation through time.

        norm(lag) = || d y_T / d x_(T - lag) ||_F,  the root mean square over the batch

    For h_t = W h_(t-1) + U x_t it is || W^lag U ||_F: it shrinks or grows by about the spectral radius of W a frame.

    Args:
        read: x (B, T, D) to y (B, T, D'), such as a head in evaluation mode.
        x: frames, (B, T, D).

    Returns:
        float64 (T,), by lag: the current frame first.

    Source: Pascanu et al., arXiv:1211.5063, section 2.
    """
    x = x.detach().requires_grad_()
    last = read(x)[:, -1]
    squares = torch.zeros(x.shape[1], dtype=torch.float64)
    for channel in last.unbind(dim=-1):
        (gradient,) = torch.autograd.grad(channel.sum(), x, retain_graph=True)
        squares += gradient.double().square().sum(dim=-1).mean(dim=0).cpu()
    return squares.sqrt().flip(0).numpy()


def half_life(norms: np.ndarray) -> float:
    """Frames in which the gradient halves, by a straight line through the logarithm of the norms.

    Args:
        norms: from `gradient_norms`.

    Returns:
        frames; negative where gradients grow, infinite where they stay; nan where fewer than two norms are not zero.
    """
    lags = np.flatnonzero(norms > 0)
    if len(lags) < 2:
        return float("nan")
    slope = float(np.polyfit(lags, np.log2(norms[lags]), 1)[0])
    return float("inf") if slope == 0 else -1 / slope
