"""Videos of any length on a fixed number of places in time."""

import torch
from torch import Tensor

SEGMENT = 1024
"""Frames that are added at once; few, so that they stay in a processor's cache."""


def resample(x: Tensor, mask: Tensor, places: int) -> Tensor:
    """Adds each frame to the two places it lies between, so that a video of any length can be multiplied by a matrix.

    The places are spread evenly over a row's valid frames. A matrix E (k, places) times the result is the same as E,
    stretched to the video's length by linear interpolation, times the video:

        E resample(x) = places / n sum_t E(place of t) x_t          n valid frames; E at n = places unchanged

    Args:
        x: frames, (B, T, D), zero where invalid.
        mask: bool (B, T), a row's valid frames first.
        places: how many.

    Returns:
        (B, places, D).
    """
    batch, num_frames, dim = x.shape
    exact = torch.promote_types(x.dtype, torch.float32)
    ratio = places / mask.sum(dim=1, keepdim=True).clamp(min=1).to(exact)
    place = (torch.arange(num_frames, device=x.device) + 0.5) * ratio - 0.5
    place = place.clamp(0, places - 1)
    low = place.floor().clamp(max=max(places - 2, 0))
    share = place - low
    index = low.long() + places * torch.arange(batch, device=x.device)[:, None]
    y = x.new_zeros(batch * places + 1, dim)  # one more: the last place has no neighbour
    weights = ((ratio * (1 - share)).to(x.dtype), (ratio * share).to(x.dtype))
    parts = (part.split(SEGMENT, dim=1) for part in (x, index, *weights))
    for frames, target, here, next_place in zip(*parts):
        y.index_add_(0, target.flatten(), (frames * here[..., None]).flatten(0, 1))
        y.index_add_(0, target.flatten() + 1, (frames * next_place[..., None]).flatten(0, 1))
    return y[:-1].unflatten(0, (batch, places))
