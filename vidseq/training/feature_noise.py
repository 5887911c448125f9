"""Noise on features in training, for features that are better on the training videos than on others.

A CNN that was fitted to the training videos separates their frames almost perfectly, so that a temporal model trained
on such features relies on single frames too much. Noise that lasts as long as actions makes it use the frames around.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def add_feature_noise(features: Tensor, std: Tensor, *, noise: float, drift: float, drift_frames: int) -> Tensor:
    """Adds noise to features, drawn from torch's random state.

    Args:
        features: (B, T, F); not changed.
        std: each channel's standard deviation, (F,).
        noise: size of the noise drawn for each frame anew, in standard deviations.
        drift: size of the noise that changes slowly, on average over time, in standard deviations.
        drift_frames: frames from one independent value of the slow noise to the next; straight lines between them.

    Returns:
        (B, T, F), the features themselves where both sizes are 0.
    """
    added = None
    if noise > 0:
        added = noise * torch.randn_like(features)
    if drift > 0:
        slow = drift * slow_noise(features, drift_frames)
        added = slow if added is None else added + slow
    return features if added is None else features + added * std


def slow_noise(like: Tensor, frames: int) -> Tensor:
    """Noise of variance 1 on average over time, joined by straight lines between values `frames` apart.

    Args:
        like: gives shape (B, T, F), type and device.
        frames: from one independent value to the next, at least 1.
    """
    batch, num_frames, dim = like.shape
    num_knots = (frames + num_frames - 2) // frames + 2  # enough, wherever the clip begins
    knots = torch.randn(batch, dim, num_knots, dtype=like.dtype, device=like.device)
    lines = F.interpolate(knots, size=(num_knots - 1) * frames + 1, mode="linear", align_corners=True)
    # Where every clip begins between two knots must not be known.
    first = int(torch.randint(frames, (1,)))
    # Between two knots the variance is (1 - a)^2 + a^2, 2/3 on average over a line that has points everywhere.
    share = 1.0 if frames == 1 else math.sqrt(3 / (2 + 1 / frames**2))
    return share * lines[:, :, first : first + num_frames].transpose(1, 2)
