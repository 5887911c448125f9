"""Causal attention to all keys so far."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 512
"""Queries of a block, which bounds the mask of a long chunk."""


def causal_attention(q: Tensor, k: Tensor, v: Tensor, valid: Tensor) -> Tensor:
    """Softmax attention of every query to its own key and all keys before it.

        keys     ├────past────┼──queries' own──┤
        queries               ├────────────────┤

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, past + T, d).
        v: values, like `k`.
        valid: bool (B, past + T), False for keys of the past that must not be seen.

    Returns:
        (B, H, T, d), zero for a query that may see no key.
    """
    num_queries, past = q.shape[2], k.shape[2] - q.shape[2]
    whole = bool(valid.all())
    if whole and past == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if whole and num_queries == 1:
        return F.scaled_dot_product_attention(q, k, v)
    pieces = []
    for start in range(0, num_queries, BLOCK):
        queries = q[:, :, start : start + BLOCK]
        seen = past + start + queries.shape[2]
        mask = torch.ones(queries.shape[2], seen, dtype=torch.bool, device=q.device).tril(past + start)
        if not whole:
            mask = mask & valid[:, None, None, :seen]
        pieces.append(F.scaled_dot_product_attention(queries, k[:, :, :seen], v[:, :, :seen], attn_mask=mask))
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2)


def attend_independent_queries(
    q: Tensor, k: Tensor, v: Tensor, past: Sequence[tuple[Tensor, Tensor]], valid: Tensor
) -> Tensor:
    """Softmax attention of every query to the past and to its own key; queries do not see each other.

    Args:
        q: queries, (B, H, Q, d).
        k: their own keys, like `q`.
        v: their own values, like `q`.
        past: keys and values that all queries see, each (B, H, N, d), in parts, which may be separate tensors.
        valid: bool (B, N of all parts), or (B, Q, N) for each query; False for keys that must not be seen.

    Returns:
        (B, H, Q, d).
    """
    q = q * q.shape[-1] ** -0.5
    scores = torch.cat([*(q @ keys.transpose(2, 3) for keys, _ in past), (q * k).sum(dim=-1, keepdim=True)], dim=-1)
    if not bool(valid.all()):
        seen = F.pad(valid, (0, 1), value=True)
        scores = scores.masked_fill(~(seen[:, None, None] if seen.ndim == 2 else seen[:, None]), -torch.inf)
    *weights, own = scores.softmax(dim=-1).split([*(keys.shape[2] for keys, _ in past), 1], dim=-1)
    read = own * v
    for weight, (_, values) in zip(weights, past):
        read = read + weight @ values
    return read
