"""Gradient norms against the theory of linear recurrences."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vidseq.analysis.gradient_flow import gradient_norms, half_life
from vidseq.heads import make_head

LENGTH, WIDTH = 40, 5


def linear_rnn(recurrence: Tensor, entry: Tensor):
    def read(x: Tensor) -> Tensor:
        h, ys = x.new_zeros(len(x), WIDTH), []
        for frame in x.unbind(dim=1):
            h = h @ recurrence.T + frame @ entry.T
            ys.append(h)
        return torch.stack(ys, dim=1)

    return read


@pytest.mark.parametrize("radius", [0.8, 1.0, 1.2])
def test_a_linear_rnn_follows_the_powers_of_its_recurrence(radius):
    torch.manual_seed(0)
    recurrence = torch.randn(WIDTH, WIDTH, dtype=torch.float64)
    recurrence *= radius / torch.linalg.eigvals(recurrence).abs().max()
    entry = torch.randn(WIDTH, 3, dtype=torch.float64)
    norms = gradient_norms(linear_rnn(recurrence, entry), torch.randn(2, LENGTH, 3, dtype=torch.float64))
    powers = [torch.linalg.matrix_norm(torch.linalg.matrix_power(recurrence, lag) @ entry) for lag in range(LENGTH)]
    np.testing.assert_allclose(norms, torch.stack(powers), rtol=1e-10)


@pytest.mark.parametrize("radius, expected", [(0.5, 1.0), (0.9, 6.5788), (2.0, -1.0)])
def test_half_lives_of_scaled_rotations(radius, expected):
    rotation = torch.linalg.qr(torch.randn(WIDTH, WIDTH, dtype=torch.float64))[0] * radius
    norms = gradient_norms(
        linear_rnn(rotation, torch.eye(WIDTH, dtype=torch.float64)), torch.randn(1, 30, WIDTH).double()
    )
    assert half_life(norms) == pytest.approx(expected, rel=1e-4)


def test_half_lives_without_a_slope():
    assert abs(half_life(np.full(9, 3.0))) > 1e12
    assert np.isnan(half_life(np.array([1.0, 0, 0])))


def test_a_window_cuts_the_gradient_off_where_it_ends():
    torch.manual_seed(0)
    head = make_head("window", 8, {"window": 5, "layers": 2, "heads": 2}).eval()
    norms = gradient_norms(head, torch.randn(2, 20, 8))
    assert (norms[: head.context_frames] > 0).all()
    assert (norms[head.context_frames :] == 0).all()


def test_gates_carry_a_gradient_further_than_squashing_does():
    torch.manual_seed(0)
    x = torch.randn(4, 60, 16)
    rnn = gradient_norms(make_head("rnn", 16, {"layers": 1}).eval(), x)
    lstm = gradient_norms(make_head("lstm", 16, {"layers": 1, "forget_bias": 5.0}).eval(), x)
    assert lstm[50] / lstm[1] > 10 * rnn[50] / rnn[1]
