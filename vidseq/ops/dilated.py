"""Attention within a band with gaps, in time and memory linear in the number of frames."""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from vidseq.ops.banded import banded_attention
from vidseq.ops.merge import PartialAttention


def dilated_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    valid: Tensor,
    before: int,
    after: int = 0,
    dilation: int = 1,
    other: PartialAttention | None = None,
) -> Tensor:
    """Softmax attention of every query to every `dilation`-th key near it.

    Frames whose indices are equal modulo the dilation see one another and no others. So the video splits into that
    many shorter videos, its phases, each with a band without gaps:

        frames   a b c a b c a b c   ->   a a a,  b b b,  c c c        dilation 3

    Keys start `dilation * before` frames earlier than queries and end `dilation * after` frames later.

    Args:
        q: queries, (B, H, T, d), T at least 1.
        k: keys, (B, H, dilation * (before + after) + T, d).
        v: values, like `k`.
        valid: bool (B, dilation * (before + after) + T), False for keys that must not be seen.
        before: keys seen before the query's own.
        after: keys seen after the query's own.
        dilation: distance in frames between keys.
        other: attention of each query to other keys, (B, H, T, d), merged into one softmax with the band; None: none.

    Returns:
        (B, H, T, d), zero for a query that may see no key.
    """
    if dilation == 1:
        return banded_attention(q, k, v, valid, before, after, other)
    num_queries = q.shape[2]
    phases, missing = min(dilation, num_queries), -num_queries % dilation
    if other is not None:
        read, logsumexp = F.pad(other.read, (0, 0, 0, missing)), F.pad(other.logsumexp, (0, missing))[..., None]
        other = PartialAttention(_split(read, dilation, phases), _split(logsumexp, dilation, phases)[..., 0])
    if missing:
        q, k, v = (F.pad(part, (0, 0, 0, missing)) for part in (q, k, v))
        valid = F.pad(valid, (0, missing), value=after == 0)  # causal queries never see later keys
    q, k, v = (_split(part, dilation, phases) for part in (q, k, v))
    valid = _split(valid[:, None, :, None], dilation, phases)[:, 0, :, 0]
    read = banded_attention(q, k, v, valid, before, after, other)
    whole = rearrange(read, "(b phase) h t d -> b (t phase) h d", phase=phases)  # frames first, as in memory
    return whole[:, :num_queries].transpose(1, 2)


def _split(x: Tensor, dilation: int, phases: int) -> Tensor:
    """Splits (B, H, T, d) into phases (B * phases, H, T / dilation, d)."""
    in_phases = rearrange(x, "b h (t phase) d -> phase b h t d", phase=dilation)[:phases]
    return rearrange(in_phases, "phase b h t d -> (b phase) h t d")
