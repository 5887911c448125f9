import pytest
import torch
from minGRU_pytorch import minGRU
from references_gated import linear_recurrence
from torch import Tensor

from vidseq.heads import make_head
from vidseq.heads.min_gru import MinGRULayer


def layer_reference(layer: MinGRULayer, x: Tensor, hidden: Tensor) -> Tensor:
    z = torch.sigmoid(layer.gate(x))
    return linear_recurrence(1 - z, z * layer.value(x), hidden)


@pytest.mark.parametrize("causal", [True, False])
def test_equals_the_equations_frame_by_frame(causal: bool) -> None:
    torch.manual_seed(0)
    head = make_head("min_gru", 6, {"layers": 2}, causal).double()
    x = y = torch.randn(2, 70, 6, dtype=torch.float64)
    stack, zeros = head.stack, torch.zeros(2, 6, dtype=torch.float64)
    for index, (norm, layer) in enumerate(zip(stack.norms, stack.layers)):
        normed = norm(y)
        back = 0 if causal else layer_reference(stack.backward_layers[index], normed.flip(1), zeros).flip(1)
        y = y + layer_reference(layer, normed, zeros) + back
    torch.testing.assert_close(head(x), stack.last_norm(y), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("start", [True, False])
def test_a_layer_equals_the_minGRU_package_in_values_and_gradients(start: bool) -> None:  # noqa: N802
    torch.manual_seed(0)
    layer = MinGRULayer(make_head("min_gru", 6, {"positive": True}).config).double()
    peer = minGRU(6).double()
    with torch.no_grad():
        layer.gate.bias.zero_()
        layer.value.bias.zero_()
        peer.to_hidden_and_gate.weight.copy_(torch.cat([layer.value.weight, layer.gate.weight]))
    x = torch.randn(2, 100, 6, dtype=torch.float64, requires_grad=True)
    before = torch.rand(2, 6, dtype=torch.float64) if start else torch.zeros(2, 6, dtype=torch.float64)
    y, (after,) = layer(x, (before,), torch.ones(2, 100, dtype=torch.bool))
    expected, last = peer(x, before[:, None] if start else None, return_next_prev_hidden=True)
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(after, last[:, 0], rtol=1e-9, atol=1e-9)
    grad_x, grad_value, grad_gate = torch.autograd.grad((y**2).sum(), [x, layer.value.weight, layer.gate.weight])
    theirs = torch.autograd.grad((expected**2).sum(), [x, peer.to_hidden_and_gate.weight])
    torch.testing.assert_close((grad_x, torch.cat([grad_value, grad_gate])), theirs, rtol=1e-8, atol=1e-8)


def test_errors_in_float32_stay_under_a_millionth_of_the_values() -> None:
    torch.manual_seed(0)
    layer, x = MinGRULayer(make_head("min_gru", 16).config), torch.randn(1, 4096, 16)
    y, _ = layer(x, layer.init_state(1), torch.ones(1, 4096, dtype=torch.bool))
    exact = layer.double()
    expected = layer_reference(exact, x.double(), exact.init_state(1)[0])
    assert (y - expected).abs().max() < 1e-6 * expected.abs().max()


def test_the_gate_starts_at_its_bias_and_keeps_for_10000_frames() -> None:
    torch.manual_seed(0)
    head = make_head("min_gru", 4, {"layers": 1, "write_bias": -40.0}).double()
    with torch.no_grad():
        head.stack.layers[0].gate.weight.zero_()
        state = head.init_state(1)._replace(hidden=torch.randn(1, 1, 4, dtype=torch.float64))
        _, after = head.step(torch.randn(1, 10_000, 4, dtype=torch.float64), state)
    torch.testing.assert_close(after.hidden, state.hidden, rtol=1e-9, atol=1e-9)
