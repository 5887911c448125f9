import pytest
import torch
from references_hyper import lstm_cell
from torch import Tensor

from vidseq.heads import make_head
from vidseq.heads.hyper import HyperLayer


def layer_reference(layer: HyperLayer, x: Tensor) -> Tensor:
    """z and d gate by gate, as in the paper."""
    h, c, s, small_c = layer.init_state(len(x))
    y = []
    for now in x.unbind(1):
        s, small_c = lstm_cell(layer.small_inputs(now) + layer.small_carry(torch.cat([h, s], dim=-1)), small_c)
        z = layer.embed(s).unflatten(-1, (3, 4, -1))
        matrices, biases = layer.scale.unflatten(0, (3, 4)), layer.bias.unflatten(0, (4, -1))
        w_h, w_x = (linear.weight.unflatten(0, (4, -1)) for linear in (layer.carry, layer.inputs))
        sums = []
        for gate in range(4):
            d_h, d_x, d_b = (z[:, kind, gate] @ matrices[kind, gate].T for kind in range(3))
            sums.append(d_h * (h @ w_h[gate].T) + d_x * (now @ w_x[gate].T) + d_b + biases[gate])
        h, c = lstm_cell(torch.cat(sums, dim=-1), c)
        y.append(h)
    return torch.stack(y, dim=1)


@pytest.mark.parametrize("causal", [True, False])
def test_equals_the_equations_gate_by_gate(causal: bool) -> None:
    torch.manual_seed(0)
    head = make_head("hyper", 6, {"layers": 2, "units": 3, "embedding": 2}, causal).double()
    x = y = torch.randn(2, 15, 6, dtype=torch.float64)
    stack = head.stack
    for layer in stack.layers:
        torch.nn.init.normal_(layer.scale)
    for index, (norm, layer) in enumerate(zip(stack.norms, stack.layers)):
        normed = norm(y)
        back = 0 if causal else layer_reference(stack.backward_layers[index], normed.flip(1)).flip(1)
        y = y + layer_reference(layer, normed) + back
    torch.testing.assert_close(head(x), stack.last_norm(y), rtol=1e-10, atol=1e-10)


def test_weights_start_scaled_by_about_one_and_differ_from_frame_to_frame() -> None:
    torch.manual_seed(0)
    layer = make_head("hyper", 8).stack.layers[0]
    scale, bias = layer.scales()
    small_hidden = torch.rand(2, 32) - 0.5
    d_h, d_x, _ = (small_hidden @ scale.T + bias).chunk(3, dim=-1)
    for d in (d_h, d_x):
        assert (d - 1).abs().max() < 0.9 and not torch.equal(d[0], d[1])


def test_both_forget_gates_start_at_their_bias() -> None:
    layer = make_head("hyper", 4, {"units": 2, "forget_bias": 3.0}).stack.layers[0]
    assert bool((layer.bias[8:12] == 3).all() and (layer.small_inputs.bias[4:6] == 3).all())
