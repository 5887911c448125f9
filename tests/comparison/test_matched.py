"""Heads as large as another one: whole models are counted, as they are built."""

import pytest

from vidseq.analysis.budget import TOLERANCE
from vidseq.comparison.matched import equal_size
from vidseq.heads import num_parameters
from vidseq.training import TrainConfig
from vidseq.training.build import build_model

SETTINGS = TrainConfig(head="conv", head_options={"layers": 5}, dim=72, tasks={"question": {}}).resolved()


@pytest.mark.parametrize("head", ["conv", "gru", "memory", "window"])
def test_models_are_of_the_settings_size(head, toy_world):
    sized, parameters = equal_size(head, SETTINGS, *toy_world, frames=64)
    assert (sized.head, sized.epochs) == (head, SETTINGS.epochs)
    assert parameters == num_parameters(build_model(*toy_world, sized))
    assert parameters == pytest.approx(num_parameters(build_model(*toy_world, SETTINGS)), rel=2 * TOLERANCE)


def test_the_settings_own_head_stays_as_it_is(toy_world):
    assert equal_size("conv", SETTINGS, *toy_world, frames=64)[0] is SETTINGS
