import torch
from references import slots
from torch import Tensor, nn

from vidseq.heads import make_head
from vidseq.heads.memory import hard_sigmoid

HOUR = 4 * 3600
"""Frames in an hour at 4 fps."""


def layer_reference(layer: nn.Module, x: Tensor) -> Tensor:
    address = (layer.write_key(x) @ layer.slot_write_keys.T / layer.slot_write_keys.shape[1] ** 0.5).softmax(-1)
    address = torch.where(address < 0.1 / layer.slots, 0, address)
    gates = (1.2 * layer.gates(x).sigmoid() - 0.1).clamp(0, 1)
    write = gates[..., :1] * address
    keep = 1 - write * gates[..., 1:]
    query, value = (
        project(x).unflatten(-1, (layer.readers, -1)).transpose(1, 2) for project in (layer.query, layer.value)
    )
    read, _ = slots(query, value, write, keep, layer.slot_read_keys, layer.init_state(len(x))[0])
    shown = layer.show(x)
    return layer.out(read.transpose(1, 2).flatten(2) * shown * shown.sigmoid())


def test_equals_the_equations_frame_by_frame() -> None:
    torch.manual_seed(0)
    head = make_head("memory", 6, {"slots": 4, "readers": 2, "layers": 2, "write_bias": 0.0}).double()
    for layer in head.stack.layers:  # so that frames address different units, and some shares are negligible
        nn.init.normal_(layer.write_key.weight)
    x = y = torch.randn(2, 70, 6, dtype=torch.float64)
    for norm, layer in zip(head.stack.norms, head.stack.layers):
        y = y + layer_reference(layer, norm(y))
    torch.testing.assert_close(head(x), head.stack.last_norm(y), rtol=1e-10, atol=1e-10)


def test_gates_reach_zero_and_one_and_still_learn() -> None:
    x = torch.tensor([-3.0, -2.4, 0.0, 2.4, 3.0], requires_grad=True)
    y = hard_sigmoid(x)
    torch.testing.assert_close(y, torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]))
    assert y[0] == 0
    y.sum().backward()
    torch.testing.assert_close(x.grad, 1.2 * x.sigmoid() * (1 - x.sigmoid()))


def test_what_is_written_once_is_kept_for_an_hour_to_the_last_bit() -> None:
    torch.manual_seed(0)
    head = make_head("memory", 8, {"readers": 2})
    with torch.no_grad():
        _, first = head.step(torch.randn(1, 5, 8), head.init_state(1))
        head.stack.layers[0].gates.weight[0] = 0
        head.stack.layers[0].gates.bias[0] = -3  # from now on the write gate is shut
        _, last = head.step(torch.randn(1, HOUR, 8), first)
    assert bool(first.memory.any()) and torch.equal(last.memory, first.memory)
