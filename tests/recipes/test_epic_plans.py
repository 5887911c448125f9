"""The recipe of plans on EPIC-Kitchens, end to end on tiny annotations in the same layout."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

RECIPE = Path(__file__).parents[2] / "recipes" / "epic_plans.py"
pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("epic_plans", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("epochs", [2, pytest.param(80, marks=pytest.mark.slow)])
def test_everything(recipe, kitchens, tmp_path, capsys, epochs):
    options = {"kinds": "verb", "epochs": epochs, "dim": 32}
    recipe.main(kitchens, tmp_path, **options, seeds="0,1")
    rows = pd.read_csv(tmp_path / "verb.csv")
    assert len(rows) == 4 * 2 * 3 * (5 + 2 * 2)  # people, videos, moments; floors and two seeds of the model
    assert set(rows["group"]) == {"P08", "P09", "P10", "P11"} and set(rows["time"]) == {0, 1, 2}
    distance = rows.groupby("run")["distance"].mean()
    # Take, wash and put come in turn, 20 of them: a chain knows, one label told on and on is right in a third.
    assert distance["chain, likeliest"] == 0.0
    assert epochs < 80 or max(distance["gru, likeliest"], distance["gru, drawn"]) < 0.2
    assert distance["most frequent"] == pytest.approx((20 - 20 // 3) / 20, abs=0.05)
    printed = capsys.readouterr().out
    assert "verb, on held-out participants: Choice(temperature=" in printed
    assert "24 moments, intervals over 4 participants." in printed
    before = (tmp_path / "verb-seed0" / "metrics.csv").read_text()
    recipe.main(kitchens, tmp_path, **options, seeds="0")  # what is trained stays
    assert (tmp_path / "verb-seed0" / "metrics.csv").read_text() == before
