"""The kernel behind its check, on layouts that it does not check by itself."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vidseq.ops.banded import banded_attention
from vidseq.ops.flash import flash_attention, flash_gradients
from vidseq.ops.merge import merged_attention, partial_attention

LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda x: x,
    "frames before heads": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "columns": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "numbers before all": lambda x: x.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0),
    "every other number": lambda x: torch.stack([x, x + 9], dim=-1)[..., 0],
    "a third of a row": lambda x: torch.cat([x + 9, x, x + 9], dim=-1)[..., x.shape[-1] : 2 * x.shape[-1]],
}
EXPANDED: dict[str, Callable[[Tensor], Tensor]] = {
    "one batch": lambda x: x[:1].expand_as(x),
    "one head": lambda x: x[:, :1].expand_as(x),
    "one frame": lambda x: x[:, :, :1].expand_as(x),
    "one number": lambda x: x[..., :1].expand_as(x),
    "overlapping": lambda x: x.flatten(2).repeat(1, 1, 2).unfold(2, x.shape[3], 1)[:, :, : x.shape[2]],
}


def random(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def slow(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """In float64, all scores at once."""
    scores = q.double() @ k.double().transpose(2, 3) * q.shape[-1] ** -0.5 + bias.double()
    return scores.softmax(-1) @ v.double(), scores.logsumexp(-1)


def check(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, gradient: Tensor) -> None:
    tight = {"rtol": 1e-4, "atol": 1e-4} if q.dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-10}
    leaves = [part.double().requires_grad_() for part in (q, k, v)]
    read, logsumexp = slow(*leaves, bias)
    for ours, expected in zip(flash_attention(q, k, v, bias), (read, logsumexp), strict=True):
        torch.testing.assert_close(ours.double(), expected, **tight)
    expected = torch.autograd.grad((read * gradient.double()).sum(), leaves)
    ours = flash_gradients(gradient, q, k, v, bias, read.detach().to(q.dtype), logsumexp.detach().to(q.dtype))
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one.double(), other, **tight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [(1, 5, 2), (7, 9, 1), (7, 9, 2), (40, 77, 16)], ids=str)
def test_any_strides_in_outputs_and_gradients(sizes: tuple[int, int, int], dtype: torch.dtype) -> None:
    frames, keys, width = sizes
    q, k, v, gradient = (
        random(2, 3, size, width, dtype=dtype, seed=seed) for seed, size in enumerate((frames, keys, keys, frames))
    )
    bias = random(2, 1, frames, keys, dtype=dtype)
    for of_q, of_k in itertools.product(LAYOUTS, EXPANDED | LAYOUTS):
        some = (EXPANDED | LAYOUTS)[of_k]
        check(LAYOUTS[of_q](q), some(k), some(v), bias, some(gradient))
    for change in (EXPANDED | LAYOUTS).values():
        check(change(q), k, v, change(bias), gradient)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1, 9), (1, 1, 7, 9), (2, 3, 1, 9), (2, 1, 7, 1), (7, 9), (1, 9)], ids=str)
def test_a_bias_for_many(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    q, k, gradient = (random(2, 3, size, 4, dtype=dtype, seed=size) for size in (7, 9, 7))
    check(q, k, k.flip(2), random(*shape, dtype=dtype), gradient)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_merged_attention_in_any_layout_of_queries(dtype: torch.dtype) -> None:
    """A width of two, as small heads have it, comes out of a rotation in columns."""
    q, k, v = (random(1, 4, size, 2, dtype=dtype, seed=size) for size in (7, 9, 8))
    v = torch.cat([v, v[:, :, :1]], dim=2)
    mask, other = torch.rand(7, 9) < 0.5, partial_attention(q, k[:, :, :3], v[:, :, :3])
    plain = merged_attention(q, k, v, mask, other)
    for change in LAYOUTS.values():
        torch.testing.assert_close(merged_attention(change(q), k, v, mask, other), plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_band_of_queries_in_any_layout(dtype: torch.dtype) -> None:
    """Long enough to be cut into blocks."""
    q, k, v = (random(1, 2, size, 2, dtype=dtype, seed=size) for size in (500, 539, 538))
    v, valid = torch.cat([v, v[:, :, :1]], dim=2), torch.ones(1, 539, dtype=torch.bool)
    plain = banded_attention(q, k, v, valid, 39)
    for change in LAYOUTS.values():
        torch.testing.assert_close(banded_attention(change(q), k, v, valid, 39), plain)
