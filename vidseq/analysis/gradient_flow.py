"""Vanishing and exploding gradients: how much the last output depends on frames of long ago."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def gradient_norms(read: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    """Measures how strongly the last output depends on each frame, by backpropagation through time.

        norm(lag) = || d y_T / d x_(T - lag) ||_F,  the root mean square over the batch

    For h_t = W h_(t-1) + U x_t it is || W^lag U ||_F, which shrinks or grows per frame by about the spectral radius of
    W.

    Args:
        read: maps x (B, T, D) to y (B, T, D'), such as a head in evaluation mode.
        x: frames, (B, T, D).

    Returns:
        norms by lag, the current frame first, float64 (T,).

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
    """Fits the number of frames in which the gradient halves, by a line through the logarithms of the norms.

    Args:
        norms: norms by lag, see `gradient_norms`.

    Returns:
        frames; negative if gradients grow, infinite if they are constant, NaN if fewer than two norms are not zero.
    """
    lags = np.flatnonzero(norms > 0)
    if len(lags) < 2:
        return float("nan")
    slope = float(np.polyfit(lags, np.log2(norms[lags]), 1)[0])
    return float("inf") if slope == 0 else -1 / slope
