"""RETRO a frame at a time: each looks up for itself what its chunk retrieves."""

import math

import torch
import torch.nn.functional as F
from references import rotated
from torch import Tensor, nn


def retrieved(x: Tensor, chunk: int, count: int) -> dict[int, list[int]]:
    """The chunks that each whole chunk of one video x (T, D) retrieves, the nearest first."""
    means = [part.mean(0) for part in x.detach().split(chunk) if len(part) == chunk]
    return {
        u: sorted(range(u - 1), key=lambda j: float((means[j] - means[u]).norm()))[:count] for u in range(len(means))
    }


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One query (H, d) on keys and values (H, N, d)."""
    scores = torch.einsum("hd,hnd->hn", q, k) / math.sqrt(q.shape[-1])
    return torch.einsum("hn,hnd->hd", scores.softmax(-1), v)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(N, D) to (H, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(0, 1)


def run_block(block: nn.Module, x: Tensor, seen: list[range]) -> Tensor:
    """A transformer block on x (N, D), whose frame t sees the frames in seen[t]."""
    q, k, v = (split_heads(part, block.heads) for part in block.qkv(block.attention_norm(x)).chunk(3, dim=-1))
    q, k = (torch.stack([rotated(part[:, t], t) for t in range(len(x))], dim=1) for part in (q, k))
    read = torch.stack([attention(q[:, t], k[:, list(keys)], v[:, list(keys)]) for t, keys in enumerate(seen)])
    x = x + block.attention_out(read.flatten(1))
    return x + block.narrow(F.gelu(block.widen(block.network_norm(x))))


def encode(head: nn.Module, neighbour: Tensor) -> Tensor:
    """A neighbour and its continuation, (2 m, D)."""
    for block in head.encoder:
        neighbour = run_block(block, neighbour, [range(len(neighbour))] * len(neighbour))
    return head.encoder_norm(neighbour)


def cross(crossing: nn.Module, frame: Tensor, position: int, neighbours: list[Tensor]) -> Tensor:
    """What one frame (D,) at its position beside its neighbours reads in them."""
    q = rotated(crossing.query(crossing.norm(frame)).unflatten(-1, (crossing.heads, -1)), position)
    keys, values = [], []
    for neighbour in neighbours:
        k, v = (split_heads(part, crossing.heads) for part in crossing.key_value(neighbour).chunk(2, dim=-1))
        keys += [rotated(k[:, at], at) for at in range(len(neighbour))]
        values += [*v.unbind(1)]
    return crossing.out(attention(q, torch.stack(keys, dim=1), torch.stack(values, dim=1)).flatten())


def retrieved_elsewhere(x: Tensor, others: list[Tensor], chunk: int, count: int) -> dict[int, list[Tensor]]:
    """The chunks and continuations (2 m, D) of other videos that each whole chunk of x (T, D) retrieves."""
    pairs = [
        other[start : start + 2 * chunk] for other in others for start in range(0, len(other) - 2 * chunk + 1, chunk)
    ]
    means = [part.mean(0) for part in x.detach().split(chunk) if len(part) == chunk]
    return {
        u: sorted(pairs, key=lambda pair: float((pair[:chunk].mean(0) - mean).norm()))[:count]
        for u, mean in enumerate(means)
    }


def retro(head: nn.Module, video: Tensor, others: list[Tensor] | None = None) -> Tensor:
    """The equations of the head's docstring for one video (T, D); with a database, of these other videos."""
    m, window, count = head.config.chunk, head.config.window, head.config.neighbours
    if others is None:
        own = retrieved(video, m, count)
        found = {u: [video[j * m : (j + 2) * m] for j in chunks] for u, chunks in own.items()}
    else:
        found = retrieved_elsewhere(video, others, m, count)
    encoded = {u: [encode(head, pair) for pair in pairs] for u, pairs in found.items()}
    x = video
    for block, crossing in zip(head.blocks, head.crossings):
        crossed = []
        for t in range(len(x)):
            u, place = (t - (m - 1)) // m, (t - (m - 1)) % m
            read = cross(crossing, x[t], m - 1 + place, encoded[u]) if encoded.get(u) else torch.zeros_like(x[t])
            crossed.append(x[t] + read)
        x = run_block(block, torch.stack(crossed), [range(max(0, t - window + 1), t + 1) for t in range(len(x))])
    return head.last_norm(x)
