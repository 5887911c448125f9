"""Widths of equal size."""

import pytest

from vidseq.errors import UserError
from vidseq.heads import HEADS, make_head, num_parameters
from vidseq.heads.budget import STEP, width_for


@pytest.mark.parametrize("name", HEADS)
def test_the_widest_head_that_stays_within_its_budget(name):
    budget = num_parameters(make_head(name, 64))
    assert width_for(name, budget) == 64
    assert width_for(name, budget - 1) == 64 - STEP


def test_a_budget_that_is_too_small():
    with pytest.raises(UserError, match=r"lstm head expects at least \d+ parameters, got 100\. Allow it more\."):
        width_for("lstm", 100)
