from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_tokens import causal_tokens_reference, noncausal_tokens_reference
from torch import Tensor, nn
from transformers import BigBirdConfig, BigBirdModel
from transformers.models.big_bird.modeling_big_bird import BigBirdBlockSparseAttention

from vidseq.heads import make_head
from vidseq.ops.periods import Periods
from vidseq.ops.random_blocks import draw_blocks, reservoir_slots

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def make(causal: bool = True, **options: object) -> nn.Module:
    torch.manual_seed(0)
    small = {"layers": 3, "block": 3, "random": 2, "capacity": 3, "num_global": 3, "heads": 2} | options
    return make_head("big_bird", 8, small, causal).double().requires_grad_(False)


def frames(batch: int, num_frames: int) -> Tensor:
    return torch.randn(batch, num_frames, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def causal_blocks(head: nn.Module, layer: int, block: int) -> list[int]:
    """The blocks that a block sees: the reservoir is filled one by one, then drawn from."""
    config = head.config
    held: list[int] = []
    for past in range(block - config.window + 1):
        slot = int(reservoir_slots(layer, torch.tensor(past), config.capacity))
        if past < config.capacity:
            held.append(past)
        elif slot < config.capacity:
            held[slot] = past
    slots, found = draw_blocks(layer, torch.tensor(block), torch.tensor(len(held)), config.random)
    return [held[slot] for slot in slots[found].tolist()] + list(range(max(0, block - config.window + 1), block + 1))


def noncausal_blocks(head: nn.Module, layer: int, block: int, count: int) -> list[int]:
    """Not causal: the future is visible."""
    side = head.config.window - 1
    near = [other for other in range(count) if abs(other - block) <= side]
    others = [other for other in range(count) if other not in near]
    slots, found = draw_blocks(layer, torch.tensor(block), torch.tensor(len(others)), head.config.random)
    return [others[slot] for slot in slots[found].tolist()] + near


def sees(head: nn.Module, num_frames: int, causal: bool) -> Callable[[int, int], list[int]]:
    size = head.config.block

    def near(layer: int, t: int) -> list[int]:
        if causal:
            blocks = causal_blocks(head, layer, t // size)
        else:
            blocks = noncausal_blocks(head, layer, t // size, -(-num_frames // size))
        last = t if causal else num_frames - 1
        return [frame for block in blocks for frame in range(block * size, block * size + size) if frame <= last]

    return near


@settings(max_examples=12, deadline=None)
@given(
    num_frames=st.integers(1, 40), block=st.integers(1, 4), window=st.integers(1, 3), random=st.integers(1, 3),
    capacity=st.integers(1, 4), causal=st.booleans(),
)  # fmt: skip
def test_equals_attention_frame_by_frame(
    num_frames: int, block: int, window: int, random: int, capacity: int, causal: bool
) -> None:
    head = make(causal, block=block, window=window, random=random, capacity=capacity)
    x, rule = frames(2, num_frames), sees(head, num_frames, causal)
    if causal:
        expected = causal_tokens_reference(head, x, window * block, rule)
    else:
        expected = noncausal_tokens_reference(head, x, rule)
    torch.testing.assert_close(head(x), expected, **TIGHT)


def graph(head: nn.Module, layer: int, causal: bool, count: int) -> Tensor:
    """Bool (count, count): which of so many blocks of one frame sees which."""
    mask = torch.ones(1, count, dtype=torch.bool)
    if causal:
        start = torch.zeros(1, dtype=torch.int64)
        pattern, _ = head.causal_pattern(layer, start, Periods(start, mask, 1))
        before = head.config.capacity + head.config.window - 1  # slots of the reservoir and blocks of the window
    else:
        pattern, before = head.noncausal_pattern(layer, mask), 0
    seen = torch.zeros(count, count, dtype=torch.bool)
    for block, (row, valid) in enumerate(zip(pattern.table[0], pattern.valid[0])):
        seen[block, row[valid] - before] = True
    return seen


@pytest.mark.parametrize("causal", [True, False])
def test_two_layers_reach_everything_and_one_does_not(causal: bool) -> None:
    """By gradient; the proof: a token reads every frame in one layer, every frame sees the token in the next."""
    for layers, expected in ((1, False), (2, True)):
        head, x = make(causal, layers=layers, block=2, random=1), frames(1, 30).requires_grad_()
        reached = []
        for t in range(30):
            (gradient,) = torch.autograd.grad(head(x)[0, t, 0], x)
            seen = gradient[0].abs().sum(-1) > 0
            reached.append(seen if not causal else torch.cat([seen[: t + 1], ~seen[t + 1 :]]))
        assert bool(torch.stack(reached).all()) == expected


@pytest.mark.parametrize("causal, share", [(True, 0.7), (False, 0.95)])
def test_random_blocks_bring_far_blocks_near_without_tokens(causal: bool, share: float) -> None:
    """Of a thousand blocks, six layers of window and random blocks reach most pairs; the window alone few."""
    head = make(causal, block=1, capacity=200, random=3, window=2)
    there = torch.ones(1000, 1000, dtype=torch.bool).tril(0 if causal else 1000)
    window = (there & torch.ones(1000, 1000, dtype=torch.bool).tril(1).triu(-1)).float()
    reached = alone = torch.eye(1000)
    for layer in range(6):
        seen = graph(head, layer, causal, 1000)
        assert not (seen & ~there).any() and bool(seen[window > 0].all())
        assert int(seen[500].sum()) == 3 + (2 if causal else 3)
        reached, alone = (seen.float() @ reached > 0).float(), (window @ alone > 0).float()
    assert reached[there].mean() > share and alone[there].mean() < 0.02


def test_a_far_frame_is_read_directly_and_the_reservoir_samples_all_of_the_past() -> None:
    """One layer, no way around: which frames reach the last, over many lengths."""
    head = make(layers=1, block=2, capacity=8, random=2)
    x, seen = frames(1, 80), set()
    y = head(x)
    for block in range(30):
        changed = x.clone()
        changed[:, 2 * block] = frames(1, 81)[:, 80]
        seen |= {block} if bool((head(changed) != y).any(-1)[0, 2 * block + 8 :].any()) else set()
    assert len(seen) > 10


def test_the_state_does_not_grow_and_is_what_the_options_say() -> None:
    head = make(layers=2, block=4, window=2, capacity=5)
    assert head.state_bytes(1, 10_000) == head.state_bytes(1, 0)
    tokens = 2 * 2 * 3 * 8 + 3 * 8 + 2 * 3  # keys and values of two layers; read and logsumexp of one
    assert head.state_bytes(1) == 8 * (2 * 2 * ((5 + 2) * 4 - 1) * 8 + tokens) + 8


def test_the_noncausal_layer_equals_transformers_with_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs has two global blocks at the ends: tokens here. Its random blocks differ between heads: so one head."""
    block, count = 4, 11
    head = make(causal=False, block=block, heads=1, num_global=2 * block)
    layer, x, tokens = head.layers[0], frames(2, block * count), head.tokens.expand(2, -1, -1)
    config = BigBirdConfig(
        hidden_size=8, num_attention_heads=1, block_size=block, num_random_blocks=2, use_bias=False,
        max_position_embeddings=64,
    )  # fmt: skip
    peer = BigBirdBlockSparseAttention(config, seed=0).double().eval()
    for weight, linear in zip(layer.block.qkv.weight.chunk(3), (peer.query, peer.key, peer.value)):
        linear.load_state_dict({"weight": weight})

    lengths = torch.tensor([[block * count], [block * count - 6]])
    mask = torch.arange(block * count) < lengths
    pattern = head.noncausal_pattern(0, torch.ones_like(mask))  # its random blocks do not know of padding
    random = pattern.table[0, :, :2]
    there = pattern.valid[0].unflatten(1, (-1, block)).all(-1)[:, :2]
    assert bool(there.all())
    monkeypatch.setattr(peer, "_bigbird_block_rand_mask_with_head", lambda **_: [(random + 1).numpy()])
    start, end = tokens.split(block, dim=1)
    whole = layer.block.attention_norm(torch.cat([start, x, end], dim=1))
    valid = torch.nn.functional.pad(mask, (block, block), value=True)
    blocked, band, from_mask, to_mask = BigBirdModel.create_masks_for_block_sparse_attn(valid.double(), block)
    expected, _ = peer(whole, band, from_mask, to_mask, blocked, blocked)

    q, k, v = layer.project_frames(x)
    still = torch.zeros(1, 1, block * count, 4, dtype=torch.float64)  # theirs has no rotary positions
    in_blocks = mask.unflatten(1, (-1, block))
    seen = in_blocks[torch.arange(2)[:, None, None], pattern.table].flatten(2) & pattern.valid
    (frames_read,) = head.attend_noncausal(layer, tokens, [(q, k, v)], still, pattern._replace(valid=seen))
    tokens_read = layer.attend_noncausal(tokens, [k], [v], mask)
    ours = torch.cat([tokens_read[:, :, :block], frames_read, tokens_read[:, :, block:]], dim=2)[:, 0]
    torch.testing.assert_close(ours[valid], expected.reshape_as(ours)[valid], rtol=1e-6, atol=1e-7)
