import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_hyper import hyper
from torch import Tensor

from vidseq.ops.hyper_recurrence import hyper_recurrence


def inputs(batch: int, num_frames: int, dim: int, units: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(num_frames)
    frames = [(batch, num_frames, 4 * dim), (batch, num_frames, 4 * units)]
    states = [(batch, dim + units), (batch, dim), (batch, units)]
    weights = [(4 * dim, dim), (4 * units, dim + units), (12 * dim, units), (12 * dim,)]
    shapes = [*frames, *states, *weights]
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes)


@settings(max_examples=15, deadline=None)
@given(batch=st.integers(0, 3), num_frames=st.integers(1, 12), dim=st.integers(1, 4), units=st.integers(1, 4))
def test_equals_the_equations_in_values_and_gradients(batch: int, num_frames: int, dim: int, units: int) -> None:
    parts = inputs(batch, num_frames, dim, units)
    results = []
    for run in (hyper_recurrence, hyper):
        y = run(*parts)
        loss = sum((part**power).sum() for power, part in enumerate(y, start=2))
        results.append([*y, *torch.autograd.grad(loss, parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


def test_gradients_equal_differences() -> None:
    assert torch.autograd.gradcheck(hyper_recurrence, inputs(2, 3, 2, 2))


def test_scales_of_one_make_it_a_plain_lstm() -> None:
    parts = list(inputs(2, 7, 3, 2))
    parts[7] = torch.zeros_like(parts[7])
    parts[8] = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64).repeat_interleave(12)
    both, _, _ = hyper_recurrence(*parts)
    peer = torch.nn.LSTM(12, 3, batch_first=True, bias=False, dtype=torch.float64)
    order = torch.arange(12).view(4, 3)[[1, 2, 3, 0]].flatten()  # torch's i, f, g, o
    with torch.no_grad():
        peer.weight_ih_l0.copy_(torch.eye(12, dtype=torch.float64)[order])
        peer.weight_hh_l0.copy_(parts[5][order])
    expected, _ = peer(parts[0], (parts[2][None, :, :3].contiguous(), parts[3][None]))
    torch.testing.assert_close(both[..., :3], expected, rtol=1e-10, atol=1e-10)
