"""The recurrences whose way back is written out by hand, against loops whose gradients torch finds."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references_gated import gru, plain
from torch import Tensor

from vidseq.ops.gated_recurrence import gated_recurrence
from vidseq.ops.plain_recurrence import plain_recurrence


class Case(NamedTuple):
    fast: Callable[..., Tensor]
    slow: Callable[..., Tensor]
    gates: int
    has_bias: bool

    def inputs(self, batch: int, num_frames: int, dim: int) -> tuple[Tensor, ...]:
        """What is read, the state before it, the weight and, where there is one, its bias; float64."""
        generator = torch.Generator().manual_seed(num_frames)
        wide = self.gates * dim
        shapes = [(batch, num_frames, wide), (batch, dim), (wide, dim), (wide,)][: 4 if self.has_bias else 3]
        return tuple(torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes)


CASES = {
    "plain": Case(plain_recurrence, plain, gates=1, has_bias=False),
    "gated": Case(gated_recurrence, gru, gates=3, has_bias=True),
}
pytestmark = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@settings(max_examples=15, deadline=None)
@given(batch=st.integers(0, 3), num_frames=st.integers(1, 20), dim=st.integers(1, 5))
def test_equals_the_equations_in_outputs_and_gradients(case: Case, batch: int, num_frames: int, dim: int) -> None:
    parts = case.inputs(batch, num_frames, dim)
    results = []
    for run in (case.fast, case.slow):
        y = run(*parts)
        results.append([y, *torch.autograd.grad((y**3).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


def test_gradients_equal_differences(case: Case) -> None:
    assert torch.autograd.gradcheck(case.fast, case.inputs(2, 5, 3))


def test_a_second_derivative_is_refused_instead_of_wrong(case: Case) -> None:
    parts = case.inputs(1, 3, 2)
    (first,) = torch.autograd.grad((case.fast(*parts) ** 2).sum(), parts[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_errors_stay_within_those_of_plain_torch(case: Case) -> None:
    """At most twice in values and three times in gradients."""
    parts = tuple((part / 8).detach().requires_grad_() for part in case.inputs(1, 300, 32))
    single = [part.detach().float().requires_grad_() for part in parts]
    results = []
    for run, given_parts in ((case.slow, parts), (case.slow, single), (case.fast, single)):
        y = run(*given_parts)
        results.append([y.detach(), *torch.autograd.grad((y**2).sum(), given_parts)])
    for index, (exact, slow, fast) in enumerate(zip(*results)):
        assert (fast - exact).abs().max() <= (3 if index else 2) * (slow - exact).abs().max()
