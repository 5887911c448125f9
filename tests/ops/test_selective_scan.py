import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_state_space import state_space
from torch import Tensor

from vidseq.ops import selective_scan as module
from vidseq.ops.selective_scan import selective_scan


def inputs(batch: int, num_frames: int, width: int, states: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(num_frames)
    frames, each = (batch, num_frames, width), (batch, num_frames, states)
    shapes = [frames, frames, (states, width), each, each, (batch, states, width)]
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    parts[0], parts[2] = parts[0].relu(), -parts[2].exp()  # some steps are 0
    return tuple(part.requires_grad_() for part in parts)


@settings(max_examples=20, deadline=None)
@given(
    batch=st.integers(0, 2),
    num_frames=st.integers(1, 40),
    width=st.integers(1, 4),
    states=st.integers(1, 4),
    numbers=st.sampled_from([1, 50, 10_000]),
)
def test_segments_equal_the_equations_in_values_and_gradients(
    batch: int, num_frames: int, width: int, states: int, numbers: int
) -> None:
    parts = inputs(batch, num_frames, width, states)
    results = []
    for run in (selective_scan, state_space):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "WORK_SIZE", numbers)
            y, hidden = run(*parts)
        results.append([y, hidden, *torch.autograd.grad((y**2).sum() + (hidden**3).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


def test_gradients_equal_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORK_SIZE", 12)
    parts = list(inputs(1, 5, 2, 3))
    parts[0] = (parts[0] + 0.1).detach().requires_grad_()
    assert torch.autograd.gradcheck(selective_scan, parts)


def test_errors_stay_within_twice_those_of_the_plain_loop() -> None:
    parts = [part.detach() for part in inputs(1, 2000, 16, 8)]
    single = [part.float() for part in parts]
    exact = state_space(*parts)[0]
    assert (selective_scan(*single)[0] - exact).abs().max() <= 2 * (state_space(*single)[0] - exact).abs().max()
