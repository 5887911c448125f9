"""Blocks against one query after another, over a list of the rows it may see."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidseq.ops.block_causal import (
    BlockSummaries,
    append_to_block,
    block_causal_attention,
    keep_open_block,
    slice_frames,
)

BLOCK = 4


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_query(q: Tensor, k: Tensor, v: Tensor, count: Tensor, pasts: list[BlockSummaries]) -> Tensor:
    y = torch.zeros_like(q)
    for row, start in enumerate(count.tolist()):
        for t in range(q.shape[2]):
            here = start + t
            block = here // BLOCK
            own = range(block * BLOCK, here + 1)
            keys, values = [k[row, :, j] for j in own], [v[row, :, j] for j in own]
            for past in pasts:
                for j in range(block * past.step, block * past.step + past.size):
                    if past.valid[row, j]:
                        keys.append(past.keys[row, :, j])
                        values.append(past.values[row, :, j])
            scores = torch.einsum("hd,nhd->hn", q[row, :, t], torch.stack(keys)) / math.sqrt(q.shape[-1])
            y[row, :, t] = torch.einsum("hn,nhd->hd", scores.softmax(-1), torch.stack(values))
    return y


@settings(max_examples=25, deadline=None)
@given(
    num_frames=st.integers(1, 30),
    counts=st.tuples(st.integers(0, BLOCK - 1), st.integers(0, BLOCK - 1)),
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=2),
    known=st.booleans(),
)
def test_equals_attention_query_by_query(
    num_frames: int, counts: tuple[int, int], sizes: list[tuple[int, int]], known: bool
) -> None:
    count = torch.tensor(counts)
    q = random(2, 2, num_frames, 4, seed=1)
    kept = random(2, 2, 2, BLOCK - 1, 4, seed=2)
    k, v = (append_to_block(old, random(2, 2, num_frames, 4, seed=3 + i), count, dim=2) for i, old in enumerate(kept))
    pasts = []
    for size, step in sizes:
        rows = size + step * (k.shape[2] // BLOCK)
        valid = (torch.rand(2, rows, generator=torch.Generator().manual_seed(5)) < 0.6) | known
        pasts.append(BlockSummaries(random(2, 2, rows, 4, seed=6), random(2, 2, rows, 4, seed=7), valid, size, step))
    y = block_causal_attention(q, k, v, count, BLOCK, pasts)
    torch.testing.assert_close(y, by_query(q, k, v, count, pasts), rtol=1e-10, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=3), num_frames=st.integers(1, 12), data=st.data())
def test_new_frames_follow_kept_ones_and_the_rest_of_a_block_is_kept(
    counts: list[int], num_frames: int, data: st.DataObject
) -> None:
    kept, new = random(len(counts), 3, 2), random(len(counts), num_frames, 2, seed=1)
    added = [data.draw(st.integers(0, num_frames)) for _ in counts]
    both = append_to_block(kept, new, torch.tensor(counts), dim=1)
    total = torch.tensor(counts) + torch.tensor(added)
    rest = keep_open_block(both, total, BLOCK, dim=1)
    for row, (count, more) in enumerate(zip(counts, added)):
        stream = torch.cat([kept[row, :count], new[row, :more]])
        assert torch.equal(both[row, : count + more], stream)
        left = stream[len(stream) // BLOCK * BLOCK :]
        assert torch.equal(rest[row, : len(left)], left) and not rest[row, len(left) :].any()


def test_each_row_is_cut_at_its_own_start() -> None:
    x = random(2, 5, 3)
    for start in ([1, 3], [2, 2]):
        y = slice_frames(x, torch.tensor(start), 2, dim=1)
        assert all(torch.equal(y[row], x[row, begin : begin + 2]) for row, begin in enumerate(start))
        assert y.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
