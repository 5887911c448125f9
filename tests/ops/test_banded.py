from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references import band_attention

from vidseq.ops.banded import attend_in_slabs, banded_attention


def inputs(num_queries: int, reach: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(num_queries + reach)
    shapes = [(2, 2, num_queries, 4), *[(2, 2, num_queries + reach, 4)] * 2]
    valid = torch.rand(2, num_queries + reach, generator=generator) < 0.7
    return *(torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes), valid


@settings(max_examples=20)
@given(num_queries=st.integers(1, 40), before=st.integers(0, 12), after=st.integers(0, 12), whole=st.booleans())
def test_short_bands_equal_the_reference(num_queries: int, before: int, after: int, whole: bool) -> None:
    q, k, v, valid = inputs(num_queries, before + after)
    valid = valid | whole
    expected = band_attention(q, k, v, valid, before, after)
    torch.testing.assert_close(banded_attention(q, k, v, valid, before, after), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("before, after", [(0, 0), (5, 0), (40, 0), (90, 13), (150, 149)])
@pytest.mark.parametrize("whole", [True, False])
def test_blocks_equal_the_reference_in_outputs_and_gradients(before: int, after: int, whole: bool) -> None:
    """As do the slabs of devices without the kernel."""
    q, k, v, valid = inputs(700, before + after)
    valid = valid | whole
    results = []
    for attend in (banded_attention, partial(attend_in_slabs, other=None), dense_attention):
        y = attend(q, k, v, valid, before=before, after=after)
        results.append([y, *torch.autograd.grad((y**2).sum(), [q, k, v])])
    for fast, slabs, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(slabs, slow, rtol=1e-10, atol=1e-10)


def dense_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, valid: torch.Tensor, before: int, after: int
) -> torch.Tensor:
    """With the whole T x T matrix; itself checked below."""
    ahead = torch.arange(k.shape[2]) - torch.arange(q.shape[2])[:, None]
    seen = (ahead >= 0) & (ahead <= before + after) & valid[:, None, None]
    weights = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).masked_fill(~seen, -1e30).softmax(-1)
    return weights.masked_fill(~seen, 0) @ v


def test_the_dense_twin_equals_the_reference() -> None:
    q, k, v, valid = inputs(30, 9)
    torch.testing.assert_close(dense_attention(q, k, v, valid, 6, 3), band_attention(q, k, v, valid, 6, 3))


def test_errors_stay_within_twice_those_of_plain_torch() -> None:
    q, k, v, valid = inputs(1500, 127)
    exact = dense_attention(q, k, v, valid, 127, 0)
    q, k, v = (part.float() for part in (q, k, v))
    plain, fast = (attend(q, k, v, valid, 127, 0) for attend in (dense_attention, banded_attention))
    assert (fast - exact).abs().max() <= 2 * (plain - exact).abs().max()
