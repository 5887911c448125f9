import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import XLNetConfig
from transformers.models.xlnet.modeling_xlnet import XLNetRelativeAttention

from vidseq.ops.relative_banded import relative_banded_attention, skew


def inputs(num_queries: int, reach: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(num_queries + reach)
    shapes = [(2, 2, num_queries, 4)] * 2 + [(2, 2, num_queries + reach, 4)] * 2 + [(2, reach + 1, 4)]
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def valid_keys(num_queries: int, reach: int, known: tuple[int, int]) -> Tensor:
    """The latest `known` keys before the first query exist."""
    before = torch.arange(reach) >= reach - torch.tensor(known)[:, None]
    return torch.cat([before, torch.ones(2, num_queries, dtype=torch.bool)], dim=1)


def by_query(q_content: Tensor, q_position: Tensor, k: Tensor, v: Tensor, positions: Tensor, valid: Tensor) -> Tensor:
    """Pair by pair, from a list of keys and their distances."""
    y, reach = torch.zeros_like(q_content), positions.shape[1] - 1
    for row in range(y.shape[0]):
        for i in range(y.shape[2]):
            seen = [j for j in range(i, i + reach + 1) if valid[row, j]]
            far = torch.stack([positions[:, j - i] for j in seen], dim=1)  # distance reach - (j - i), furthest first
            scores = torch.einsum("hd,hnd->hn", q_content[row, :, i], k[row][:, seen])
            scores = scores + torch.einsum("hd,hnd->hn", q_position[row, :, i], far)
            y[row, :, i] = torch.einsum("hn,hnd->hd", (scores / math.sqrt(4)).softmax(-1), v[row][:, seen])
    return y


def dense(q_content: Tensor, q_position: Tensor, k: Tensor, v: Tensor, positions: Tensor, valid: Tensor) -> Tensor:
    """With the whole matrix; checked below."""
    reach, length = positions.shape[1] - 1, k.shape[2]
    ahead = torch.arange(length) - torch.arange(q_content.shape[2])[:, None]
    seen = (ahead >= 0) & (ahead <= reach) & valid[:, None, None]
    far = (q_position @ positions.mT).gather(3, ahead.clamp(0, reach).expand(2, 2, -1, -1))
    scores = (q_content @ k.mT + far) * q_content.shape[-1] ** -0.5
    return scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v


@settings(max_examples=20, deadline=None)
@given(num_queries=st.integers(1, 40), reach=st.integers(0, 12), known=st.tuples(*[st.integers(0, 12)] * 2))
def test_short_bands_equal_the_reference(num_queries: int, reach: int, known: tuple[int, int]) -> None:
    parts, valid = inputs(num_queries, reach), valid_keys(num_queries, reach, known)
    expected = by_query(*parts, valid)
    torch.testing.assert_close(relative_banded_attention(*parts, valid), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(dense(*parts, valid), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("num_queries, reach", [(700, 0), (700, 5), (400, 90)])
def test_blocks_equal_the_reference_in_outputs_and_gradients(
    num_queries: int, reach: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseq.ops.relative_banded.SEGMENT", 128)
    parts = [part.requires_grad_() for part in inputs(num_queries, reach)]
    valid, results = valid_keys(num_queries, reach, (reach // 2, 0)), []
    for attend in (relative_banded_attention, dense):
        y = attend(*parts, valid)
        gradients = torch.autograd.grad((y**2).sum(), parts)
        results.append([y, *gradients])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


def test_equals_the_relative_attention_of_transformers_xlnet() -> None:
    """Which is that of Transformer-XL; it has keys for all distances, ahead too, and a mask makes the band."""
    num_queries, reach, heads = 30, 9, 2
    peer = XLNetRelativeAttention(XLNetConfig(d_model=8, n_head=heads, d_inner=8, dropout=0.0)).double().eval()
    torch.manual_seed(0)
    with torch.no_grad():
        u, v_bias = (bias.normal_() for bias in (peer.r_w_bias, peer.r_r_bias))
    q, _, k, v, positions = inputs(num_queries, reach)
    length = num_queries + reach
    by_distance = torch.zeros(
        length + num_queries, 2, heads, 4, dtype=torch.float64
    )  # distances length .. 1 - queries
    by_distance[length - reach : length + 1] = positions.transpose(0, 1)[:, None]
    ahead = torch.arange(length) - torch.arange(num_queries)[:, None]
    hidden = ((ahead < 0) | (ahead > reach)).double()[:, :, None, None].expand(-1, -1, 2, heads)
    theirs = peer.rel_attn_core(*(part.permute(2, 0, 1, 3) for part in (q, k, v)), by_distance, attn_mask=hidden)
    ours = relative_banded_attention(
        q + u[:, None], q + v_bias[:, None], k, v, positions, valid_keys(num_queries, reach, (reach, reach))
    )
    torch.testing.assert_close(ours, theirs.permute(1, 2, 0, 3), rtol=1e-10, atol=1e-10)


def test_rows_move_as_in_the_drawing() -> None:
    out = -math.inf
    moved = [[1.0, 2.0, 3.0, out, out], [out, 4.0, 5.0, 6.0, out], [out, out, 7.0, 8.0, 9.0]]
    assert skew(torch.arange(1.0, 10).view(3, 3)).tolist() == moved


def test_errors_stay_within_twice_those_of_plain_torch() -> None:
    valid, parts = valid_keys(900, 127, (127, 60)), inputs(900, 127)
    exact, single = dense(*parts, valid), [part.float() for part in parts]
    plain, fast = dense(*single, valid), relative_banded_attention(*single, valid)
    assert (fast - exact).abs().max() <= 2 * (plain - exact).abs().max()
