"""Partial attention: a softmax over all keys, merged from softmaxes over parts of them.

A part has an output (`read`) and the log of the sum of the exponentials of its scores:

    logsumexp = log(e^l_1 + e^l_2),    read = e^(l_1 - logsumexp) read_1 + e^(l_2 - logsumexp) read_2
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from vidseq.ops.exported import is_exporting
from vidseq.ops.flash import flash_attention, flash_gradients

EMPTY_LOGSUMEXP = -1e30
"""Logsumexp of a part without keys; finite, so that its gradients are finite."""


class PartialAttention(NamedTuple):
    """Attention of queries to some of their keys."""

    read: Tensor
    """(..., d)."""
    logsumexp: Tensor
    """(...), at least in float32."""


def partial_attention(q: Tensor, k: Tensor, v: Tensor, valid: Tensor | None = None) -> PartialAttention:
    """Softmax attention to a few keys, with its logsumexp.

    Args:
        q: queries, (..., T, d).
        k: keys, (..., N, d).
        v: values, like `k`.
        valid: bool, broadcasts to (..., T, N), False for keys that must not be seen; None: all are seen.

    Returns:
        read (..., T, d) in the dtype of q and logsumexp (..., T); a query without keys reads zero.
    """
    if valid is None and _suit_kernel(q, k, v) and not torch.is_grad_enabled() and not is_exporting():
        return PartialAttention(*flash_attention(q, k, v))
    scale = q.shape[-1] ** -0.5  # scales queries or keys, whichever are fewer
    q, k = (q * scale, k) if q.shape[-2] < k.shape[-2] else (q, k * scale)
    scores = q @ k.transpose(-1, -2)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if valid is not None:
        scores = scores.masked_fill(~valid, EMPTY_LOGSUMEXP)
    top = scores.detach().amax(dim=-1, keepdim=True)
    weights = (scores - top).exp_()
    total = weights.sum(dim=-1, keepdim=True)
    read = (weights.to(v.dtype) @ v) / total.to(v.dtype)
    logsumexp = (top + total.log())[..., 0]
    if valid is None:
        return PartialAttention(read, logsumexp)
    sees_no_key = ~valid.any(dim=-1)
    return PartialAttention(
        read.masked_fill(sees_no_key[..., None], 0), logsumexp.masked_fill(sees_no_key, EMPTY_LOGSUMEXP)
    )


def _suit_kernel(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether torch's fast kernel, which checks nothing, accepts the tensors."""
    alike = q.shape[:2] == k.shape[:2] and q.dtype == k.dtype == v.dtype
    return alike and q.ndim == 4 and q.device.type == "cpu" and 0 not in (*q.shape, *k.shape)


def merge_partial(one: PartialAttention, other: PartialAttention) -> PartialAttention:
    """Merges the attention of the same queries to two sets of keys."""
    share = (one.logsumexp - other.logsumexp).sigmoid()[..., None].to(one.read.dtype)
    return PartialAttention(torch.lerp(other.read, one.read, share), torch.logaddexp(one.logsumexp, other.logsumexp))


def running_merge(before: PartialAttention, parts: PartialAttention) -> list[PartialAttention]:
    """Merges further parts one by one, and returns the result after each.

    Args:
        before: attention of the queries so far, (B, H, T, d) and (B, H, T).
        parts: C further parts in order, (B, H, C, T, d) and (B, H, C, T).

    Returns:
        C parts like `before`.
    """
    sums = [before]
    for read, logsumexp in zip(parts.read.unbind(2), parts.logsumexp.unbind(2)):
        sums.append(merge_partial(sums[-1], PartialAttention(read, logsumexp)))
    return sums[1:]


def merge_gradients(gradient: Tensor, other: PartialAttention, merged: PartialAttention) -> PartialAttention:
    """Computes the gradients of one part from that of the merged output, where nothing else uses the logsumexps.

    Args:
        gradient: like `merged.read`.
        other: the part.
        merged: that part merged with all others.

    Returns:
        like `other`.
    """
    share = (other.logsumexp - merged.logsumexp).exp()
    grad_logsumexp = share * (gradient * (other.read - merged.read)).sum(dim=-1)
    return PartialAttention(share[..., None].to(gradient.dtype) * gradient, grad_logsumexp.to(other.logsumexp.dtype))


def merged_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, other: PartialAttention) -> Tensor:
    """Softmax attention to keys, merged with attention to other keys.

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, N, d).
        v: values, like `k`.
        mask: bool, broadcasts to (B, H, T, N), True where a query sees a key.
        other: attention of the queries to other keys, (B, H, T, d) and (B, H, T).

    Returns:
        (B, H, T, d).
    """
    k, v, read = (part.to(q.dtype) for part in (k, v, other.read))
    if q.device.type != "cpu":
        return merge_partial(partial_attention(q, k, v, mask), PartialAttention(read, other.logsumexp)).read
    bias = torch.zeros(mask.shape, dtype=q.dtype).masked_fill_(~mask, -torch.inf)
    return _MergedAttention.apply(q, k, v, bias, ~mask.any(dim=-1), read, other.logsumexp)


class _MergedAttention(torch.autograd.Function):
    """Torch's fast kernel, merged with another part. The kernel gives no gradient through its logsumexp.

    It needs none: with output and logsumexp of all parts, its backward pass gives the true weights of its own keys.
    keys.
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, sees_no_key: Tensor, read: Tensor, logsumexp: Tensor
    ) -> Tensor:
        """Attends, then merges; the kernel's logsumexp is wrong for a query that sees no key, so it is replaced."""
        here, here_logsumexp = flash_attention(q, k, v, bias)
        here_logsumexp = here_logsumexp.masked_fill(sees_no_key, EMPTY_LOGSUMEXP)
        merged = merge_partial(
            PartialAttention(here, here_logsumexp), PartialAttention(read, logsumexp.to(here_logsumexp.dtype))
        )
        ctx.save_for_backward(q, k, v, bias, read, logsumexp, *merged)
        return merged.read

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Computes the kernel's gradients and those of the other part."""
        q, k, v, bias, read, logsumexp, all_read, all_logsumexp = ctx.saved_tensors
        grad_all = gradients[0]
        grad_q, grad_k, grad_v = flash_gradients(grad_all, q, k, v, bias, all_read, all_logsumexp)
        grad_other = merge_gradients(
            grad_all, PartialAttention(read, logsumexp), PartialAttention(all_read, all_logsumexp)
        )
        return grad_q, grad_k, grad_v, None, None, *grad_other
