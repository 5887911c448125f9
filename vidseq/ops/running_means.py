"""Running means of groups of frames, read at every frame without a loop over frames."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.places import Places

CHUNK = 64
"""Frames whose mutual influence is computed at once; time and memory grow with d + CHUNK per frame."""


def running_means(
    address: Tensor,
    assign: Tensor,
    value: Tensor,
    mean: Tensor,
    count: Tensor,
    places: Places | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Assigns frames to groups k and reads the means of the groups after each frame.

        count_t[k] = count_(t-1)[k] + assign_t[k]
        total_t[k] = total_(t-1)[k] + assign_t[k] value_t
        mean_t[k]  = total_t[k] / max(1, count_t[k])
        read_t     = sum_k address_t[k] mean_t[k]

    From the start of a chunk, mean_t[k] = (total_0[k] + sum_j assign_j[k] value_j) / max(1, count_t[k]): linear
    attention. Chunks pass on means, which stay as large as a value; float32 counts 16 million frames.

    Args:
        address: weights of the groups for each reader R, (B, R, T, K).
        assign: 1 for a frame's group, else 0; all 0 where a frame is invalid, (B, T, K).
        value: (B, R, T, d).
        mean: before the first frame, (B, R, K, d); zero for a group without frames.
        count: frames in each group, (B, K).
        places: where means are wanted; None: after the last frame of each row.

    Returns:
        read (B, R, T, d), and mean (P, R, K, d) and count (P, K) at the places.
    """
    num_frames = value.shape[2]
    chunk = min(CHUNK, num_frames)
    padding = -num_frames % chunk
    address, value = (F.pad(part, (0, 0, 0, padding)).unflatten(2, (-1, chunk)) for part in (address, value))
    assign = F.pad(assign, (0, 0, 0, padding))
    counts = (count[:, None] + assign.cumsum(dim=1)).unflatten(1, (-1, chunk))[:, None]  # (B, 1, chunks, C, K)
    before = torch.cat([count[:, None, None], counts[:, :, :-1, -1]], dim=2)[..., None, :].clamp(min=1)
    assign = assign.unflatten(1, (-1, chunk))[:, None]

    share = counts.clamp(min=1).reciprocal()
    weight = address * share
    written = (assign * share[..., -1:, :]).mT @ value
    kept = (before * share[..., -1:, :]).mT
    starts = []
    for old, new in zip(kept.unbind(2), written.unbind(2)):
        starts.append(mean)
        mean = torch.addcmul(new, old, mean)
    start = torch.stack(starts, dim=2)
    read = ((weight * before) @ start + (weight @ assign.mT).tril() @ value).flatten(2, 3)[:, :, :num_frames]
    if places is None:
        return read, mean, counts[:, 0, -1, -1]
    return read, *_means_at(places, start * before.mT, assign[:, 0], value, count, counts[:, 0])


def _means_at(
    places: Places, total: Tensor, assign: Tensor, value: Tensor, count: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns means (P, R, K, d) and counts (P, K) at places: totals at a chunk's start, and what its frames added."""
    rows, chunk = places.rows, value.shape[3]
    index = (places.seen - 1).clamp(min=0) // chunk
    added = torch.arange(chunk, device=value.device) < (places.seen - index * chunk)[:, None]
    here = assign[rows, index].masked_fill(~added[..., None], 0)
    counts = places.newest(counts.flatten(1, 2), count)
    totals = total[rows, :, index] + here[:, None].mT @ value[rows, :, index]
    return totals / counts.clamp(min=1)[:, None, :, None], counts
