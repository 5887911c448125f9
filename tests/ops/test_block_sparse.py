import pytest
import torch
from torch import Tensor

from vidseq.ops import block_sparse
from vidseq.ops.block_sparse import Pattern, block_sparse_attention
from vidseq.ops.merge import PartialAttention, partial_attention

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def inputs(frames: int, dtype: torch.dtype = torch.float64) -> tuple[list[Tensor], Pattern]:
    """Five blocks of queries, seven of keys of 3 frames, four of them seen, some twice."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 2, 5, frames, 4), (2, 2, 21, 4), (2, 2, 21, 4), (2, 2, 1, 3, 4), (2, 2, 1, 3, 4)]
    leaves = [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes
    ]
    table = torch.randint(7, (2, 5, 4), generator=generator)
    valid = torch.rand(2, 5, 12, generator=generator) < 0.7
    valid[0, 0], valid[:, 2:] = False, True
    return leaves, Pattern(table, valid, torch.rand(2, frames, 12, generator=generator) < 0.7)


def fast(leaves: list[Tensor], pattern: Pattern) -> Tensor:
    q, k, v, token_k, token_v = leaves
    return block_sparse_attention(q, k, v, pattern, 3, partial_attention(q, token_k, token_v))


def slow(leaves: list[Tensor], pattern: Pattern) -> Tensor:
    """Query by query, over a list of the keys it sees; keys that it sees twice count twice."""
    q, k, v, token_k, token_v = leaves
    y = torch.zeros_like(q)
    for row, block, frame in torch.cartesian_prod(*(torch.arange(size) for size in (2, 5, q.shape[3]))).tolist():
        keys = [
            3 * int(pattern.table[row, block, at // 3]) + at % 3
            for at in range(12)
            if pattern.valid[row, block, at] and pattern.order[row % len(pattern.order), frame, at]
        ]
        some_k, some_v = (
            torch.cat([one[row, :, keys], other[row, :, 0]], dim=1) for one, other in ((k, token_k), (v, token_v))
        )
        weights = (some_k @ q[row, :, block, frame, :, None] / 2).softmax(1)
        y[row, :, block, frame] = (weights * some_v).sum(1)
    return y


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("workspace", [1, 200, 2**18])
@pytest.mark.parametrize("frames", [1, 3])
def test_equals_attention_query_by_query_with_gradients(
    frames: int, workspace: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_sparse, "WORKSPACE", workspace)
    leaves, pattern = inputs(frames, dtype)
    for order in (pattern.order, pattern.order[:1]):
        results = []
        for attention in (fast, slow):
            y = attention(leaves, pattern._replace(order=order))
            results.append([y, *torch.autograd.grad((y**2).sum(), leaves)])
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_queries_in_columns() -> None:
    """A layout that torch's kernel does not check by itself."""
    leaves, pattern = inputs(3)
    columns = [leaf.transpose(-1, -2).contiguous().transpose(-1, -2) for leaf in leaves]
    torch.testing.assert_close(fast(columns, pattern), fast(leaves, pattern))


def test_gathering_everything_gives_the_same() -> None:
    """The way that other devices take."""
    leaves, pattern = inputs(3)
    q, k, v, token_k, token_v = leaves
    meta = [part.detach().to("meta") for part in (q, k, v)]
    other = PartialAttention(*(part.detach().to("meta") for part in partial_attention(q, token_k, token_v)))
    on_meta = Pattern(*(part.to("meta") for part in pattern))
    assert block_sparse_attention(*meta, on_meta, 3, other).shape == q.shape
    plain = block_sparse.gathered_attention(
        q, *(part.unflatten(2, (-1, 3)) for part in (k, v)), pattern, partial_attention(q, token_k, token_v)
    )
    torch.testing.assert_close(plain, fast(leaves, pattern), rtol=1e-10, atol=1e-10)
