"""Attention within a band with gaps, in time and memory linear in the number of frames."""

import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.banded import banded_attention
from vidseq.ops.merge import Part


def dilated_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    valid: Tensor,
    before: int,
    after: int = 0,
    dilation: int = 1,
    beside: Part | None = None,
) -> Tensor:
    """Softmax attention of every query on every `dilation`-th key near it.

    Frames whose numbers leave the same rest when divided by the dilation see one another and no others. So time falls
    apart into as many shorter videos, its phases, each of which has a band without gaps:

        frames   a b c a b c a b c   ->   a a a,  b b b,  c c c        dilation 3

    Keys start `dilation * before` frames earlier than queries and end `dilation * after` frames later.

    Args:
        q: queries, (B, H, T, d), T at least 1.
        k: keys, (B, H, dilation * (before + after) + T, d).
        v: values, like `k`.
        valid: bool (B, dilation * (before + after) + T), False for keys that must not be seen.
        before: keys seen before the query's own.
        after: keys seen after the query's own.
        dilation: frames from one key to the next.
        beside: what each query reads elsewhere, (B, H, T, d), one softmax with its band; None: nothing.

    Returns:
        (B, H, T, d), zero for a query that may see no key.
    """
    if dilation == 1:
        return banded_attention(q, k, v, valid, before, after, beside)
    batch, _, num_queries, _ = q.shape
    phases, missing = min(dilation, num_queries), -num_queries % dilation
    if beside is not None:
        read, mass = F.pad(beside.read, (0, 0, 0, missing)), F.pad(beside.mass, (0, missing))[..., None]
        beside = Part(_split(read, dilation, phases), _split(mass, dilation, phases)[..., 0])
    if missing:
        q, k, v = (F.pad(part, (0, 0, 0, missing)) for part in (q, k, v))
        valid = F.pad(valid, (0, missing), value=after == 0)  # causal queries never see what is behind them
    q, k, v = (_split(part, dilation, phases) for part in (q, k, v))
    valid = valid.unflatten(1, (-1, dilation))[..., :phases].transpose(1, 2).flatten(0, 1)
    read = banded_attention(q, k, v, valid, before, after, beside)
    whole = read.unflatten(0, (batch, phases)).permute(0, 3, 1, 2, 4).flatten(1, 2)  # (B, T, H, d)
    return whole[:, :num_queries].transpose(1, 2)


def _split(x: Tensor, dilation: int, phases: int) -> Tensor:
    """(B, H, T, d) to (B * phases, H, T / dilation, d)."""
    return x.unflatten(2, (-1, dilation))[:, :, :, :phases].permute(0, 3, 1, 2, 4).flatten(0, 1)
