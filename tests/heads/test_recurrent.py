"""rnn and lstm against their equations, a frame at a time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from references import lstm_layer, reversed_frames, rnn_layer
from torch import Tensor, nn

from vidseq.heads import make_head
from vidseq.heads.layers.blocks import run_recurrent


def reference(head: nn.Module, x: Tensor, both_ways: bool = False) -> Tensor:
    """The residual stack around a layer's equations."""

    def layer_of(layer: nn.Module) -> tuple[object, ...]:
        return (rnn_layer, layer.kernel, layer.show) if head.name == "rnn" else (lstm_layer, layer.kernel)

    for index, (norm, layer) in enumerate(zip(head.stack.norms, head.stack.layers)):
        equations, *weights = layer_of(layer)
        y = equations(*weights, norm(x))
        if both_ways:
            y = y + reversed_frames(*layer_of(head.stack.backward_layers[index]), norm(x))
        x = x + y
    return head.stack.last_norm(x)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=5), width=st.integers(1, 7), seed=st.integers(0, 99))
def test_rows_of_any_lengths_run_as_if_alone(
    kind: type[nn.RNNBase], lengths: list[int], width: int, seed: int
) -> None:
    torch.manual_seed(seed)
    num_frames = max([width, *lengths])
    kernel = kind(3, 4, batch_first=True).double()
    x = torch.randn(len(lengths), num_frames, 3, dtype=torch.float64, requires_grad=True)
    parts = 2 if kind is nn.LSTM else 1
    state = tuple(torch.randn(len(lengths), 4, dtype=torch.float64) for _ in range(parts))
    mask = torch.arange(num_frames) < torch.tensor(lengths)[:, None]
    y, after = run_recurrent(kernel, x, state, mask)
    assert y.shape == (len(lengths), num_frames, 4)
    alone = [
        run_recurrent(kernel, x[i : i + 1, :n], tuple(part[i : i + 1] for part in state), mask[i : i + 1, :n])
        for i, n in enumerate(lengths)
        if n
    ]
    rows = [i for i, n in enumerate(lengths) if n]
    for i, (own_y, own_after) in zip(rows, alone):
        torch.testing.assert_close(y[i, : lengths[i]], own_y[0])
        for part, own in zip(after, own_after):
            torch.testing.assert_close(part[i], own[0])
    for part, old in zip(after, state):
        torch.testing.assert_close(part[~mask.any(dim=1)], old[~mask.any(dim=1)])
    if rows:
        (gradient,) = torch.autograd.grad(y[mask].square().sum(), x, retain_graph=True)
        (expected,) = torch.autograd.grad(sum(own.square().sum() for own, _ in alone), x)
        torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("name", ["rnn", "lstm"])
@pytest.mark.parametrize("causal", [True, False])
def test_equals_the_equations(name: str, causal: bool) -> None:
    torch.manual_seed(0)
    head, x = make_head(name, 6, {"layers": 3}, causal).double(), torch.randn(2, 9, 6, dtype=torch.float64)
    expected = reference(head, x, both_ways=not causal)
    torch.testing.assert_close(head(x), expected, rtol=1e-10, atol=1e-10)


def test_the_forget_gate_starts_at_its_bias() -> None:
    _, _, bias_x, bias_h = make_head("lstm", 4, {"forget_bias": 3.0}).stack.layers[0].kernel.all_weights[0]
    assert bool(((bias_x + bias_h)[4:8] == 3).all())


def test_a_cell_with_an_open_forget_gate_and_a_closed_input_gate_keeps_for_10000_frames() -> None:
    torch.manual_seed(0)
    head = make_head("lstm", 4).double()
    weights = head.stack.layers[0].kernel.all_weights[0]
    with torch.no_grad():
        for weight in weights:
            weight[:8] = 0  # gates i and f, from their biases alone
        weights[2][:8] = torch.tensor([-40.0] * 4 + [40.0] * 4)
        state = head.init_state(1)._replace(cell=torch.randn(1, 1, 4, dtype=torch.float64))
        _, after = head.step(torch.randn(1, 10_000, 4, dtype=torch.float64), state)
    torch.testing.assert_close(after.cell, state.cell, rtol=1e-9, atol=1e-9)


def test_the_rnn_starts_with_a_recurrence_that_neither_shrinks_nor_grows() -> None:
    recurrence = make_head("rnn", 6).stack.layers[0].kernel.all_weights[0][1]
    torch.testing.assert_close(recurrence @ recurrence.T, torch.eye(6))
