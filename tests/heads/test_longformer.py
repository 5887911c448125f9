from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_blocks import network_reference
from references_tokens import causal_tokens_reference, noncausal_tokens_reference, projected_far, softmax_read
from torch import Tensor, nn
from transformers import LongformerConfig
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

from vidseq.heads import longformer, make_head

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def make(causal: bool = True, **options: object) -> nn.Module:
    torch.manual_seed(0)
    small = {"layers": 3, "window": 4, "num_global": 3, "heads": 2} | options
    return make_head("longformer", 8, small, causal).double().requires_grad_(False)


def frames(batch: int, num_frames: int) -> Tensor:
    return torch.randn(batch, num_frames, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def sees(head: nn.Module, num_frames: int, causal: bool) -> Callable[[int, int], list[int]]:
    """Every `dilation`-th frame on either side, or on one."""
    window = head.config.window

    def near(layer: int, t: int) -> list[int]:
        steps = range(1 - window, 1 if causal else window)
        return [
            t + step * head.dilations[layer] for step in steps if 0 <= t + step * head.dilations[layer] < num_frames
        ]

    return near


@settings(max_examples=12, deadline=None)
@given(num_frames=st.integers(1, 25), window=st.integers(1, 6), dilation=st.integers(1, 2), growth=st.integers(1, 2))
def test_equals_tokens_that_read_from_scratch(num_frames: int, window: int, dilation: int, growth: int) -> None:
    head, x = make(window=window, dilation=dilation, growth=growth), frames(2, num_frames)
    expected = causal_tokens_reference(head, x, window, sees(head, num_frames, causal=True))
    torch.testing.assert_close(head(x), expected, **TIGHT)


@pytest.mark.parametrize("dilation, growth", [(1, 1), (2, 3)])
def test_the_noncausal_form_equals_attention_frame_by_frame(dilation: int, growth: int) -> None:
    head, x = make(causal=False, dilation=dilation, growth=growth), frames(2, 25)
    torch.testing.assert_close(head(x), noncausal_tokens_reference(head, x, sees(head, 25, causal=False)), **TIGHT)


@pytest.mark.parametrize("causal", [True, False])
def test_segments_equal_the_whole(causal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are read segment by segment where no gradients are wanted."""
    monkeypatch.setattr(longformer, "SEGMENT", 5)
    head, x = make(causal, dilation=2), frames(2, 43)
    mask = torch.arange(43) < torch.tensor([[43], [20]])
    whole = head(x, mask)
    with torch.no_grad():
        torch.testing.assert_close(head(x, mask), whole, **TIGHT)


def test_the_noncausal_layer_equals_transformers_with_its_weights() -> None:
    head = make(causal=False, window=5)
    layer, tokens, x = head.layers[0], head.tokens.expand(2, -1, -1), frames(2, 29)
    config = LongformerConfig(hidden_size=8, num_attention_heads=2, attention_window=[8])
    peer = LongformerSelfAttention(config, layer_id=0).double().eval()
    theirs = (peer.query, peer.key, peer.value), (peer.query_global, peer.key_global, peer.value_global)
    for ours, linears in zip((layer.block.qkv, layer.qkv_global), theirs):
        for weight, linear in zip(ours.weight.chunk(3), linears):
            linear.load_state_dict({"weight": weight, "bias": torch.zeros(8)})
    normed = layer.block.attention_norm(torch.cat([tokens, x], dim=1))
    index = torch.arange(32).expand(2, -1)  # four times the window of 8: theirs takes nothing else
    ends = torch.tensor([[32], [27]])
    mask = torch.where(index < 3, 10_000.0, torch.where(index < ends, 0.0, -10_000.0)).double()
    (expected, *_) = peer(
        normed.detach(), mask, is_index_masked=mask < 0, is_index_global_attn=mask > 0, is_global_attn=True
    )
    still = torch.zeros(1, 1, 29, 2, dtype=torch.float64)  # theirs has no rotary positions
    there = index[:, 3:] < ends
    frames_read = torch.cat(list(head.attend_noncausal(layer, tokens, [x], still, there, 1)), dim=2)
    tokens_read = layer.read_frames_noncausal(tokens, [x], there)
    valid = index < ends
    both = torch.cat([tokens_read, frames_read], dim=2).transpose(1, 2).flatten(2)
    torch.testing.assert_close(both[valid], expected[valid], rtol=1e-5, atol=1e-6)  # its softmax is always float32


def test_what_tokens_have_read_is_seen_from_the_next_period_on() -> None:
    """Far outside all windows, and from the second layer up alone."""
    for layers, expected in ((1, False), (2, True)):
        head, x = make(layers=layers), frames(1, 60)
        changed = x.clone()
        changed[:, 5] = frames(1, 61)[:, 60]
        moved = (head(changed) != head(x)).any(-1)[0]
        assert bool(moved[40:].all()) == expected and bool(moved[40:].any()) == expected


def test_the_state_is_constant_unless_questions_are_global() -> None:
    assert make().state_bytes(1, 1000) == make().state_bytes(1, 0)
    head = make(global_questions=True)
    with torch.no_grad():
        _, state = head.step(frames(2, 30), head.init_state(2))
    assert head.state_bytes(2, 30) == sum(part.untyped_storage().nbytes() for part in state)
    assert head.state_bytes(2, 30) - head.state_bytes(2, 0) == 2 * 30 * 2 * 3 * 8 * 8


def global_reference(head: nn.Module, x: Tensor, query: Tensor) -> Tensor:
    """A question that reads all frames and tokens with the global projections, as tokens do."""
    learned = tokens = head.tokens.expand(x.shape[0], -1, -1)
    for depth, layer in enumerate(head.layers):
        so_far = x if depth == 0 else hidden(head, x, depth)
        everything = torch.cat([tokens, so_far], dim=1)
        ask, _, _ = projected_far(layer, learned)
        _, all_k, all_v = projected_far(layer, everything)
        q, own_k, own_v = projected_far(layer, query)
        read = softmax_read(q, torch.cat([all_k, own_k], 2), torch.cat([all_v, own_v], 2))
        query = network_reference(layer.block, query, read)
        tokens = network_reference(layer.block, tokens, softmax_read(ask, all_k, all_v))
    return head.last_norm(query)


def hidden(head: nn.Module, x: Tensor, depth: int) -> Tensor:
    """Frames after the first layers."""
    values: list[Tensor] = []
    hook = head.layers[depth].block.attention_norm.register_forward_pre_hook(
        lambda _, inputs: values.append(inputs[0])
    )
    head(x)
    hook.remove()
    return next(value for value in values if value.shape == x.shape)


def test_global_questions_read_every_frame_and_not_one_another() -> None:
    head, x, queries = make(global_questions=True), frames(2, 30), frames(2, 3).flip(1)
    _, state = head.step(x, head.init_state(2))
    answers = head.ask(queries, state)
    for index in range(3):
        one = queries[:, index : index + 1]
        torch.testing.assert_close(answers[:, index : index + 1], global_reference(head, x, one), **TIGHT)


def test_global_questions_are_the_same_in_any_chunking_and_out_of_step() -> None:
    head, x, queries = make(global_questions=True), frames(2, 30), frames(2, 3).flip(1)
    _, whole = head.step(x[1:, :17], head.init_state(1))
    state = head.init_state(2)
    for counts in ((9, 4), (3, 9), (9, 4)):
        taken = [int(row) for row in state.position]
        part = torch.stack([x[row, taken[row] : taken[row] + 9] for row in range(2)])
        _, state = head.step(part, state, torch.arange(9) < torch.tensor(counts)[:, None])
    assert state.position.tolist() == [21, 17]
    torch.testing.assert_close(head.ask(queries, state)[1:], head.ask(queries[1:], whole), **TIGHT)
