import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_memorizing import memorizing

from vidseq.errors import UserError
from vidseq.heads import TemporalHead, make_head


def make(dim: int = 8, **options: object) -> TemporalHead:
    torch.manual_seed(0)
    return make_head("memorizing", dim, {"heads": 2, "window": 4, "memory": 9, "neighbours": 3} | options).double()


@settings(max_examples=15, deadline=None)
@given(
    window=st.integers(1, 8),
    memory=st.integers(1, 20),
    neighbours=st.integers(1, 5),
    layer=st.integers(1, 2),
    num_frames=st.integers(1, 24),
)
def test_equals_the_equations_frame_by_frame(window, memory, neighbours, layer, num_frames) -> None:
    head = make(window=window, memory=memory, neighbours=neighbours, memory_layer=layer)
    head.gate_bias.data.normal_()
    x = torch.randn(2, num_frames, 8, dtype=torch.float64)
    torch.testing.assert_close(head(x), memorizing(head, x), rtol=1e-10, atol=1e-10)


def test_gradients_equal_those_of_the_equations() -> None:
    head, x = make(), torch.randn(1, 20, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(1, 20, 8, dtype=torch.float64)
    parameters = [x, *head.parameters()]
    found, expected = (torch.autograd.grad((run * weight).sum(), parameters) for run in (head(x), memorizing(head, x)))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def knows_names(memory: int) -> TemporalHead:
    """A head of one layer made by hand: keys and queries are a frame's first half, values its second; only lookup."""
    head = make(16, layers=1, memory_layer=1, heads=1, window=8, memory=memory, neighbours=1)
    block = head.blocks[0]
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    for norm in (block.attention_norm, head.last_norm):
        norm.weight.data.fill_(1.0)
    eye = torch.eye(16, dtype=torch.float64)
    subject, name = eye * (torch.arange(16) < 8), eye * (torch.arange(16) >= 8)
    block.qkv.weight.data.copy_(torch.cat([subject, subject, name]))
    block.attention_out.weight.data.copy_(eye)
    head.gate_bias.data.fill_(30.0)
    return head


@pytest.mark.parametrize("age", [9, 100, 3000])
def test_a_name_shown_once_is_found_long_after_it_left_the_window(age: int) -> None:
    generator = torch.Generator().manual_seed(age)
    x = torch.randn(1, age + 2, 16, generator=generator, dtype=torch.float64)
    subject = torch.tensor([3.0, -3.0] * 4, dtype=torch.float64)
    x[0, 1] = torch.cat([subject, torch.tensor([4.0, 0, 0, 0, 0, 0, 0, -4.0], dtype=torch.float64)])
    x[0, -1] = torch.cat([subject, torch.zeros(8, dtype=torch.float64)])
    for memory, knows in ((5000, True), (age - 8, False)):
        if memory > 0:
            answer = knows_names(memory)(x)[0, -1, 8:]
            assert ((int(answer.argmax()), int(answer.argmin())) == (0, 7)) == knows


def test_the_store_is_what_a_stream_keeps() -> None:
    """It grows to its cap and no further; rows that are out of step keep their own frames."""
    head = make(memory=6).requires_grad_(False)
    state = head.init_state(2)
    for lengths, size in (((3, 1), 0), ((4, 0), 4), ((1, 1), 5), ((4, 4), 6), ((0, 4), 6)):
        mask = torch.arange(4) < torch.tensor(lengths)[:, None]
        _, state = head.step(torch.randn(2, 4, 8, dtype=torch.float64), state, mask)
        assert state.stored_keys.shape[2] == size
    assert [head.state_bytes(1, frames) for frames in (12, 10**6)] == [head.state_bytes(1, 9)] * 2


def test_training_keeps_nothing_for_the_store() -> None:
    head = make()
    _, state = head.step(torch.randn(1, 20, 8, dtype=torch.float64), head.init_state(1))
    assert state.stored_keys.shape[2] == 9 and state.keys.requires_grad and state.values.requires_grad
    assert not state.stored_keys.requires_grad and not state.stored_values.requires_grad


@pytest.mark.parametrize(
    ("dim", "options", "message"),
    [
        (6, {}, r"expects dim in multiples of 4 \(an even width per head\), got 6\. Change dim or heads\."),
        (8, {"memory_layer": 3}, r"expects memory_layer of at most its 2 layers, got 3\. Change memory_layer or lay"),
    ],
)
def test_options_that_do_not_fit(dim: int, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(dim, **options)
