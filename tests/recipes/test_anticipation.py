"""The recipe of long-term anticipation, end to end on a tiny data set in the layout of MS-TCN."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layouts import write_mstcn

from vidseq.checkpoint import load_model
from vidseq.heads import num_parameters

RECIPE = Path(__file__).parents[2] / "recipes" / "anticipation.py"
LABELS = ("cut", "mix", "serve", "wash")
pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("anticipation", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def salads(tmp_path_factory):
    """Six people, two videos each: actions in one order, of random lengths."""
    folder, random = tmp_path_factory.mktemp("salads"), np.random.default_rng(0)
    videos = {
        f"rgb-{person:02d}-{take}": np.repeat(LABELS, [int(random.integers(60, 240)) for _ in LABELS]).tolist()
        for person in range(1, 7)
        for take in (1, 2)
    }
    names = list(videos)
    write_mstcn(folder, LABELS, videos, {"train.split1": names[:8], "test.split1": names[8:]})
    return folder


def test_heads_of_one_size_beside_the_floors(recipe, salads, tmp_path, capsys):
    training = dataclasses.replace(recipe.SETTINGS, epochs=8, dim=32)
    recipe.main(salads, out=tmp_path, splits="1", seeds="0,1", heads="lstm,gru", training=training)
    rows = pd.read_csv(tmp_path / "50salads.csv")
    models = {f"{what}{head}" for what in ("model", "both") for head in ("", ", gru")}
    models |= {"model, likeliest", "model, gru, likeliest"}
    others = {"last label", "bigram", recipe.PATIENT, f"{recipe.PATIENT}, mean length", "similar moments"}
    assert set(rows["run"]) == models | others
    assert rows.groupby(["run", "seed"])["total"].sum().nunique() == 1  # all are asked the same
    assert (rows.groupby("run")["seed"].nunique() == 2).sum() == len(models)
    assert set(rows["split"]) == {1}
    shares = rows.groupby("run")["correct"].sum() / rows.groupby("run")["total"].sum()
    assert shares["both"] > shares["last label"] + 0.2  # what comes next is always the same
    sizes = [num_parameters(load_model(tmp_path / f"50salads-split1{head}-seed1", "cpu")) for head in ("", "-gru")]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    assert (
        f"gru: width {load_model(tmp_path / '50salads-split1-gru-seed0', 'cpu').config.dim}" in capsys.readouterr().out
    )
    table = (tmp_path / "50salads-intervals.md").read_text()
    assert all(f"| {run} " in table for run in ("model", "both", "model, gru", "both, gru", "similar moments"))
