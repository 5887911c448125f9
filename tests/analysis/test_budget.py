"""Heads of equal size."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.analysis.budget import STEP, TOLERANCE, match_size, measure, width_for
from vidseq.errors import UserError
from vidseq.heads import HEADS, make_head, num_parameters


@pytest.mark.parametrize("name", HEADS)
def test_the_widest_head_that_stays_within_its_budget(name):
    budget = num_parameters(make_head(name, 64))
    assert width_for(name, budget) == 64
    assert width_for(name, budget - 1) == 64 - STEP


def test_a_budget_that_is_too_small():
    with pytest.raises(UserError, match=r"lstm head expects at least \d+ parameters, got 100\. Allow it more\."):
        width_for("lstm", 100)


@pytest.mark.parametrize("name", HEADS)
def test_parameters_match(name):
    size = match_size(name, "params", 132_608, frames=64)
    assert size.value == num_parameters(make_head(name, size.dim, size.options))
    assert size.dim % 2 == 0
    # Widths in multiples of four readers or heads are all that this head has.
    assert abs(size.excess(132_608)) <= (0.03 if name == "associative" else TOLERANCE)


@pytest.mark.parametrize("name", ["lstm", "codebook"])
@settings(max_examples=10)
@given(budget=st.integers(20_000, 400_000))
def test_no_other_width_comes_nearer(name, budget):
    size = match_size(name, "params", budget, frames=1)
    unit = 4 if name == "codebook" else 2
    for dim in (size.dim - unit, size.dim + unit):
        other = abs(num_parameters(make_head(name, dim)) / budget - 1)
        assert abs(size.excess(budget)) <= max(other, TOLERANCE / 4)


@pytest.mark.parametrize("name", ["window", "conv"])
@settings(max_examples=5)
@given(budget=st.integers(20_000, 200_000))
def test_inner_widths_make_up_for_coarse_ones(name, budget):
    assert abs(match_size(name, "params", budget, frames=1).excess(budget)) <= TOLERANCE


def test_operations_and_state_match():
    flops = measure(make_head("lstm", 64), "flops", 48)
    size = match_size("window", "flops", flops, frames=48)
    assert abs(size.excess(flops)) < 0.01
    assert size.value == measure(make_head("window", size.dim, size.options), "flops", 48)
    assert match_size("gru", "state", make_head("lstm", 64).state_bytes(), frames=48).dim == 128


def test_the_form_that_sees_the_future_has_a_size_of_its_own():
    for causal in (True, False):
        size = match_size("lstm", "params", 100_000, frames=1, causal=causal)
        assert size.value == num_parameters(make_head("lstm", size.dim, size.options, causal))
        assert abs(size.excess(100_000)) <= TOLERANCE


def test_given_options_stay():
    size = match_size("window", "params", 100_000, frames=1, options={"network": 96, "window": 7})
    assert size.options == {"network": 96, "window": 7}


@pytest.mark.parametrize(
    ("name", "match", "budget", "message"),
    [
        ("lstn", "params", 1e5, r"Unknown head 'lstn'\. Did you mean 'lstm'\?"),
        ("lstm", "parms", 1e5, r"Unknown match 'parms'\. Did you mean 'params'\?"),
        ("window", "params", 100, r"window head expects at least \d+ parameters, got a budget of 100\. Change the"),
        ("lstm", "state", 1e9, r"lstm head expects at most \d+ bytes of state, got a budget of 1000000000\."),
    ],
)
def test_refusals(name, match, budget, message):
    with pytest.raises(UserError, match=message):
        match_size(name, match, budget, frames=8)
