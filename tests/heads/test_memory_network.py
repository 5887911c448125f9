import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads import TemporalHead, make_head


def waves(age: int, count: int) -> Tensor:
    """Cosines, then sines, of what lies `age` frames back, at frequencies from 1 to nearly 1 / 10,000."""
    angles = [-age * 10_000 ** (-i / count) for i in range(count)]
    return torch.tensor([math.cos(a) for a in angles] + [math.sin(a) for a in angles], dtype=torch.float64)


def frame_by_frame(head: TemporalHead, x: Tensor) -> Tensor:
    """The equations of arXiv:1503.08895 on one video (T, D), with a list of memories."""
    hops, tied, e = head.config.hops, head.config.layer_wise, [part.weight for part in head.embeddings]
    keys, values = ([e[0]] * hops, [e[1]] * hops) if tied else (e[:-1], e[1:])
    memories, y = [], []
    for t, frame in enumerate(x):
        memories.append(head.norm(frame))
        latest = list(enumerate(memories))[-head.config.capacity :]
        z = [torch.cat([memory, waves(t - i, head.config.waves)]) for i, memory in latest]
        u = (head.ask_with.weight if tied else e[0][:, : head.dim]) @ memories[-1]
        for a, c in zip(keys, values):
            scores = torch.stack([u @ (a @ memory) for memory in z]) / math.sqrt(len(z[0]))
            o = sum(p * (c @ memory) for p, memory in zip(scores.softmax(0), z))
            u = (head.carry.weight @ u if tied else u) + o
        y.append(head.last_norm(frame + head.out.weight @ u))
    return torch.stack(y)


@pytest.mark.parametrize("layer_wise", [False, True])
@pytest.mark.parametrize("capacity", [0, 1, 4, 50])
@pytest.mark.parametrize("num_waves", [0, 3])
def test_equals_the_equations_frame_by_frame(layer_wise: bool, capacity: int, num_waves: int) -> None:
    torch.manual_seed(0)
    options = {"hops": 2, "layer_wise": layer_wise, "capacity": capacity, "waves": num_waves}
    head, x = make_head("memory_network", 6, options).double(), torch.randn(2, 20, 6, dtype=torch.float64)
    expected = torch.stack([frame_by_frame(head, row) for row in x])
    torch.testing.assert_close(head(x), expected, rtol=1e-10, atol=1e-10)


def test_a_capped_memory_streams_as_exactly_and_stays_small() -> None:
    torch.manual_seed(0)
    head = make_head("memory_network", 8, {"capacity": 5, "waves": 2}).double().requires_grad_(False)
    x, state, y = torch.randn(2, 30, 8, dtype=torch.float64), head.init_state(2), []
    for part in x.split([1, 7, 2, 20], dim=1):
        out, state = head.step(part, state)
        y.append(out)
    torch.testing.assert_close(torch.cat(y, dim=1), head(x), rtol=1e-10, atol=1e-10)
    assert head.context_frames == 5
    assert head.state_bytes(1, 10) == head.state_bytes(1, 1000) == sum(part.nbytes for part in state) // 2


def test_without_capacity_the_memory_grows_by_a_frame_a_frame() -> None:
    head = make_head("memory_network", 8, {"waves": 2})
    assert head.context_frames is None
    assert head.state_bytes(1, 1000) - head.state_bytes(1, 999) == 4 * (8 + 2 * 2)


def test_two_hops_follow_a_chain_that_one_cannot() -> None:
    """Frank has the ball, the ball is in the garden: where is what Frank has? Frames are (subject, content, query)."""
    frank, ball, garden, kitchen, anna, cup = torch.eye(6, dtype=torch.float64)
    silence = torch.zeros(6, dtype=torch.float64)
    facts = [(frank, ball), (cup, kitchen), (ball, garden), (anna, cup)]
    story = [torch.cat([subject, content, silence]) for subject, content in facts]
    subject, content, query = torch.eye(18, dtype=torch.float64).split(6)
    for hops, frank_answer, anna_answer in ((1, ball, cup), (2, garden, kitchen)):
        head = make_head("memory_network", 18, {"hops": hops, "waves": 0, "layer_wise": True}).double()
        head.norm = head.last_norm = nn.Identity()
        with torch.no_grad():
            head.embeddings[0].weight.copy_(99 * F.pad(subject, (0, 0, 0, 12)))
            head.embeddings[1].weight.copy_(F.pad(content, (0, 0, 0, 12)))
            head.ask_with.weight.copy_(F.pad(query, (0, 0, 0, 12)))
            head.carry.weight.zero_()
            head.out.weight.copy_(torch.eye(18))
        for who, answer in ((frank, frank_answer), (anna, anna_answer)):
            x = torch.stack([*story, torch.cat([silence, silence, who])])[None]
            torch.testing.assert_close((head(x) - x)[0, -1, :6], answer, rtol=0, atol=1e-6)
