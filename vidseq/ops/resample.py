"""Resampling of videos of any length to a fixed number of points in time."""

import torch
from torch import Tensor

SEGMENT = 1024
"""Frames that are added at a time, few enough to fit the processor's cache."""


def resample(x: Tensor, mask: Tensor, num_points: int) -> Tensor:
    """Adds each frame to the two points around it, so that one matrix can multiply videos of any length.

    The points are spread evenly over a row's valid frames. A matrix E (k, points) times the result equals E, stretched
    to the video's length by linear interpolation, times the video:

        E resample(x) = points / n sum_t E(position of t) x_t       n valid frames; E is unchanged at n = points

    Args:
        x: frames, (B, T, D), zero where invalid.
        mask: bool (B, T), a row's valid frames first.
        num_points: number of points.

    Returns:
        (B, num_points, D).
    """
    batch, num_frames, dim = x.shape
    exact = torch.promote_types(x.dtype, torch.float32)
    ratio = num_points / mask.sum(dim=1, keepdim=True).clamp(min=1).to(exact)
    position = (torch.arange(num_frames, device=x.device) + 0.5) * ratio - 0.5
    position = position.clamp(0, num_points - 1)
    low = position.floor().clamp(max=max(num_points - 2, 0))
    share = position - low
    index = low.long() + num_points * torch.arange(batch, device=x.device)[:, None]
    y = x.new_zeros(batch * num_points + 1, dim)  # one more, because the last point has no right neighbour
    weights = ((ratio * (1 - share)).to(x.dtype), (ratio * share).to(x.dtype))
    parts = (part.split(SEGMENT, dim=1) for part in (x, index, *weights))
    for frames, target, left, right in zip(*parts):
        y.index_add_(0, target.flatten(), (frames * left[..., None]).flatten(0, 1))
        y.index_add_(0, target.flatten() + 1, (frames * right[..., None]).flatten(0, 1))
    return y[:-1].unflatten(0, (batch, num_points))
