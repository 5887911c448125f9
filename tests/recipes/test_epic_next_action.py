"""The EPIC-Kitchens recipe, end to end on tiny annotations in the same layout."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from vidseq.checkpoint import load_model
from vidseq.evaluation.rows import read_rows
from vidseq.heads import num_parameters

RECIPE = Path(__file__).parents[2] / "recipes" / "epic_next_action.py"
pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("epic_next_action", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seeds", ["0", pytest.param("0,1", marks=pytest.mark.slow)])
def test_everything(recipe, kitchens, tmp_path, capsys, seeds):
    options = {"kinds": "verb,action", "seeds": seeds, "contexts": "1f,2f,full", "longest_chain": 3}
    recipe.main(kitchens, tmp_path, **options, epochs=25, dim=32, adjust=True)
    rows = pd.concat([read_rows(tmp_path / f"{kind}.parquet") for kind in ("verb", "action")])
    num_seeds = len(seeds.split(","))
    assert len(rows) == 2 * 4 * 2 * 23 * (3 + num_seeds * 3)
    assert set(rows["split"]) == {"test"} and set(rows["group"]) == {"P08", "P09", "P10", "P11"}
    full = rows[(rows["control"] == "") & (rows["context"] == "full")]
    accuracy = full.groupby("dataset")["correct"].mean()
    assert accuracy["epic_kitchens_100_verb"] == 1.0
    assert accuracy["epic_kitchens_100_action"] > 0.7  # 5 in 6 can be told
    chain = rows[(rows["control"] == "ngram:1") & (rows["dataset"] == "epic_kitchens_100_verb")]
    assert chain["correct"].mean() == 1.0
    printed = capsys.readouterr().out
    assert "verb: the best chain on held-out participants is ngram:" in printed
    assert f"verb: intervals over 4 participants, {num_seeds} seeds." in printed
    assert "verb, adjusted for class-mean recall" in printed and "gru, tau " in printed
    for name in ("verb.md", "action.md", "verb_contexts.md", "verb_adjusted.md", "context.png", "context.svg"):
        assert (tmp_path / name).stat().st_size > 0


def test_heads_are_of_equal_size_and_scored_once(recipe, kitchens, tmp_path, capsys, monkeypatch):
    options = {"kinds": "verb", "seeds": "0", "contexts": "1f,full", "longest_chain": 2, "epochs": 1, "dim": 32}
    recipe.main(kitchens, tmp_path, heads="gru,conv,window", **options)
    assert "| verb | conv - ngram:" in capsys.readouterr().out
    sizes = [num_parameters(load_model(tmp_path / f"verb-{head}-seed0", "cpu")) for head in ("gru", "conv", "window")]
    assert max(sizes) <= 1.02 * min(sizes)
    rows = read_rows(tmp_path / "verb.parquet")
    assert set(rows.loc[rows["control"] == "", "head"]) == {"gru", "conv", "window"}
    monkeypatch.setattr(recipe, "evaluate", None)  # the same again is read
    recipe.main(kitchens, tmp_path, heads="gru,conv,window", **options)
    pd.testing.assert_frame_equal(read_rows(tmp_path / "verb.parquet"), rows)
