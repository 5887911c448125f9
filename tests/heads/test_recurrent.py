"""rnn and lstm against their equations, a frame at a time."""

import pytest
import torch
from references import lstm_layer, reversed_frames, rnn_layer
from torch import Tensor, nn

from vidseq.heads import make_head


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
