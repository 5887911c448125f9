import torch
from torch import Tensor, nn

from vidseq.heads import make_head

TINY = {"slots": 2, "layers": 1}


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0, x, slope * x)


def layer_reference(layer: nn.Module, x: Tensor) -> Tensor:
    """One video (T, D); the equations of arXiv:1612.03969, memory by memory."""
    u, v, w, h, r, q = (part.weight for part in (layer.u, layer.v, layer.w, layer.h, layer.r, layer.q))
    memories, y = [key / key.norm() for key in layer.keys], []
    for s in x:
        for j, (memory, key) in enumerate(zip(memories, layer.keys)):
            gate = torch.sigmoid(s @ memory + s @ key + layer.gate_bias[j])
            changed = memory + gate * prelu(u @ memory + v @ key + w @ s, layer.slope)
            memories[j] = changed / changed.norm()
        address = torch.stack([q @ s @ memory for memory in memories]).softmax(0)
        read = sum(p * memory for p, memory in zip(address, memories))
        y.append(r @ prelu(q @ s + h @ read, layer.phi.weight))
    return torch.stack(y)


def test_equals_the_equations_frame_by_frame_across_segments() -> None:
    torch.manual_seed(0)
    head = make_head("entity", 6, {"slots": 3, "layers": 2}).double()
    for layer in head.stack.layers:
        nn.init.constant_(layer.slope, 0.3)
        nn.init.constant_(layer.phi.weight, 0.2)
    x = y = torch.randn(2, 300, 6, dtype=torch.float64)
    for norm, layer in zip(head.stack.norms, head.stack.layers):
        y = y + torch.stack([layer_reference(layer, row) for row in norm(y)])
    torch.testing.assert_close(head(x), head.stack.last_norm(y), rtol=1e-10, atol=1e-10)


def test_a_frame_changes_only_the_memory_whose_key_it_matches() -> None:
    torch.manual_seed(0)
    head = make_head("entity", 8, TINY).double()
    layer = head.stack.layers[0]
    head.stack.norms[0] = nn.Identity()
    with torch.no_grad():
        layer.keys.copy_(40 * torch.eye(8)[:2])
        layer.gate_bias.fill_(-20)
    before = head.init_state(1).memory[0, 0]
    frame = torch.eye(8, dtype=torch.float64)[None, :1] + torch.eye(8, dtype=torch.float64)[None, 4:5]
    _, after = head.step(frame, head.init_state(1))
    torch.testing.assert_close(after.memory[0, 0, 1], before[1], rtol=0, atol=1e-7)
    assert (after.memory[0, 0, 0] - before[0]).norm() > 1e-2


def test_memories_keep_length_one() -> None:
    torch.manual_seed(0)
    head = make_head("entity", 8, TINY)
    _, state = head.step(torch.randn(2, 1000, 8), head.init_state(2))
    torch.testing.assert_close(state.memory.norm(dim=-1), torch.ones(2, 1, 2))
