"""Attention in parts: a softmax over all keys from softmaxes over some of them, without putting keys together.

A part is what queries have read, and its mass: the log of the sum of the exponentials of their scores.

    mass = log(e^mass_1 + e^mass_2),    read = e^(mass_1 - mass) read_1 + e^(mass_2 - mass) read_2
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vidseq.ops.flash import flash_attention, flash_gradients

NOTHING = -1e30
"""The mass of a part without keys: finite, so that gradients are."""


class Part(NamedTuple):
    """What queries read from some of their keys."""

    read: Tensor
    """(..., d)."""
    mass: Tensor
    """(...), at least in float32."""


def attend_part(q: Tensor, k: Tensor, v: Tensor, valid: Tensor | None = None) -> Part:
    """Softmax attention on a few keys, with its mass.

    Args:
        q: queries, (..., T, d).
        k: keys, (..., N, d).
        v: values, like `k`.
        valid: bool, what broadcasts to (..., T, N), False for keys that must not be seen; None: all may.

    Returns:
        read (..., T, d) in the type of q and mass (..., T); a query without keys reads zero.
    """
    if valid is None and _suit_kernel(q, k, v) and not torch.is_grad_enabled():
        return Part(*flash_attention(q, k, v))
    scale = q.shape[-1] ** -0.5  # of whichever are fewer
    q, k = (q * scale, k) if q.shape[-2] < k.shape[-2] else (q, k * scale)
    scores = q @ k.transpose(-1, -2)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if valid is not None:
        scores = scores.masked_fill(~valid, NOTHING)
    top = scores.detach().amax(dim=-1, keepdim=True)
    weights = (scores - top).exp_()
    total = weights.sum(dim=-1, keepdim=True)
    read = (weights.to(v.dtype) @ v) / total.to(v.dtype)
    mass = (top + total.log())[..., 0]
    if valid is None:
        return Part(read, mass)
    blind = ~valid.any(dim=-1)
    return Part(read.masked_fill(blind[..., None], 0), mass.masked_fill(blind, NOTHING))


def _suit_kernel(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether torch's fast kernel, which checks nothing, takes them as they are."""
    alike = q.shape[:2] == k.shape[:2] and q.dtype == k.dtype == v.dtype
    return alike and q.ndim == 4 and q.device.type == "cpu" and 0 not in (*q.shape, *k.shape)


def merge_parts(one: Part, other: Part) -> Part:
    """What the same queries read from the keys of both parts."""
    share = (one.mass - other.mass).sigmoid()[..., None].to(one.read.dtype)
    return Part(torch.lerp(other.read, one.read, share), torch.logaddexp(one.mass, other.mass))


def running_parts(before: Part, parts: Part) -> list[Part]:
    """What the same queries have read after one more part, after two, and so on.

    Args:
        before: what they had read, (B, H, T, d) and (B, H, T).
        parts: C further parts, one after the other, (B, H, C, T, d) and (B, H, C, T).

    Returns:
        C parts like `before`.
    """
    sums = [before]
    for read, mass in zip(parts.read.unbind(2), parts.mass.unbind(2)):
        sums.append(merge_parts(sums[-1], Part(read, mass)))
    return sums[1:]


def gradients_beside(gradient: Tensor, beside: Part, merged: Part) -> Part:
    """Gradients of one part, given that of what was read from all keys, after which masses are not used any more.

    Args:
        gradient: like `merged.read`.
        beside: the part.
        merged: that part and the others.

    Returns:
        like `beside`.
    """
    share = (beside.mass - merged.mass).exp()
    of_mass = share * (gradient * (beside.read - merged.read)).sum(dim=-1)
    return Part(share[..., None].to(gradient.dtype) * gradient, of_mass.to(beside.mass.dtype))


def attend_beside(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, beside: Part) -> Tensor:
    """Softmax attention on keys together with those of another part.

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, N, d).
        v: values, like `k`.
        mask: bool, what broadcasts to (B, H, T, N), True where a query sees a key.
        beside: what the queries read elsewhere, (B, H, T, d) and (B, H, T).

    Returns:
        (B, H, T, d).
    """
    k, v, read = (part.to(q.dtype) for part in (k, v, beside.read))
    if q.device.type != "cpu":
        return merge_parts(attend_part(q, k, v, mask), Part(read, beside.mass)).read
    bias = torch.zeros(mask.shape, dtype=q.dtype).masked_fill_(~mask, -torch.inf)
    return _AttendBeside.apply(q, k, v, bias, ~mask.any(dim=-1), read, beside.mass)


class _AttendBeside(torch.autograd.Function):
    """Torch's fast kernel knows its mass but gives no gradient through it.

    It needs none: with the read and the mass of all parts, its backward pass finds the true weights of its own keys.
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, blind: Tensor, read: Tensor, mass: Tensor
    ) -> Tensor:
        """Attends, then merges; the kernel's mass is wrong for a query that sees no key."""
        here, here_mass = flash_attention(q, k, v, bias)
        here_mass = here_mass.masked_fill(blind, NOTHING)
        merged = merge_parts(Part(here, here_mass), Part(read, mass.to(here_mass.dtype)))
        ctx.save_for_backward(q, k, v, bias, read, mass, *merged)
        return merged.read

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The kernel's own, and that of the other part by hand."""
        q, k, v, bias, read, mass, all_read, all_mass = ctx.saved_tensors
        of_all = gradients[0]
        of_q, of_k, of_v = flash_gradients(of_all, q, k, v, bias, all_read, all_mass)
        of_beside = gradients_beside(of_all, Part(read, mass), Part(all_read, all_mass))
        return of_q, of_k, of_v, None, None, *of_beside
