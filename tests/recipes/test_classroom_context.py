"""The recipe that holds the context tool to the classroom's truth, end to end on a tiny one."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from planted_rows import World, planted_rows

RECIPE = Path(__file__).parents[2] / "recipes" / "classroom_context.py"
pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("classroom_context", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything(recipe, tmp_path, capsys):
    world = dataclasses.replace(recipe.WORLD, train_videos=6, test_videos=6, families=("color_now", "first_last"))
    training = dataclasses.replace(recipe.TRAINING, dim=16, epochs=1)
    recipe.main(tmp_path, world, training, "1f,4s,full")
    assert (tmp_path / "report" / "index.html").stat().st_size > 0
    printed = capsys.readouterr().out
    assert "evidence_only" in printed and "| first_last " in printed and "certificate~reach" in printed
    assert (tmp_path / "by_evidence.md").read_text(encoding="utf-8") in printed


def test_answers_are_sorted_by_what_they_were_shown_of_their_evidence(recipe):
    world = World(memory_seconds=1e9, group_spread=0.0)
    rows = planted_rows(np.random.default_rng(0), world)
    lasting = rows.assign(evidence_age_seconds=rows["reach_seconds"] / 2)
    (line,) = recipe.by_evidence(lasting).to_dict("records")
    assert list(line) == ["family", "none", "part", "all", "blind", "evidence_only", "queries"]
    share = {name: float(line[name].split()[0]) for name in ("none", "part", "all", "blind")}
    assert share["all"] == 100  # as far back as the evidence begins, or farther: right
    # Planted to need all of it: with a part or none it guesses.
    assert all(abs(share[name] - 100 * world.chance) < 6 for name in ("none", "part", "blind"))
    assert line["evidence_only"] == "–" and line["queries"] == rows["query"].nunique()
    counts = [int(line[name].split()[-1].replace(",", "")) for name in ("none", "part", "all")]
    assert sum(counts) == (lasting["control"] == "").sum() * 8 // 9  # every length but everything
