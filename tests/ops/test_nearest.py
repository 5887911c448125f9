import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from references_memorizing import nearest
from torch import Tensor

from vidseq.ops import nearest as kernel
from vidseq.ops.nearest import find_nearest, largest, nearest_attention


def inputs(num_queries: int, num_keys: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = (2, 2, num_queries, 4), (2, 2, num_keys, 4), (2, 2, num_keys, 4)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)  # type: ignore[return-value]


@settings(max_examples=30, deadline=None)
@given(
    num_queries=st.integers(1, 12),
    lag=st.tuples(st.integers(-1, 9), st.integers(0, 9)),
    reach=st.integers(1, 15),
    count=st.integers(1, 6),
    first=st.tuples(st.integers(-2, 8), st.integers(0, 3)),
    block=st.sampled_from([1, 600, 2**21]),
)
def test_equals_the_reference(num_queries, lag, reach, count, first, block) -> None:
    num_keys = num_queries + 4
    q, k, v = inputs(num_queries, num_keys, seed=lag[0] + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "BLOCK_SCORES", block)
        found = find_nearest(q, k, torch.tensor(first), torch.tensor(lag), reach=reach, count=count)
        read = nearest_attention(q, k, v, found)
    for row in range(2):
        seen = [
            [key for key in range(num_keys) if first[row] <= key and lag[row] - reach <= key - t < lag[row]]
            for t in range(num_queries)
        ]
        for head in range(2):
            expected, best = nearest(q[row, head], k[row, head], v[row, head], seen, count)
            torch.testing.assert_close(read[row, head], expected, rtol=1e-10, atol=1e-10)
            assert [[key for key in keys if key >= 0] for keys in found[row, head].tolist()] == best


def test_a_planted_neighbour_is_found_among_many() -> None:
    generator = torch.Generator().manual_seed(0)
    k = F.normalize(torch.randn(1, 1, 5000, 16, generator=generator), dim=-1)
    q = k[:, :, [17, 4000, 2500]] * 3
    found = find_nearest(q, k, torch.tensor([0]), torch.tensor([4990]), reach=4990, count=2)
    assert found[0, 0, :, 0].tolist() == [17, 4000, 2500]


@pytest.mark.parametrize("block", [1, 2**21])
def test_gradients_reach_queries_alone(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "BLOCK_SCORES", block)
    q, k, v = (part.requires_grad_() for part in inputs(5, 9))
    found = find_nearest(q, k, torch.tensor([0, 6]), torch.tensor([4, 4]), reach=6, count=3)
    assert (found == -1).any()

    def read(q: Tensor) -> Tensor:
        return nearest_attention(q, k, v, found)

    assert torch.autograd.gradcheck(read, q)
    read(q).sum().backward()
    assert q.grad.any() and k.grad is None and v.grad is None


def test_memory_does_not_grow_with_queries_times_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest piece of scores is as large as a block, or one query's."""
    sizes = []

    def noted(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
        sizes.append(scores.numel())
        return largest(scores, count)

    monkeypatch.setattr(kernel, "largest", noted)
    q, k, _ = inputs(6000, 9000)
    find_nearest(q, k, torch.tensor([0, 0]), torch.tensor([3000, 2900]), reach=4000, count=2)
    assert max(sizes) <= kernel.BLOCK_SCORES and len(sizes) > 10


@given(size=st.integers(1, 700), count=st.integers(1, 6), seed=st.integers(0, 99), equal=st.booleans())
def test_the_largest_are_those_of_topk(size: int, count: int, seed: int, equal: bool) -> None:
    scores = torch.randn(2, 3, size, generator=torch.Generator().manual_seed(seed))
    if equal:  # and some that may not be seen
        scores = scores.round().masked_fill_(scores < -1, -torch.inf)
    count = min(count, size)
    values, indices = largest(scores, count)
    assert torch.equal(values, scores.topk(count, dim=-1).values)
    assert torch.equal(scores.gather(-1, indices), values)
    assert all(len(set(row)) == count for row in indices.flatten(0, 1).tolist())
