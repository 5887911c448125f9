"""A transformer frame by frame, from a picture of who sees whom."""

import math

import torch
import torch.nn.functional as F
from references import rotated
from torch import Tensor, nn


def attend(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """Query by query, over a list of the keys it sees; `seen` bool (T, N). All others are (B, H, T or N, d)."""
    y = torch.zeros_like(q)
    for query, row in enumerate(seen):
        keys = row.nonzero().flatten()
        scores = torch.einsum("bhd,bhkd->bhk", q[:, :, query], k[:, :, keys]) / math.sqrt(q.shape[-1])
        y[:, :, query] = torch.einsum("bhk,bhkd->bhd", scores.softmax(-1), v[:, :, keys])
    return y


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, D) to (B, heads, T, D / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def turned(x: Tensor) -> Tensor:
    """Frame t of (B, H, T, d) turned to position t."""
    return torch.stack([rotated(x[:, :, t], t) for t in range(x.shape[2])], dim=2)


def block_reference(block: nn.Module, x: Tensor, seen: Tensor) -> Tensor:
    """One transformer block on x (B, T, D)."""
    q, k, v = (split_heads(part, block.heads) for part in block.qkv(block.attention_norm(x)).chunk(3, dim=-1))
    return network_reference(block, x, attend(turned(q), turned(k), v, seen))


def network_reference(block: nn.Module, x: Tensor, read: Tensor) -> Tensor:
    """What follows the attention."""
    x = x + block.attention_out(read.transpose(1, 2).flatten(2))
    return x + block.narrow(F.gelu(block.widen(block.network_norm(x))))


def head_reference(head: nn.Module, x: Tensor, seen: Tensor) -> Tensor:
    """All blocks of a head, with one picture (T, T) or one a block (layers, T, T)."""
    for block, picture in zip(head.blocks, seen.expand(len(head.blocks), -1, -1)):
        x = block_reference(block, x, picture)
    return head.last_norm(x)
