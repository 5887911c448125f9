"""Attention of a few queries on very many keys, which need not lie in one place."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.flash import flash_attention, flash_gradients
from vidseq.ops.merge import NOTHING, Part, attend_part, merge_parts


def attend_to_parts(q: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], valid: Sequence[Tensor]) -> Tensor:
    """Softmax attention on all keys of all parts.

    Args:
        q: queries, (B, H, T, d).
        keys: parts of them, each (B, H, N, d), N at least 1.
        values: like `keys`.
        valid: bool, for each part (B, N), False for keys that must not be seen.

    Returns:
        (B, H, T, d), anything for a row that sees no key at all.
    """
    seen = [part[:, None, None] for part in valid]
    if q.device.type == "cpu":
        biases = [torch.zeros(part.shape, dtype=q.dtype).masked_fill_(~part, NOTHING) for part in seen]
        return _ToParts.apply(q, biases, *(part.to(q.dtype) for part in (*keys, *values)))
    first, *rest = (attend_part(q, k.to(q.dtype), v.to(q.dtype), known) for k, v, known in zip(keys, values, seen))
    for part in rest:
        first = merge_parts(first, part)
    return first.read


class _ToParts(torch.autograd.Function):
    """Torch's fast kernel part by part, forward and again backward with the read and the mass of all parts.

    Keys that must not be seen have a finite score, so that a row that sees none of a part has a mass, of no weight.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, biases: Sequence[Tensor], *kv: Tensor) -> Tensor:
        """Parts one after the other."""
        read, mass = None, None
        for k, v, bias in zip(kv, kv[len(biases) :], biases):
            here = Part(*flash_attention(q, k, v, bias))
            read, mass = here if read is None or mass is None else merge_parts(Part(read, mass), here)
        assert read is not None
        ctx.save_for_backward(q, read, mass, *kv)
        ctx.biases = biases
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        """True weights come from the mass of all."""
        q, read, mass, *kv = ctx.saved_tensors
        of_q, of_keys, of_values = torch.zeros_like(q), [], []
        for k, v, bias in zip(kv, kv[len(ctx.biases) :], ctx.biases):
            ours, of_k, of_v = flash_gradients(gradient, q, k, v, bias, read, mass)
            of_q += ours
            of_keys.append(of_k)
            of_values.append(of_v)
        return of_q, None, *of_keys, *of_values
