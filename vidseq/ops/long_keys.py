"""Attention of a few queries to very many keys, which may be in several tensors."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.flash import flash_attention, flash_gradients
from vidseq.ops.merge import EMPTY_LOGSUMEXP, PartialAttention, merge_partial, partial_attention


def attend_to_parts(q: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], valid: Sequence[Tensor]) -> Tensor:
    """Softmax attention to all keys of all parts.

    Args:
        q: queries, (B, H, T, d).
        keys: in parts, each (B, H, N, d), N at least 1.
        values: like `keys`.
        valid: bool, (B, N) for each part, False for keys that must not be seen.

    Returns:
        (B, H, T, d), undefined for a row that sees no key at all.
    """
    seen = [part[:, None, None] for part in valid]
    if q.device.type == "cpu":
        biases = [torch.zeros(part.shape, dtype=q.dtype).masked_fill_(~part, EMPTY_LOGSUMEXP) for part in seen]
        return _ToParts.apply(q, biases, *(part.to(q.dtype) for part in (*keys, *values)))
    first, *rest = (
        partial_attention(q, k.to(q.dtype), v.to(q.dtype), known) for k, v, known in zip(keys, values, seen)
    )
    for part in rest:
        first = merge_partial(first, part)
    return first.read


class _ToParts(torch.autograd.Function):
    """Torch's fast kernel part by part, forward and backward, with output and logsumexp of all parts.

    Keys that must not be seen have a finite score, so that a row without keys in a part has a finite logsumexp, of no
    weight.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, biases: Sequence[Tensor], *kv: Tensor) -> Tensor:
        """Attends to one part after the other."""
        read, logsumexp = None, None
        for k, v, bias in zip(kv, kv[len(biases) :], biases):
            here = PartialAttention(*flash_attention(q, k, v, bias))
            read, logsumexp = (
                here if read is None or logsumexp is None else merge_partial(PartialAttention(read, logsumexp), here)
            )
        assert read is not None
        ctx.save_for_backward(q, read, logsumexp, *kv)
        ctx.biases = biases
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        """Computes gradients part by part; the logsumexp of all parts gives the right weights."""
        q, read, logsumexp, *kv = ctx.saved_tensors
        grad_q, grad_keys, grad_values = torch.zeros_like(q), [], []
        for k, v, bias in zip(kv, kv[len(ctx.biases) :], ctx.biases):
            grad_part, grad_k, grad_v = flash_gradients(gradient, q, k, v, bias, read, logsumexp)
            grad_q += grad_part
            grad_keys.append(grad_k)
            grad_values.append(grad_v)
        return grad_q, None, *grad_keys, *grad_values
