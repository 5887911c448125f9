import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidseq.ops import dilated
from vidseq.ops.banded import attend_in_slabs, banded_attention
from vidseq.ops.dilated import dilated_attention
from vidseq.ops.merge import EMPTY_LOGSUMEXP, PartialAttention, merge_partial, merged_attention, partial_attention


def inputs(*sizes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 2, size, 4, generator=generator, dtype=torch.float64).requires_grad_() for size in sizes]


def dense(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    return (q @ k.transpose(2, 3) / 2).masked_fill(~seen, -1e30).softmax(-1).masked_fill(~seen, 0) @ v


@settings(max_examples=30, deadline=None)
@given(
    num_queries=st.integers(1, 6), one=st.integers(1, 6), other=st.integers(0, 6), odds=st.sampled_from([0.0, 0.5, 1])
)
def test_two_parts_are_one_softmax(num_queries: int, one: int, other: int, odds: float) -> None:
    q, k, v = inputs(num_queries, one + other, one + other)
    seen = torch.rand(2, 1, num_queries, one + other, generator=torch.Generator().manual_seed(one)) < odds
    first = partial_attention(q, k[:, :, :one], v[:, :, :one], seen[..., :one])
    if other:
        rest = partial_attention(q, k[:, :, one:], v[:, :, one:], seen[..., one:])
    else:
        rest = PartialAttention(torch.zeros_like(q), torch.full_like(q[..., 0], EMPTY_LOGSUMEXP))
    torch.testing.assert_close(merge_partial(first, rest).read, dense(q, k, v, seen), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("num_keys, rows", [(1, 2), (5, 2), (5, 1)])
def test_a_part_is_the_same_without_gradients(num_keys: int, rows: int) -> None:
    q, k, v = inputs(7, num_keys, num_keys)
    part = partial_attention(q, k[:rows], v[:rows])
    with torch.no_grad():
        fast = partial_attention(q, k[:rows], v[:rows])
    torch.testing.assert_close(fast.read, part.read.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fast.logsumexp, part.logsumexp.detach(), rtol=1e-12, atol=1e-12)
    assert fast.logsumexp.shape == part.logsumexp.shape


@pytest.mark.parametrize("odds", [0.0, 0.5, 1.0])
def test_merged_keys_in_outputs_and_gradients(odds: float) -> None:
    """Also where a query sees none of the keys here."""
    q, k, v, other_k, other_v = leaves = inputs(9, 11, 11, 3, 3)
    seen = torch.rand(2, 1, 9, 11, generator=torch.Generator().manual_seed(0)) < odds
    fast = merged_attention(q, k, v, seen, partial_attention(q, other_k, other_v))
    all_seen = F.pad(seen, (0, 3), value=True)
    slow = dense(q, torch.cat([k, other_k], 2), torch.cat([v, other_v], 2), all_seen)
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
    for one, other in zip(*(torch.autograd.grad((y**2).sum(), leaves) for y in (fast, slow)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("slabs", [False, True])
@pytest.mark.parametrize("before, after, dilation", [(3, 0, 1), (40, 0, 1), (20, 20, 1), (20, 9, 3)])
def test_a_merged_band_in_outputs_and_gradients(
    before: int, after: int, dilation: int, slabs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the slabs of devices without the kernel."""
    if slabs:
        monkeypatch.setattr(dilated, "banded_attention", attend_in_slabs)
    reach = dilation * (before + after)
    q, k, v, other_k, other_v = leaves = inputs(500, 500 + reach, 500 + reach, 3, 3)
    valid = torch.rand(2, 500 + reach, generator=torch.Generator().manual_seed(0)) < 0.7
    other = partial_attention(q, other_k, other_v)
    fast = dilated_attention(q, k, v, valid, before, after, dilation, other)
    ahead = torch.arange(500 + reach) - torch.arange(500)[:, None]
    seen = (ahead >= 0) & (ahead <= reach) & (ahead % dilation == 0) & valid[:, None, None]
    all_seen = F.pad(seen, (0, 3), value=True)
    slow = dense(q, torch.cat([k, other_k], 2), torch.cat([v, other_v], 2), all_seen)
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
    for one, other in zip(*(torch.autograd.grad((y**2).sum(), leaves) for y in (fast, slow)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_errors_stay_within_twice_those_of_plain_torch() -> None:
    q, k, v, other_k, other_v = inputs(1500, 1627, 1627, 16, 16)
    valid = torch.ones(2, 1627, dtype=torch.bool)
    ahead = torch.arange(1627) - torch.arange(1500)[:, None]
    seen = F.pad((ahead >= 0) & (ahead <= 127), (0, 16), value=True)
    exact = dense(q, torch.cat([k, other_k], 2), torch.cat([v, other_v], 2), seen)
    q, k, v, other_k, other_v = (part.float() for part in (q, k, v, other_k, other_v))
    plain = dense(q, torch.cat([k, other_k], 2), torch.cat([v, other_v], 2), seen)
    fast = banded_attention(q, k, v, valid, 127, 0, partial_attention(q, other_k, other_v))
    assert (fast - exact).abs().max() <= 2 * (plain - exact).abs().max()
