"""Torch's fast attention kernel for CPUs, which also returns the logsumexp, with a check that it lacks.

The kernel is private to torch. It makes its output in the layout of the queries and then writes contiguous rows. So
`F.scaled_dot_product_attention` never calls it on other layouts, and neither do these functions.
"""

import torch
from torch import Tensor


def flash_attention(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, *, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """Softmax attention without gradients.

    Args:
        q: queries, (B, H, T, d), with any strides, like the other tensors.
        k: keys, (B, H, N, d), N at least 1.
        v: values, like `k`.
        bias: added to the scores; broadcasts to (B, H, T, N); None: nothing.
        scale: of the products of queries and keys; None: one over the square root of d.

    Returns:
        output (B, H, T, d), and the log of the sum of the exponentials of the scores (B, H, T).
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
    logsumexp: Tensor,
    *,
    scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Computes the gradients of q, k and v from the gradient of the output.

    Output and logsumexp may be those of a softmax over more keys than these; the weights of these keys are then right.

    Args:
        gradient: like `read`.
        q: as in `flash_attention`, like all up to `bias`.
        k: see `flash_attention`.
        v: see `flash_attention`.
        bias: see `flash_attention`.
        read: output, (B, H, T, d).
        logsumexp: (B, H, T).
        scale: as in `flash_attention`.

    Returns:
        like `q`, `k` and `v`.
    """
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    rows = [_in_rows(part) for part in (gradient, q, k, v, read)]
    return kernel(*rows, logsumexp.contiguous(), 0.0, False, attn_mask=_in_rows(bias), scale=scale)


def _in_rows(x: Tensor) -> Tensor:
    """Makes the last dimension contiguous."""
    return x if x.stride(-1) == 1 else x.contiguous()
