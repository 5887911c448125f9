"""Forecasts from observed labels by the commands alone: no features, no recipe."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import write_mstcn

from vidseq.cli import main
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.forecasting import OBSERVED, Similarity, moments_to_learn
from vidseq.forecasting.label_moments import _shares
from vidseq.training import TrainConfig

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
LABELS = ("cut", "mix", "serve")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Four people, two takes of each performance: actions in one order, of random lengths, 10 labels a second."""
    folder, random = tmp_path_factory.mktemp("labels"), np.random.default_rng(0)
    videos = {
        f"p{person}-{take}": np.repeat(LABELS, [int(random.integers(20, 60)) for _ in LABELS]).tolist()
        for person in range(4)
        for take in (1, 2)
    }
    names = list(videos)
    (folder / "source").mkdir()
    write_mstcn(folder / "source", LABELS, videos, {"train.split1": names[:6], "test.split1": names[6:]})
    convert = ["data", "convert", str(folder / "source"), "--from", "mstcn", "--out", str(folder / "data")]
    assert main([*convert, "--fps", "10", "--split", "1", "--group", r"^(p\d)"]) == 0
    return folder / "data"


def test_labels_are_learnt_and_forecast_by_the_commands(data, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "out"
    options = ["--head", "gru", "--dim", "8", "--epochs", "1", "--device", "cpu"]
    assert main(["train", "--data", str(data), "--out", str(run), "--features", "observed_labels", *options]) == 0
    weights = ["--similar", "0.5", "--similarity", "{done: 1, length: 0.4}"]
    assert main(["evaluate", "--data", str(data), "--model", str(run), "--out", str(out), *weights]) == 0
    rows = pd.read_parquet(out / "forecasts.parquet")
    own = {"run", "run, likeliest", "run + similar moments"}
    assert own < set(rows["run"]) and {"last label", "similar moments"} < set(rows["run"])
    assert rows["given_length"][rows["run"].isin(own)].all()
    assert rows.groupby("run")["total"].sum().nunique() == 1
    assert set(rows["group"]) == {"p3"} and set(rows["part"]) == {"all", "after_transition"}
    assert "Long-term anticipation: mean over classes (%)" in capsys.readouterr().out
    for wrong, said in {
        "{near: 1}": "near",
        "{done: -1}": "--similarity expects done from 0 on, got -1",
        "{length: 0}": "--similarity expects length above 0, got 0",
        "{length: far}": "--similarity expects numbers, got {'length': 'far'}",
    }.items():
        assert main(["evaluate", "--data", str(data), "--model", str(run), "--similarity", wrong]) == 2
        assert said in capsys.readouterr().err


def test_a_performance_counts_once_and_its_moments_by_the_options(data):
    learnt, store = moments_to_learn(Dataset.load(data), TrainConfig(tasks={"labels_ahead": {"queries_per_video": 6}}))
    assert len(learnt.videos) == len(store) == 3 * 6, "two takes of a person show one sequence of actions"
    again, _ = moments_to_learn(Dataset.load(data), TrainConfig())
    assert len(again.videos) == 3 * 16 and again.info.tasks == {"labels_ahead": {}}
    with pytest.raises(UserError, match=r"Observed labels expect one task of labels_ahead, got action_sequence"):
        moments_to_learn(Dataset.load(data), TrainConfig(tasks={"action_sequence": {}}))


def test_validation_videos_are_asked_where_test_videos_are(data, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for path in data.iterdir():
        if path.is_file():
            (folder / path.name).write_text(path.read_text().replace('"test"', '"val"'))
    info = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**info, "splits": ["train", "val"]}))
    learnt, store = moments_to_learn(Dataset.load(folder), TrainConfig())
    asked = [video.video for video in learnt.split("val")]
    assert len(asked) == 2 * len(OBSERVED) and all(video in store for video in asked)
    assert all(learnt.queries_of(video)[0].time == store.read(video).pts_seconds[-1] for video in asked)


@given(st.integers(1, 64))
def test_half_of_the_moments_are_where_the_test_asks(count):
    shares = _shares(count)
    assert len(shares) == count and all(0.05 <= share <= 0.6 for share in shares)
    assert sum(share in OBSERVED for share in shares[(count + 1) // 2 :]) == count // 2


def test_costs_may_be_zero_and_scales_may_not():
    assert Similarity.of({"done": 0, "length": 2}) == Similarity(done=0, length=2)
    with pytest.raises(UserError, match="--similarity expects share above 0, got inf"):
        Similarity(share=float("inf"))
