"""Torch's fast attention kernel for CPUs, which knows the mass of its softmax, behind a check that it lacks.

The kernel is private to torch: it makes its output in the layout of the queries and then writes rows of numbers that
lie next to one another. `F.scaled_dot_product_attention` therefore never calls it on other layouts; neither do these.
"""

import torch
from torch import Tensor


def flash_attention(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, *, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """Softmax attention without gradients.

    Args:
        q: queries, (B, H, T, d), with any strides, as the others.
        k: keys, (B, H, N, d), N at least 1.
        v: values, like `k`.
        bias: added to the scores, what broadcasts to (B, H, T, N); None: nothing.
        scale: of the products of queries and keys; None: one over the square root of d.

    Returns:
        what was read (B, H, T, d), and the log of the sum of the exponentials of the scores (B, H, T).
    """
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    mask = None if bias is None else _in_rows(bias)
    return kernel(_in_rows(q), _in_rows(k), _in_rows(v), attn_mask=mask, scale=scale)


def flash_gradients(
    gradient: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor,
    read: Tensor,
    mass: Tensor,
    *,
    scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v, given that of what was read.

    With the read and the mass of a softmax over more keys than these, it finds the true weights of these.

    Args:
        gradient: like `read`.
        q: as in `flash_attention`, like all up to `bias`.
        k: see there.
        v: see there.
        bias: see there.
        read: (B, H, T, d).
        mass: (B, H, T).
        scale: as in `flash_attention`.

    Returns:
        like `q`, `k` and `v`.
    """
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    rows = [_in_rows(part) for part in (gradient, q, k, v, read)]
    return kernel(*rows, mass.contiguous(), 0.0, False, attn_mask=_in_rows(bias), scale=scale)


def _in_rows(x: Tensor) -> Tensor:
    """The same numbers, those of the last dimension next to one another."""
    return x if x.stride(-1) == 1 else x.contiguous()
