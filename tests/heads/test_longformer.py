import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_blocks import attend, network_reference, split_heads, turned
from torch import Tensor, nn
from transformers import LongformerConfig
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

from vidseq.heads import make_head

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def make(causal: bool = True, **options: object) -> nn.Module:
    torch.manual_seed(0)
    small = {"layers": 3, "window": 4, "num_global": 3, "heads": 2} | options
    return make_head("longformer", 8, small, causal).double().requires_grad_(False)


def frames(batch: int, num_frames: int) -> Tensor:
    return torch.randn(batch, num_frames, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def projected(weights: nn.Linear, layer: nn.Module, x: Tensor) -> list[Tensor]:
    return [split_heads(part, 2) for part in weights(layer.block.attention_norm(x)).chunk(3, dim=-1)]


def softmax_read(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(q, k, v, torch.ones(q.shape[2], k.shape[2], dtype=torch.bool))


def causal_reference(head: nn.Module, x: Tensor) -> Tensor:
    """Frame by frame; at the start of every period the tokens read all frames before it, from scratch."""
    window, batch = head.config.window, x.shape[0]
    learned = head.tokens.expand(batch, -1, -1)
    tokens = dict.fromkeys(range(0, x.shape[1], window), learned)
    for layer, dilation in zip(head.layers, head.dilations):
        q, k, v = projected(layer.block.qkv, layer, x)
        q_turned, k_turned = turned(q), turned(k)
        read = torch.zeros_like(q)
        for t in range(x.shape[1]):
            _, token_k, token_v = projected(layer.block.qkv, layer, tokens[t // window * window])
            near = [t - step * dilation for step in range(window) if t - step * dilation >= 0]
            scores = torch.cat([k_turned[:, :, near] @ q_turned[:, :, t, :, None], token_k @ q[:, :, t, :, None]], 2)
            values = torch.cat([v[:, :, near], token_v], dim=2)
            read[:, :, t] = ((scores / 2).softmax(2) * values).sum(2)
        if layer is not head.layers[-1]:
            ask, _, _ = projected(layer.qkv_global, layer, learned)
            for start, now in tokens.items():
                _, all_k, all_v = projected(layer.qkv_global, layer, torch.cat([now, x[:, :start]], dim=1))
                tokens[start] = network_reference(layer.block, now, softmax_read(ask, all_k, all_v))
        x = network_reference(layer.block, x, read)
    return head.last_norm(x)


@settings(max_examples=12, deadline=None)
@given(num_frames=st.integers(1, 25), window=st.integers(1, 6), dilation=st.integers(1, 2), growth=st.integers(1, 2))
def test_equals_tokens_that_read_from_scratch(num_frames: int, window: int, dilation: int, growth: int) -> None:
    head, x = make(window=window, dilation=dilation, growth=growth), frames(2, num_frames)
    torch.testing.assert_close(head(x), causal_reference(head, x), **TIGHT)


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
    number = torch.arange(32).expand(2, -1)  # four times the window of 8: theirs takes nothing else
    ends = torch.tensor([[32], [27]])
    mask = torch.where(number < 3, 10_000.0, torch.where(number < ends, 0.0, -10_000.0)).double()
    (expected, *_) = peer(
        normed.detach(), mask, is_index_masked=mask < 0, is_index_global_attn=mask > 0, is_global_attn=True
    )
    still = torch.zeros(1, 1, 29, 2, dtype=torch.float64)  # theirs has no rotary positions
    ours = head.attend_noncausal(layer, tokens, x, still, number[:, 3:] < ends, 1)
    frames_read, tokens_read = (part.transpose(1, 2).flatten(2) for part in ours)
    valid = number < ends
    both = torch.cat([tokens_read, frames_read], dim=1)
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
        ask, _, _ = projected(layer.qkv_global, layer, learned)
        _, all_k, all_v = projected(layer.qkv_global, layer, everything)
        q, own_k, own_v = projected(layer.qkv_global, layer, query)
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
