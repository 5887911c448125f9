"""The Breakfast recipe, end to end on tiny labels in the same layout."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from layouts import write_mstcn

from vidseq.evaluation.rows import read_rows

RECIPE = Path(__file__).parents[2] / "recipes" / "breakfast_next_action.py"
LABELS = ("SIL", "take_cup", "pour_tea", "pour_milk", "stir")
pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("breakfast_next_action", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def breakfast(tmp_path_factory):
    """Sixteen people, two videos each: a cup, tea or milk, then what was poured again after stirring."""
    folder, random = tmp_path_factory.mktemp("breakfast"), np.random.default_rng(0)
    videos, bundles = {}, {}
    for person in range(16):
        for camera in ("cam01", "webcam01"):
            poured = int(random.integers(2, 4))
            labels = np.repeat([0, 1, poured, 4, poured, 4, 0], random.integers(20, 40, 7))
            videos[f"P{person:02d}_{camera}_P{person:02d}_tea"] = [LABELS[n] for n in labels]
    for split in (1, 2):
        test = [video for video in videos if int(video[1:3]) % 2 == split - 1]
        bundles |= {f"train.split{split}": [v for v in videos if v not in test], f"test.split{split}": test}
    write_mstcn(folder, LABELS, videos, bundles)
    return folder


def test_everything(recipe, breakfast, tmp_path, capsys):
    options = {"splits": "1,2", "heads": "conv", "contexts": "1f,2f,full", "epochs": 20}
    recipe.main(breakfast, tmp_path, **options)
    rows = read_rows(tmp_path / "report" / "rows.parquet")
    assert rows["video"].nunique() == 32 and rows["group"].nunique() == 16
    assert set(rows["run"]) == {"conv-seed0"}
    assert set(rows["answer"]) == set(LABELS[2:])  # neither silence nor what comes first
    accuracy = rows[rows["control"] == ""].groupby("context")["correct"].mean()
    # After stirring, what was poured two actions ago comes again: one action is not enough.
    assert accuracy["full"] > accuracy["1f"] + 0.1
    chains = rows[rows["control"].str.startswith("ngram")].groupby("control")["correct"].mean()
    assert chains["ngram:2"] > chains["ngram:1"]
    printed = capsys.readouterr().out
    assert printed.count("the best chain on held-out people is ngram:") == 2
    for text in ("conv - chosen chain", "repeat_last_label", "Intervals over 16 people. Seeds: 0."):
        assert text in printed
    for name in ("table.md", "contexts.md", "report/index.html"):
        assert (tmp_path / name).stat().st_size > 0
