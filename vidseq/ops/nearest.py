"""Attention to the few keys most similar to each query, from a long store without gradients."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_SCORES = 2**21
"""Scores of a block, which bounds the workspace for any number of queries and keys."""
GROUP = 8
"""Scores of a group, whose largest is compared first."""


def nearest_attention(q: Tensor, k: Tensor, v: Tensor, found: Tensor) -> Tensor:
    """Softmax attention of every query to the keys that `find_nearest` found for it.

    Gradients reach `q` only. They are computed from the keys found, so no scores are kept for them.

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, N, d).
        v: values, like `k`.
        found: indices of the keys, int64 (B, H, T, count), -1 for none.

    Returns:
        (B, H, T, d), zero for a query that found no key.
    """
    with torch.autocast(q.device.type, enabled=False):
        read: Tensor = _Attend.apply(q, k, v, found)
    return read


@torch.no_grad()
def find_nearest(q: Tensor, k: Tensor, first: Tensor, lag: Tensor, *, reach: int, count: int) -> Tensor:
    """Finds the keys with the largest products with every query, exactly, among `reach` keys behind it.

    Query t may find the keys i with t + lag - reach <= i < t + lag and i >= first. It works in blocks of queries:

        keys     ├────── reach ──────┼─block─┤
        queries                      ├─block─┤ ── lag ──►       scores of one block, its best keys, then the next block

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, N, d); no query finds an index of N or more.
        first: int64 (B,), index of the first existing key of each row.
        lag: int64 (B,), difference between key and query indices of each row.
        reach: number of keys that a query may choose from.
        count: largest number of keys that it chooses.

    Returns:
        indices of the keys, int64 (B, H, T, count), the best first, -1 for none.
    """
    with torch.autocast(q.device.type, enabled=False):
        return _find(q, k, first, lag, reach, count)


def _find(q: Tensor, k: Tensor, first: Tensor, lag: Tensor, reach: int, count: int) -> Tensor:
    batch, heads, num_queries, _ = q.shape
    found = torch.full((batch, heads, num_queries, count), -1, dtype=torch.int64, device=q.device)
    nearest_lag, farthest_lag = (int(lag.min()), int(lag.max())) if batch else (0, 0)
    span = reach + farthest_lag - nearest_lag
    room = BLOCK_SCORES // max(1, batch * heads)
    block = (math.isqrt(span**2 + 4 * room) - span) // 2  # so that block x (span + block) scores fit
    block = max(1, min(block, max(64, span)))  # a longer block would mostly score keys that must not be seen
    oldest = int(first.max()) if batch else 0
    for start in range(0, num_queries, block):
        end = min(start + block, num_queries)
        low, high = max(0, start + nearest_lag - reach), min(k.shape[2], end - 1 + farthest_lag)
        if low >= high:
            continue
        scores = _products(q[:, :, start:end], k[:, :, low:high])
        newest = torch.arange(start, end, device=q.device)[:, None] + lag[:, None, None, None]
        all_see = max(end - 1 + farthest_lag - reach, oldest), start + nearest_lag  # only few keys lie outside
        for edge in (slice(low, min(all_see[0], high)), slice(max(all_see[1], all_see[0], low), high)):
            key = torch.arange(edge.start, max(edge.start, edge.stop), device=q.device)
            seen = (key < newest) & (key >= newest - reach) & (key >= first[:, None, None, None])
            scores[..., edge.start - low : edge.start - low + len(key)].masked_fill_(~seen, -torch.inf)
        best, indices = largest(scores, min(count, high - low))
        found[:, :, start:end, : indices.shape[-1]] = (indices + low).masked_fill_(best == -torch.inf, -1)
    return found


def _products(q: Tensor, k: Tensor) -> Tensor:
    """Computes q @ k^T; on a CPU one product after another, because a batch of large ones takes half as long again."""
    if q.device.type != "cpu":
        return q @ k.transpose(2, 3)
    products = q.new_empty(*q.shape[:3], k.shape[2])
    for head_q, head_k, product in zip(q.flatten(0, 1), k.flatten(0, 1), products.flatten(0, 1)):
        torch.mm(head_q, head_k.T, out=product)
    return products


def largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Finds the largest numbers and their indices, like `topk`, whose time grows with all that it sorts.

    The k largest stand in the k groups with the largest maxima: in any other group, k maxima are as large or larger.
    So it first finds the best groups, in the same way, then the best of their members.

    Args:
        scores: (..., N).
        count: k, at most N.

    Returns:
        values and indices (..., k), the largest first; any of equal ones.
    """
    groups = scores.shape[-1] // GROUP
    if groups < 2 * count:
        best = scores.topk(count, dim=-1)
        return best.values, best.indices
    whole = groups * GROUP
    maxima = scores[..., :whole].unflatten(-1, (GROUP, groups)).amax(dim=-2)  # members lie `groups` apart
    chosen = largest(maxima, count)[1][..., None, :]
    members = (chosen + torch.arange(0, whole, groups, device=scores.device)[:, None]).flatten(-2)
    rest = torch.arange(whole, scores.shape[-1], device=scores.device).expand(*members.shape[:-1], -1)
    members = torch.cat([members, rest], dim=-1)
    best = scores.gather(-1, members).topk(count, dim=-1)
    return best.values, members.gather(-1, best.indices)


