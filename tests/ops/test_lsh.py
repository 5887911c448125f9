import itertools

import pytest
import torch
import torch.nn.functional as F
from heads.references_reformer import hashed, lsh_by_frame
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import ReformerConfig
from transformers.models.reformer.modeling_reformer import LSHSelfAttention

from vidseq.ops import lsh, lsh_blocks
from vidseq.ops.lsh import Table, causal_lsh_attention, hash_buckets, lsh_attention


def inputs(num_frames: int, rounds: int, buckets: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q, v = torch.randn(2, 2, 2, num_frames, 4, generator=generator, dtype=torch.float64)
    ids = torch.randint(buckets, (2, 2, rounds, num_frames), generator=generator)
    return [q, F.normalize(q, dim=-1), v, ids]


def empty(rounds: int, buckets: int, window: int) -> Table:
    keys = torch.zeros(2, 2, rounds, buckets, window, 4, dtype=torch.float64)
    return Table(keys, keys, torch.zeros(2, 2, rounds, buckets, dtype=torch.int64))


def mask_of(num_frames: int, *lengths: int) -> Tensor:
    return torch.arange(num_frames) < torch.tensor(lengths)[:, None]


@settings(max_examples=25, deadline=None)
@given(
    num_frames=st.integers(1, 30),
    short=st.integers(0, 30),
    rounds=st.integers(1, 3),
    buckets=st.integers(1, 5),
    window=st.integers(1, 6),
    sizes=st.lists(st.integers(1, 7), max_size=30),
)
def test_equals_a_search_frame_by_frame(
    num_frames: int, short: int, rounds: int, buckets: int, window: int, sizes: list[int]
) -> None:
    lengths = [num_frames, min(short, num_frames)]
    parts, mask = inputs(num_frames, rounds, buckets), mask_of(num_frames, *lengths)
    whole = lsh_attention(*parts, buckets, mask, window).masked_fill(~mask[:, None, :, None], 0)
    torch.testing.assert_close(whole, lsh_by_frame(*parts, lengths, window, causal=False), rtol=1e-10, atol=1e-10)

    table, reads, start = empty(rounds, buckets, window), [], 0
    for size in [*sizes, num_frames]:
        pieces = [part.narrow(-1 if part is parts[3] else 2, start, min(size, num_frames - start)) for part in parts]
        start += pieces[0].shape[2]
        if pieces[0].shape[2]:
            read, table = causal_lsh_attention(*pieces, mask[:, start - pieces[0].shape[2] : start], table)
            reads.append(read)
    y = torch.cat(reads, dim=2).masked_fill(~mask[:, None, :, None], 0)
    torch.testing.assert_close(y, lsh_by_frame(*parts, lengths, window, causal=True), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("longest", [1, 700, 10_000])
def test_long_videos_in_blocks_equal_the_search_however_many_lie_end_to_end(
    longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsh_blocks, "ROW", longest)  # for rows of 300: each alone, in pairs, all four
    parts, mask = inputs(300, 2, 4), mask_of(300, 300, 250)
    whole = lsh_attention(*parts, 4, mask, 9).masked_fill(~mask[:, None, :, None], 0)
    causal = causal_lsh_attention(*parts, mask, empty(2, 4, 9))[0].masked_fill(~mask[:, None, :, None], 0)
    torch.testing.assert_close(whole, lsh_by_frame(*parts, [300, 250], 9, causal=False), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(causal, lsh_by_frame(*parts, [300, 250], 9, causal=True), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("causal", [True, False])
def test_equals_transformers_reformer_with_copied_weights_and_given_buckets(causal: bool) -> None:
    """Whose chunks are cut anywhere and seen across buckets; with buckets as large as chunks both see the same."""
    size, num_buckets, rounds = 8, 4, 3
    config = ReformerConfig(
        hidden_size=8,
        num_attention_heads=2,
        attention_head_size=4,
        num_hashes=rounds,
        num_buckets=num_buckets,
        lsh_attn_chunk_length=size,
        lsh_num_chunks_before=0,
        is_decoder=causal,
        lsh_attention_probs_dropout_prob=0.0,
    )
    torch.manual_seed(0)
    peer, x = LSHSelfAttention(config).double().eval(), torch.randn(2, 32, 8, dtype=torch.float64)
    ids = torch.stack([torch.randperm(32) // size for _ in range(2 * 2 * rounds)]).view(2, 2, rounds, 32)
    in_rounds = ids + num_buckets * torch.arange(rounds)[:, None]  # each round has its own bucket ids
    theirs = peer(x, buckets=in_rounds).hidden_states
    q, v = (layer(x).unflatten(-1, (2, 4)).transpose(1, 2) for layer in (peer.query_key, peer.value))
    parts, mask = [q, F.normalize(q, dim=-1), v, ids], mask_of(32, 32, 32)
    if causal:
        ours, _ = causal_lsh_attention(*parts, mask, empty(rounds, num_buckets, size))
    else:
        ours = lsh_attention(*parts, num_buckets, mask, size)
    torch.testing.assert_close(ours.transpose(1, 2).flatten(2), theirs, rtol=1e-5, atol=1e-5)  # it adds 1e-6 to norms


@pytest.mark.parametrize("size", [4, 2048])
def test_buckets_are_those_of_the_paper(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsh, "SEGMENT", size)
    x, rotations = torch.randn(1, 2, 9, 4), torch.randn(2, 3, 4, 5)
    found = hash_buckets(x, rotations)
    for head in range(2):
        for t in range(9):
            assert found[0, head, :, t].tolist() == hashed(x[0, head, t], rotations[head])


def test_more_rounds_find_more_of_the_true_nearest_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    x = F.normalize(torch.randn(1, 1, 400, 16, generator=generator), dim=-1)
    nearest = (x[0, 0] @ x[0, 0].T).fill_diagonal_(-1).argmax(dim=1)
    ids = hash_buckets(x, torch.randn(1, 16, 16, 8, generator=generator))[0, 0]
    met = ids == ids[:, nearest]  # (rounds, frames)
    recall = [met[:rounds].any(dim=0).float().mean().item() for rounds in (1, 2, 4, 8, 16)]
    assert all(more > less + 0.03 for less, more in itertools.pairwise(recall)) and recall[-1] > 0.95
    anyone = (ids[:, :, None] == ids[:, None]).float().mean().item()
    assert recall[0] > 3 * anyone  # a chance meeting is much rarer


def test_a_frame_of_a_rare_kind_is_found_again_after_any_time() -> None:
    q, k, v, ids = inputs(500, 1, 3)
    ids[..., 1:] = 1 + ids[..., 1:] % 2
    ids[..., 0] = ids[..., -1] = 0
    y, _ = causal_lsh_attention(q, k, v, ids, mask_of(500, 500, 500), empty(1, 3, 4))
    torch.testing.assert_close(y[:, :, -1], v[:, :, 0])


def test_gradients_are_those_of_one_softmax() -> None:
    q, k, v, ids = inputs(60, 2, 3)
    mask, results = mask_of(60, 60, 60), []
    for attend in (
        lambda *parts: causal_lsh_attention(*parts, ids, mask, empty(2, 3, 5))[0],
        lambda *parts: lsh_by_frame(*parts, ids, [60, 60], 5, causal=True),
    ):
        parts = [part.clone().requires_grad_() for part in (q, k, v)]
        results.append(torch.autograd.grad((attend(*parts) ** 2).sum(), parts))
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("device", ["cpu", "another"])
def test_gradients_reach_what_the_table_holds(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chunks, the second shorter than what is stored, and what a third would see."""
    monkeypatch.setattr("vidseq.ops.lsh.FAST_DEVICE", device)
    q, k, v, ids = inputs(60, 2, 3)
    q, k, v = parts = [part.requires_grad_() for part in (q, k, v)]
    table, reads, results = empty(2, 3, 5), [], []
    for chunk in (slice(0, 40), slice(40, 50), slice(50, 60)):
        one = [part[:, :, chunk] for part in parts]
        read, table = causal_lsh_attention(*one, ids[..., chunk], mask_of(one[0].shape[2], 60, 60), table)
        reads.append(read)
    for y in (torch.cat(reads, dim=2), lsh_by_frame(*parts, ids, [60, 60], 5, causal=True)):
        results.append(torch.autograd.grad((y**2).sum(), parts))
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


def test_the_form_for_other_devices_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    *parts, ids = inputs(200, 3, 4)
    parts, mask = [part.requires_grad_() for part in parts], mask_of(200, 200, 150)
    results = []
    for device in ("cpu", "another"):
        monkeypatch.setattr("vidseq.ops.lsh.FAST_DEVICE", device)
        y = lsh_attention(*parts, ids, 4, mask, 9).masked_fill(~mask[:, None, :, None], 0)
        results.append([y, *torch.autograd.grad((y**2).sum(), parts)])
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-9, atol=1e-9)
