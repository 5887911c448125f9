import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_gated import plain
from torch import Tensor

from vidseq.ops.plain_recurrence import plain_recurrence


def inputs(batch: int, num_frames: int, dim: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(num_frames)
    shapes = [(batch, num_frames, dim), (batch, dim), (dim, dim)]
    return tuple(torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes)


@settings(max_examples=15, deadline=None)
@given(batch=st.integers(0, 3), num_frames=st.integers(1, 20), dim=st.integers(1, 5))
def test_equals_the_equation_in_outputs_and_gradients(batch: int, num_frames: int, dim: int) -> None:
    parts = inputs(batch, num_frames, dim)
    results = []
    for run in (plain_recurrence, plain):
        y = run(*parts)
        results.append([y, *torch.autograd.grad((y**3).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


def test_gradients_equal_differences() -> None:
    assert torch.autograd.gradcheck(plain_recurrence, inputs(2, 5, 3))


def test_a_second_derivative_is_refused_instead_of_wrong() -> None:
    parts = inputs(1, 3, 2)
    (first,) = torch.autograd.grad((plain_recurrence(*parts) ** 2).sum(), parts[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_errors_stay_within_those_of_plain_torch() -> None:
    """At most twice in values and three times in gradients."""
    parts = inputs(1, 300, 32)
    parts = tuple((part / 8).detach().requires_grad_() for part in parts)
    single = [part.detach().float().requires_grad_() for part in parts]
    results = []
    for run, given_parts in ((plain, parts), (plain, single), (plain_recurrence, single)):
        y = run(*given_parts)
        results.append([y.detach(), *torch.autograd.grad((y**2).sum(), given_parts)])
    for index, (exact, slow, fast) in enumerate(zip(*results)):
        assert (fast - exact).abs().max() <= (3 if index else 2) * (slow - exact).abs().max()
