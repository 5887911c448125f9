import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from references import band_attention

from vidseq.ops.dense import attend_independent_queries, causal_attention


def inputs(num_queries: int, past: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(num_queries + past)
    shapes = [(2, 2, num_queries, 4), *[(2, 2, num_queries + past, 4)] * 2]
    valid = torch.arange(num_queries + past) >= torch.tensor([[0], [past // 2]])
    return *(torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes), valid


@settings(max_examples=20, deadline=None)
@given(num_queries=st.integers(1, 20), past=st.integers(0, 20), whole=st.booleans())
def test_short_chunks_equal_the_reference(num_queries: int, past: int, whole: bool) -> None:
    q, k, v, valid = inputs(num_queries, past)
    valid, far = valid | whole, past + num_queries
    k_far, v_far = (F.pad(part, (0, 0, num_queries, 0)) for part in (k, v))
    expected = band_attention(q, k_far, v_far, F.pad(valid, (num_queries, 0)), far, 0)
    torch.testing.assert_close(causal_attention(q, k, v, valid), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("past", [0, 300])
@pytest.mark.parametrize("whole", [True, False])
def test_blocks_equal_one_dense_block_in_outputs_and_gradients(past: int, whole: bool) -> None:
    q, k, v, valid = inputs(1100, past)
    valid = valid | whole
    seen = torch.ones(1100, past + 1100, dtype=torch.bool).tril(past) & valid[:, None, None]
    weights = (q @ k.transpose(2, 3) / 2).masked_fill(~seen, -torch.inf).softmax(-1)
    results = []
    for y in (causal_attention(q, k, v, valid), weights @ v):
        results.append([y, *torch.autograd.grad((y**2).sum(), [q, k, v])])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("past", [0, 1, 9])
def test_queries_read_the_past_and_themselves(past: int) -> None:
    q, k, v, valid = inputs(5, past)
    past_k, past_v, valid = k[:, :, :past], v[:, :, :past], valid[:, :past]
    parts = [
        *zip(past_k.split([past // 3, past - past // 3], dim=2), past_v.split([past // 3, past - past // 3], dim=2))
    ]
    read = attend_independent_queries(q, k[:, :, past:], v[:, :, past:], parts, valid)
    for query in range(5):
        one = slice(query, query + 1)
        own_k, own_v = (torch.cat([old, part[:, :, past:][:, :, one]], 2) for old, part in ((past_k, k), (past_v, v)))
        seen = F.pad(valid, (0, 1), value=True)
        torch.testing.assert_close(read[:, :, one], causal_attention(q[:, :, one], own_k, own_v, seen))
