"""The 50 Salads recipes, end to end on a tiny data set in the same layout."""

import dataclasses
import importlib.util
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layouts import write_mstcn

from vidseq.errors import UserError
from vidseq.evaluation.rows import read_rows
from vidseq.features.store import FeatureStore

RECIPES = Path(__file__).parents[2] / "recipes"
LABELS = ("background", "cut", "mix", "serve")
pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


def recipe(name):
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def salads(tmp_path_factory):
    """Six people, two videos each; features tell the labels, with noise."""
    folder, random = tmp_path_factory.mktemp("salads"), np.random.default_rng(0)
    (folder / "features/split1").mkdir(parents=True)
    videos = {}
    for person in range(1, 7):
        for take in (1, 2):
            video = f"{person:02d}-{take}"
            order = [0, 1, 2, 3] if random.random() < 0.5 else [0, 2, 1, 3]
            labels = np.repeat(order, random.integers(8, 14, 4))
            features = np.eye(4)[labels] * 2 + random.normal(size=(len(labels), 4)) * 0.3
            np.save(folder / "features/split1" / f"{video}.npy", features.astype(np.float16))
            videos[video] = [LABELS[n] for n in labels]
    names = list(videos)
    write_mstcn(folder, LABELS, videos, {"train.split1": names[:8], "test.split1": names[8:]})
    return folder


@pytest.mark.parametrize("heads", ["conv", pytest.param("conv,memory", marks=pytest.mark.slow)])
def test_frames(salads, tmp_path, capsys, heads):
    frames = recipe("salads_frames")
    training = dataclasses.replace(frames.SETTINGS, epochs=8)
    options = {"splits": "1", "heads": heads, "seeds": "0,1", "training": training}
    frames.main(salads, tmp_path, **options)
    rows = pd.read_csv(tmp_path / "rows.csv")
    forms = set(product(heads.split(","), ("causal", "offline")))
    assert set(zip(rows["head"], rows["form"])) == forms
    # two models and their mean, three ways to decode and the chosen one, four videos
    assert len(rows) == len(forms) * 3 * 4 * 4
    assert rows["group"].nunique() == 2
    assert rows["accuracy"].mean() > 0.5
    table = pd.read_csv(tmp_path / "table.csv").set_index(["head", "form", "models", "decoding"])
    assert len(table) == len(forms) * 2 * 4
    both = rows[(rows["head"] == "conv") & (rows["form"] == "causal") & (rows["run"] == "mean of 2")]
    edit = both.loc[both["decoding"] == "segments", "edit"]
    assert len(edit) == 4
    assert table.loc[("conv", "causal", "mean of 2", "segments"), "edit"] == pytest.approx(
        100 * edit.mean(), abs=0.051
    )
    intervals = pd.read_csv(tmp_path / "intervals.csv")
    assert (intervals["num_groups"] == 2).all()
    assert intervals["accuracy"].str.fullmatch(r"[\d.]+ \[[\d.]+, [\d.]+\]").all()
    printed = capsys.readouterr().out
    assert "| conv | offline | mean of 2 | ordered segments" in " ".join(printed.split())
    assert "each run's choice" in printed


def test_a_form_that_does_not_exist(salads, tmp_path):
    with pytest.raises(UserError, match=r"Unknown form 'ofline'\. Did you mean 'offline'"):
        recipe("salads_frames").main(salads, tmp_path, forms="ofline")


def test_contexts(salads, tmp_path, capsys):
    recipe("salads_context").main(salads, tmp_path, splits="1", heads="lstm", contexts="1f,1s,full", epochs=4)
    rows = read_rows(tmp_path / "next_action" / "rows.parquet")
    assert {"", "blind", "shuffled", "swapped_past:10s", "repeat_last_label", "ngram:3"} <= set(rows["control"])
    assert len(rows) == 4 * 3 * (3 + 11)
    assert (rows["time"] >= 1.5).all()  # a second before the first action, which follows background
    labels = read_rows(tmp_path / "frame_labels" / "rows.parquet")
    assert set(labels["kind"]) == {"frame_labels"} and set(labels["run"]) == set(rows["run"]) == {"lstm-seed0"}
    assert labels[labels["control"] == ""]["correct"].mean() > 0.5
    for task in ("next_action", "frame_labels"):
        assert (tmp_path / task / "index.html").stat().st_size > 0
    printed = capsys.readouterr().out
    assert "repeat_last_label" in printed and "50 Salads: frame labels, causal" in printed


def test_a_head_that_does_not_exist(salads, tmp_path):
    for name in ("salads_frames", "salads_context"):
        with pytest.raises(UserError, match=r"Unknown head 'lstn'\. Did you mean 'lstm'"):
            recipe(name).main(salads, tmp_path, heads="lstn")


def test_memory_questions(salads, tmp_path, capsys):
    options = {"splits": "1", "heads": "gru", "contexts": "2s,full", "epochs": 1, "per_video": 12}
    recipe("memory_questions").main(salads, tmp_path, **options)
    assert FeatureStore.open_in(tmp_path / "questions1").fingerprint.backbone == "labels"
    table = (tmp_path / "accuracy.md").read_text()
    assert "gru full" in table and "label_chain_probe" in table
    twins = capsys.readouterr().out.split("twins\n\n")[1]
    assert "gru" in twins and "label_bag_probe" in twins
    assert (tmp_path / "report" / "index.html").is_file()


def test_memory_questions_from_features(salads, tmp_path):
    folder = recipe("memory_questions").prepare(salads, tmp_path, 1, "features", "3", 12)
    assert FeatureStore.open_in(folder).fingerprint.backbone == "external:spatial_cnn"


def test_twins_are_right_if_both_are():
    rows = pd.DataFrame(
        {
            "context": "full",
            "control": ["", "", "majority", "majority", ""],
            "head": "gru",
            "family": "done",
            "pair": ["a", "a", "b", "b", None],
            "correct": [True, True, True, False, True],
            "evidence_age_seconds": [float("nan"), 20.0, 30.0, float("nan"), 1.0],
        }
    )
    twins = recipe("memory_questions").twin_rows(rows)
    assert twins[["head", "right", "age"]].values.tolist() == [["gru", True, 20.0], ["majority", False, 30.0]]
