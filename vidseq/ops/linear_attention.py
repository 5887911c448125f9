"""Attention through features of queries and keys: the past is a sum, so time and memory are linear in the frames."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 128
"""Frames that are compared with one another directly; all before them are in the sums."""


class Sums(NamedTuple):
    """What is known of all keys read so far; features are divided by e^top so that none overflows."""

    values: Tensor
    """Sum of phi(k_j) v_j, (B, H, m, d)."""
    weights: Tensor
    """Sum of phi(k_j), (B, H, m)."""
    top: Tensor
    """The largest log phi(k_j) so far, (B, H)."""


def empty_sums(values: Tensor, weights: Tensor) -> Sums:
    """Sums before the first frame, from tensors of the right shape and type."""
    top = torch.full_like(weights[..., 0], torch.finfo(weights.dtype).min)
    return Sums(torch.zeros_like(values), torch.zeros_like(weights), top)


def causal_linear_attention(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, sums: Sums, log_features: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Sums]:
    """Attends from every frame to itself and all before it.

        y_t = sum_(j <= t) phi(q_t) . phi(k_j) v_j / sum_(j <= t) phi(q_t) . phi(k_j)

    Chunk by chunk: frames of a chunk are compared directly, what lies before is read from the sums. Features are only
    made for the chunk in hand. A feature may be as large as e^|w|^2 or vanish; so keys are divided by their largest
    feature, frame t by the largest up to t, and the sums by the largest before the chunk, rescaled as it grows. No
    frame's scale depends on a later frame, and the scale cancels in y, so streaming stays exact.

    Args:
        q: queries, (B, H, T, d).
        k: keys, like `q`.
        v: values, like `q`.
        valid: bool (B, T), a row's valid frames first.
        sums: of the frames before; not changed.
        log_features: makes (B, H, t, d) to the logarithms of positive features, (B, H, t, m).

    Returns:
        y (B, H, T, d), anything where invalid, and the new sums.
    """
    reads = []
    for part in zip(q.split(CHUNK, dim=2), k.split(CHUNK, dim=2), v.split(CHUNK, dim=2), valid.split(CHUNK, dim=1)):
        query, key, value, known = part
        phi_q, _ = _scaled(log_features(query))
        phi_k, scale = _scaled(log_features(key), known)
        top = torch.maximum(scale.cummax(dim=2).values, sums.top[..., None])  # (B, H, t)
        share = (scale[:, :, None] - top[..., None]).exp().tril()  # from frame t's scale to key j's
        scores = phi_q @ phi_k.transpose(2, 3) * share
        before = (sums.top[..., None] - top).exp()
        read = scores @ value + phi_q @ sums.values * before[..., None]
        weight = scores.sum(dim=-1) + (phi_q @ sums.weights[..., None])[..., 0] * before
        reads.append(read / _positive(weight)[..., None])
        sums = _add(sums, phi_k, scale, value, known)
    return torch.cat(reads, dim=2), sums


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, log_features: Callable[[Tensor], Tensor]
) -> Tensor:
    """Attends from every frame to all valid ones, past and future; arguments as in `causal_linear_attention`.

    Returns:
        y (B, H, T, d), anything where invalid.
    """
    num_features = log_features(k[:, :, :1]).shape[-1]
    sums = empty_sums(v.new_empty(*v.shape[:2], num_features, v.shape[-1]), v.new_empty(*v.shape[:2], num_features))
    for key, value, known in zip(k.split(CHUNK, dim=2), v.split(CHUNK, dim=2), valid.split(CHUNK, dim=1)):
        sums = _add(sums, *_scaled(log_features(key), known), value, known)
    reads = []
    for query in q.split(CHUNK, dim=2):
        phi_q, _ = _scaled(log_features(query))
        weight = phi_q @ sums.weights[..., None]
        reads.append(phi_q @ sums.values / _positive(weight))
    return torch.cat(reads, dim=2)


def _scaled(log_phi: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Features divided by a frame's largest, (B, H, t, m), and its logarithm, (B, H, t), the least where invalid."""
    scale = log_phi.detach().amax(dim=-1)
    phi = (log_phi - scale[..., None]).exp()
    if valid is not None:
        scale = scale.masked_fill(~valid[:, None], torch.finfo(scale.dtype).min)
    return phi, scale


def _add(sums: Sums, phi: Tensor, scale: Tensor, value: Tensor, valid: Tensor) -> Sums:
    """The sums after the valid frames of one chunk."""
    top = torch.maximum(scale.amax(dim=2), sums.top)
    share = (scale - top[..., None]).exp().masked_fill(~valid[:, None], 0)
    kept = (sums.top - top).exp()
    phi = (phi * share[..., None]).transpose(2, 3)
    values = torch.addcmul(phi @ value, sums.values, kept[..., None, None])
    return Sums(values, torch.addcmul(phi.sum(dim=-1), sums.weights, kept[..., None]), top)


def _positive(weight: Tensor) -> Tensor:
    """Keeps a sum of positive numbers from rounding to 0."""
    return weight.clamp(min=torch.finfo(weight.dtype).tiny)
