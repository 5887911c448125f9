import pytest
import torch
from torch import Tensor, nn

from vidseq.heads import make_head
from vidseq.heads.gru import GRULayer


def twin(layer: GRULayer) -> nn.GRU:
    """torch's GRU with the same weights."""
    dim = layer.carry.in_features
    peer = nn.GRU(dim, dim, batch_first=True, dtype=layer.carry.weight.dtype)
    mine = (layer.inputs.weight, layer.carry.weight, layer.inputs.bias, layer.carry.bias)
    with torch.no_grad():
        for theirs, weight in zip(peer.all_weights[0], mine, strict=True):
            theirs.copy_(weight)
    return peer


@pytest.mark.parametrize("lengths", [(30, 30), (30, 7), (1, 30)])
def test_a_layer_equals_torchs_gru_in_values_and_gradients(lengths: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer, x = GRULayer(6).double(), torch.randn(2, 30, 6, dtype=torch.float64, requires_grad=True)
    before = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(30) < torch.tensor(lengths)[:, None]
    y, (after,) = layer(x, (before,), mask)
    y = y * mask[..., None]
    peer = twin(layer)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    packed_y, expected_after = peer(packed, before[None])
    expected, _ = nn.utils.rnn.pad_packed_sequence(packed_y, batch_first=True, total_length=30)
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(after, expected_after[0], rtol=1e-10, atol=1e-10)
    mine = [layer.inputs.weight, layer.carry.weight, layer.inputs.bias, layer.carry.bias]
    results = [
        torch.autograd.grad((values**2).sum() + (last**3).sum(), [x, before, *weights])
        for values, last, weights in ((y, after, mine), (expected, expected_after, peer.all_weights[0]))
    ]
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("lengths", [(30, 30), (30, 7), (1, 30), (1, 1)])
def test_torchs_kernel_reads_the_same_where_no_gradients_are_wanted(lengths: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer, x, before = GRULayer(6).double(), torch.randn(2, max(lengths), 6).double(), torch.randn(2, 6).double()
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    y, (after,) = layer(x, (before,), mask)
    with torch.no_grad():
        fast_y, (fast_after,) = layer(x, (before,), mask)
    torch.testing.assert_close(fast_y, y, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fast_after, after, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("causal", [True, False])
def test_the_head_is_a_residual_stack_of_torchs_gru(causal: bool) -> None:
    torch.manual_seed(0)
    head = make_head("gru", 6, {"layers": 2}, causal).double()
    x = y = torch.randn(2, 9, 6, dtype=torch.float64)
    stack = head.stack

    def run(layer: GRULayer, normed: Tensor) -> Tensor:
        return twin(layer)(normed)[0]

    for index, (norm, layer) in enumerate(zip(stack.norms, stack.layers)):
        normed = norm(y)
        back = 0 if causal else run(stack.backward_layers[index], normed.flip(1)).flip(1)
        y = y + run(layer, normed) + back
    torch.testing.assert_close(head(x), stack.last_norm(y), rtol=1e-10, atol=1e-10)


def test_a_shut_update_gate_keeps_for_10000_frames() -> None:
    torch.manual_seed(0)
    head = make_head("gru", 4).double()
    layer = head.stack.layers[0]
    with torch.no_grad():
        for linear in (layer.inputs, layer.carry):
            linear.weight[4:8] = 0  # gate z, from its bias alone
            linear.bias[4:8] = 20
        state = head.init_state(1)._replace(hidden=torch.randn(1, 1, 4, dtype=torch.float64))
        _, after = head.step(torch.randn(1, 10_000, 4, dtype=torch.float64), state)
    torch.testing.assert_close(after.hidden, state.hidden, rtol=1e-9, atol=1e-9)