class _Attend(torch.autograd.Function):
    """Computes softmax(q . k_found / sqrt(d)) v_found; autograd would keep the keys and values of every query."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, found: Tensor) -> Tensor:
        """Attends block by block, because the gathered keys are `count` times as large as q."""
        read, keys, values = torch.empty_like(q), _RowGatherer(k), _RowGatherer(v)
        for part in _blocks(q, found):
            indices = found[:, :, part]
            weights = _weights(q[:, :, part], keys.take(indices), indices)
            read[:, :, part] = torch.einsum("bhtc,bhtcd->bhtd", weights, values.take(indices))
        ctx.save_for_backward(q, k, v, found)
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """Computes the gradient of the softmax from the same keys and values, gathered once more."""
        q, k, v, found = ctx.saved_tensors
        grad_q, keys, values = torch.empty_like(q), _RowGatherer(k), _RowGatherer(v)
        for part in _blocks(q, found):
            indices = found[:, :, part]
            found_keys = keys.take(indices)
            weights = _weights(q[:, :, part], found_keys, indices)
            grad_weights = torch.einsum("bhtd,bhtcd->bhtc", gradient[:, :, part], values.take(indices))
            grad_scores = weights * (grad_weights - (weights * grad_weights).sum(-1, keepdim=True))
            grad_q[:, :, part] = torch.einsum("bhtc,bhtcd->bhtd", grad_scores, found_keys)
        return grad_q.mul_(q.shape[-1] ** -0.5), None, None, None


class _RowGatherer:
    """Gathers whole rows of x (B, H, N, d) at once; `gather` would look up each of their numbers."""

    def __init__(self, x: Tensor) -> None:
        self._rows = x.flatten(0, 2)
        self._first = torch.arange(0, len(self._rows), max(1, x.shape[2]), device=x.device).view(*x.shape[:2], 1, 1)

    def take(self, found: Tensor) -> Tensor:
        """Gathers the rows of indices (B, H, T, count): (B, H, T, count, d), any row for index -1."""
        indices = found.clamp(min=0) + self._first
        return self._rows.index_select(0, indices.flatten()).view(*found.shape, self._rows.shape[-1])


def _blocks(q: Tensor, found: Tensor) -> list[slice]:
    """Cuts queries so that a block gathers as many numbers as a block of `_find` has scores."""
    batch, heads, num_queries, width = q.shape
    block = max(1, BLOCK_SCORES // max(1, batch * heads * width * found.shape[-1]))
    return [slice(start, start + block) for start in range(0, num_queries, block)]


def _weights(q: Tensor, keys: Tensor, found: Tensor) -> Tensor:
    """Computes the softmax over the keys found, zero for index -1."""
    none = found < 0
    scores = torch.einsum("bhtd,bhtcd->bhtc", q, keys) * q.shape[-1] ** -0.5
    return scores.masked_fill(none, torch.finfo(q.dtype).min).softmax(-1).masked_fill(none, 0)
