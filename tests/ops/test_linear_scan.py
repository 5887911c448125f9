import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_gated import linear_recurrence
from torch import Tensor

from vidseq.ops.linear_scan import MIN_COUNT, MIN_LENGTH, WORK_SIZE, linear_scan


def inputs(*shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Some frames keep everything, and some nothing."""
    generator = torch.Generator().manual_seed(sum(shape))
    keep = (1.4 * torch.rand(shape, generator=generator, dtype=dtype) - 0.2).clamp(0, 1)
    new = torch.randn(shape, generator=generator, dtype=dtype)
    before = torch.randn(shape[0], *shape[2:], generator=generator, dtype=dtype)
    return tuple(part.requires_grad_() for part in (keep, new, before))


def assert_equals_the_loop(parts: tuple[Tensor, ...]) -> None:
    results = []
    for run in (linear_scan, linear_recurrence):
        h = run(*parts)
        results.append([h, *torch.autograd.grad((h**2).sum() + (h[:, -1:] ** 3).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(1, 12 * MIN_LENGTH)), rest=st.lists(st.integers(1, 5), max_size=2)
)
def test_chunks_equal_the_loop_in_values_and_gradients(shape: tuple[int, int], rest: list[int]) -> None:
    assert_equals_the_loop(inputs(*shape, *rest))


@pytest.mark.parametrize("width", [1, WORK_SIZE // MIN_COUNT, WORK_SIZE // MIN_COUNT + 1])
@pytest.mark.parametrize(
    "num_frames", [1, 2, MIN_LENGTH * MIN_COUNT - 1, MIN_LENGTH * MIN_COUNT, MIN_LENGTH * MIN_COUNT + 1, 300]
)
def test_few_or_many_chunks_make_no_difference(num_frames: int, width: int) -> None:
    assert_equals_the_loop(inputs(1, num_frames, width))


def test_gradients_equal_differences() -> None:
    assert torch.autograd.gradcheck(linear_scan, inputs(1, MIN_LENGTH * MIN_COUNT + 3, 1))


def test_views_in_any_order_give_the_same() -> None:
    keep, new, before = inputs(2, 150, 3)
    turned = [part.transpose(1, 2).contiguous().transpose(1, 2) for part in (keep, new)]
    torch.testing.assert_close(linear_scan(*turned, before), linear_scan(keep, new, before), rtol=0, atol=0)


def test_a_part_that_needs_no_gradient_may_be_constant() -> None:
    keep, new, before = inputs(1, 140, 3)
    (alone,) = torch.autograd.grad(linear_scan(keep.detach(), new, before.detach()).sum(), new)
    torch.testing.assert_close(alone, torch.autograd.grad(linear_scan(keep, new, before).sum(), new)[0])


@pytest.mark.parametrize("lowest", [0.0, 0.9, 0.999])
def test_errors_in_float32_stay_under_a_millionth(lowest: float) -> None:
    """Relative to the largest value, for gates as in min_gru; in logarithms three digits would be lost."""
    generator = torch.Generator().manual_seed(0)
    keep = lowest + (1 - lowest) * torch.rand(1, 16_384, 8, generator=generator)
    new, before = (1 - keep) * torch.randn(keep.shape, generator=generator), torch.zeros(1, 8)
    exact = linear_recurrence(keep.double(), new.double(), before.double())
    fast, plain = linear_scan(keep, new, before), linear_recurrence(keep, new, before)
    assert (fast - exact).abs().max() < 1e-6 * exact.abs().max().clamp(min=1)
    assert (fast - exact).abs().max() <= 2 * (plain - exact).abs().max()


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.99])
def test_gradients_shrink_with_the_lag_as_theory_says(keep: float) -> None:
    """Of h_T with respect to new_(T - lag): keep^lag."""
    new = torch.zeros(1, 200, 1, dtype=torch.float64, requires_grad=True)
    h = linear_scan(torch.full_like(new, keep), new, torch.zeros(1, 1, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(h[0, -1, 0], new)
    for lag in (0, 1, 7, 50, 199):
        assert math.isclose(gradient[0, 199 - lag, 0].item(), keep**lag, rel_tol=1e-9)
