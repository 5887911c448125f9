import copy

import pytest
import torch
from torch import Tensor, nn

from vidseq.heads import make_head
from vidseq.ops.live import CachedLayout, is_live


def twice(weight: Tensor) -> tuple[Tensor, ...]:
    return (weight * 2,)


def test_a_frame_is_live_if_it_is_alone_and_without_gradients() -> None:
    frame = torch.zeros(2, 1, 3)
    assert not is_live(frame)
    with torch.no_grad():
        assert is_live(frame) and not is_live(torch.zeros(2, 2, 3))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not is_live(frame)


def test_weights_are_arranged_once_and_again_when_they_have_changed() -> None:
    arranged, weight = CachedLayout(twice), nn.Parameter(torch.ones(3))
    (first,) = arranged(weight)
    assert arranged(weight)[0] is first and not first.requires_grad
    with torch.no_grad():
        weight.add_(1)
    assert arranged(weight)[0].tolist() == [4, 4, 4]
    weight.data = torch.zeros(3)
    assert arranged(weight)[0].tolist() == [0, 0, 0]
    weight.data.add_(1)
    arranged.invalidate()
    assert arranged(weight)[0].tolist() == [2, 2, 2]


def test_changes_of_weights_made_in_inference_mode_are_seen() -> None:
    arranged = CachedLayout(twice)
    with torch.inference_mode():
        weight = torch.ones(3)
        assert arranged(weight)[0].tolist() == [2, 2, 2]
        weight.add_(1)
        assert arranged(weight)[0].tolist() == [4, 4, 4]


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_stream_follows_its_weights(name: str) -> None:
    """Those of an optimiser's step, those that are loaded, and those of a copy."""
    torch.manual_seed(0)
    head, frame = make_head(name, 8, {"layers": 2}).double(), torch.randn(2, 1, 8, dtype=torch.float64)

    def check(head: nn.Module) -> None:
        with torch.no_grad():
            live = head.step(frame, before)[0]
        torch.testing.assert_close(live, head.step(frame, before)[0].detach(), rtol=1e-10, atol=1e-10)

    before = head.init_state(2)
    check(head)
    head.step(frame, before)[0].sum().backward()
    torch.optim.SGD(head.parameters(), lr=1).step()
    check(head)
    head.load_state_dict(make_head(name, 8, {"layers": 2}).double().state_dict())
    check(head)
    other = copy.deepcopy(head)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
    check(other)
    check(head)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_live_errors_stay_within_twice_those_of_a_whole_run(name: str) -> None:
    """Sums in another order than torch's kernel's."""
    torch.manual_seed(0)
    exact, x = make_head(name, 128).double(), torch.randn(1, 400, 128)
    head = copy.deepcopy(exact).float()
    with torch.no_grad():
        expected, whole, state, live = exact(x.double()), head(x), head.init_state(1), []
        for frame in x.split(1, dim=1):
            y, state = head.step(frame, state)
            live.append(y)
    errors = [(y - expected).square().mean().sqrt() for y in (whole, torch.cat(live, dim=1))]
    assert errors[1] <= 2 * errors[0]
