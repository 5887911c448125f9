"""Attention on the few keys most like each query, out of a long store that takes no gradient."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_SCORES = 2**21
"""Scores in flight at once, which bounds the workspace whatever the number of queries and keys."""


def nearest_attention(q: Tensor, k: Tensor, v: Tensor, found: Tensor) -> Tensor:
    """Softmax attention of every query on the keys that `find_nearest` found for it.

    Gradients reach `q` alone. They are worked out from the keys found, so no scores are kept for them.

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, N, d).
        v: values, like `k`.
        found: numbers of the keys, int64 (B, H, T, count), -1 for none.

    Returns:
        (B, H, T, d), zero for a query that found no key.
    """
    with torch.autocast(q.device.type, enabled=False):
        read: Tensor = _Attend.apply(q, k, v, found)
    return read


@torch.no_grad()
def find_nearest(q: Tensor, k: Tensor, first: Tensor, lag: Tensor, *, reach: int, count: int) -> Tensor:
    """Finds the keys of largest product with every query, exactly, among `reach` keys behind it.

    Query t may find the keys i with t + lag - reach <= i < t + lag and i >= first. Queries are taken in blocks:

        keys     ├────── reach ──────┼─block─┤
        queries                      ├─block─┤ ── lag ──►       scores of one block, its best keys, on to the next

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, N, d); numbers from N on are found by none.
        first: int64 (B,), the first key of each row that exists.
        lag: int64 (B,), how far key and query numbers of each row are apart.
        reach: how many keys a query may choose among.
        count: how many it chooses at most.

    Returns:
        numbers of the keys, int64 (B, H, T, count), the best first, -1 for none.
    """
    with torch.autocast(q.device.type, enabled=False):
        return _find(q, k, first, lag, reach, count)


def _find(q: Tensor, k: Tensor, first: Tensor, lag: Tensor, reach: int, count: int) -> Tensor:
    batch, heads, num_queries, _ = q.shape
    found = torch.full((batch, heads, num_queries, count), -1, dtype=torch.int64, device=q.device)
    nearest_lag, farthest_lag = (int(lag.min()), int(lag.max())) if batch else (0, 0)
    span = reach + farthest_lag - nearest_lag
    room = BLOCK_SCORES // max(1, batch * heads)
    block = (math.isqrt(span**2 + 4 * room) - span) // 2  # so that block x (span + block) scores have room
    block = max(1, min(block, max(64, span)))  # a longer one would mostly compare what may not be seen
    for start in range(0, num_queries, block):
        end = min(start + block, num_queries)
        low, high = max(0, start + nearest_lag - reach), min(k.shape[2], end - 1 + farthest_lag)
        if low >= high:
            continue
        key = torch.arange(low, high, device=q.device)
        newest = torch.arange(start, end, device=q.device)[:, None] + lag[:, None, None, None]
        seen = (key < newest) & (key >= newest - reach) & (key >= first[:, None, None, None])
        scores = q[:, :, start:end] @ k[:, :, low:high].transpose(2, 3)
        best = scores.masked_fill_(~seen, -torch.inf).topk(min(count, high - low), dim=-1)
        chosen = (best.indices + low).masked_fill_(best.values == -torch.inf, -1)
        found[:, :, start:end, : chosen.shape[-1]] = chosen
    return found


def _take(x: Tensor, found: Tensor) -> Tensor:
    """The rows of x (B, H, N, d) that were found (B, H, T, count): (B, H, T, count, d); any row for none."""
    numbers = found.clamp(min=0).flatten(2)[..., None].expand(-1, -1, -1, x.shape[-1])
    return x.gather(2, numbers).unflatten(2, found.shape[2:])


class _Attend(torch.autograd.Function):
    """softmax(q . k_found / sqrt(d)) v_found; by hand, for autograd would keep the keys and values of every query."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, found: Tensor) -> Tensor:
        """Reads block by block, for what is gathered is `count` times as large as q."""
        parts = []
        for part in _blocks(q, found):
            parts.append(torch.einsum("bhtc,bhtcd->bhtd", _weights(q, k, found, part), _take(v, found[:, :, part])))
        ctx.save_for_backward(q, k, v, found)
        return torch.cat(parts, dim=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """The softmax's gradient, from the same keys and values gathered once more."""
        q, k, v, found = ctx.saved_tensors
        parts = []
        for part in _blocks(q, found):
            weights = _weights(q, k, found, part)
            of_weights = torch.einsum("bhtd,bhtcd->bhtc", gradient[:, :, part], _take(v, found[:, :, part]))
            of_scores = weights * (of_weights - (weights * of_weights).sum(-1, keepdim=True))
            parts.append(torch.einsum("bhtc,bhtcd->bhtd", of_scores, _take(k, found[:, :, part])))
        return torch.cat(parts, dim=2) * q.shape[-1] ** -0.5, None, None, None


def _blocks(q: Tensor, found: Tensor) -> list[slice]:
    """Cuts queries so that a block's gathered keys are as many numbers as a block of `_find` has scores."""
    batch, heads, num_queries, width = q.shape
    block = max(1, BLOCK_SCORES // max(1, batch * heads * width * found.shape[-1]))
    return [slice(start, start + block) for start in range(0, num_queries, block)]


def _weights(q: Tensor, k: Tensor, found: Tensor, part: slice) -> Tensor:
    """Softmax over what was found, zero for none."""
    none = found[:, :, part] < 0
    scores = torch.einsum("bhtd,bhtcd->bhtc", q[:, :, part], _take(k, found[:, :, part])) * q.shape[-1] ** -0.5
    return scores.masked_fill(none, torch.finfo(q.dtype).min).softmax(-1).masked_fill(none, 0)
