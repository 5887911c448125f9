import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vidseq.ops.dilated import dilated_attention


def inputs(num_queries: int, reach: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(num_queries + reach)
    shapes = [(2, 2, num_queries, 4), *[(2, 2, num_queries + reach, 4)] * 2]
    valid = torch.rand(2, num_queries + reach, generator=generator) < 0.7
    return *(torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes), valid


def dense_attention(q: Tensor, k: Tensor, v: Tensor, valid: Tensor, before: int, after: int, dilation: int) -> Tensor:
    """With the whole T x T matrix."""
    ahead = torch.arange(k.shape[2]) - torch.arange(q.shape[2])[:, None]
    near = (ahead >= 0) & (ahead <= dilation * (before + after)) & (ahead % dilation == 0)
    seen = near & valid[:, None, None]
    weights = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).masked_fill(~seen, -1e30).softmax(-1)
    return weights.masked_fill(~seen, 0) @ v


@given(
    num_queries=st.integers(1, 30),
    before=st.integers(0, 5),
    after=st.integers(0, 3),
    dilation=st.integers(1, 6),
    whole=st.booleans(),
)
def test_phases_equal_the_dense_twin(num_queries: int, before: int, after: int, dilation: int, whole: bool) -> None:
    q, k, v, valid = inputs(num_queries, dilation * (before + after))
    where = (q, k, v, valid | whole, before, after, dilation)
    torch.testing.assert_close(dilated_attention(*where), dense_attention(*where), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("before, after, dilation", [(40, 0, 2), (20, 13, 3)])
def test_long_phases_equal_the_dense_twin_in_outputs_and_gradients(before: int, after: int, dilation: int) -> None:
    q, k, v, valid = inputs(1000, dilation * (before + after))
    results = []
    for attend in (dilated_attention, dense_attention):
        y = attend(q, k, v, valid, before, after, dilation)
        results.append([y, *torch.autograd.grad((y**2).sum(), [q, k, v])])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
