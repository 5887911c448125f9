"""`vidseq context explain` on a model that has learnt a colour shown in the first second alone."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from vidseq.cli import main
from vidseq.data.dataset import write_dataset
from vidseq.errors import DataError, UserError
from vidseq.explain.run import explain_prediction, explain_predictions, find_query
from vidseq.features.store import FeatureStore
from vidseq.training import TrainConfig, fit

SHOWN = (0.0, 0.75)


@pytest.fixture(scope="module")
def world(toy_world, tmp_path_factory):
    """The toy world, told where its evidence is."""
    dataset, store = toy_world
    folder = tmp_path_factory.mktemp("told")
    queries = [dataclasses.replace(q, evidence=(SHOWN,), family=f"at {q.time:g}") for q in dataset.queries]
    told = write_dataset(folder, dataset.info, dataset.videos.values(), dataset.segments, queries)
    copy = FeatureStore.create_in(folder, store.fingerprint)
    for video in store.videos():
        copy.write(video, *dataclasses.astuple(store.read(video)))
    return told, copy


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    config = TrainConfig(head="lstm", dim=16, epochs=16, lr=1e-2, seed=1, tasks={"question": {}})
    return fit(*world, config, tmp_path_factory.mktemp("runs") / "told-lstm")


def test_a_strip_and_numbers(world, run, tmp_path):
    words = explain_prediction(world[0].folder, run, "test00", 5.5, tmp_path)
    assert "which is right" in words and "of 23 suffice" in words and "intersection over union" in words
    names = ["important_past.json", "important_past.png", "important_past.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    record = json.loads((tmp_path / "important_past.json").read_text())
    assert record["prediction"] == record["answer"] and record["evidence"] == [list(SHOWN)]
    assert all(seconds <= SHOWN[1] for seconds in record["sufficient_seconds"])
    assert record["agreement"]["inside"] == 1 and record["levels"][0]["frames"] == 23


def test_the_trained_model_rests_on_the_evidence(world, run, tmp_path):
    text = explain_predictions(world[0].folder, run, tmp_path, limit=12)
    assert "predictions are right" in text and "| at 5.5" in text
    rows = pd.read_csv(tmp_path / "important_past.csv")
    assert len(rows) == 12
    with pytest.raises(UserError, match="a limit of at least 1 query, got 0"):
        explain_predictions(world[0].folder, run, tmp_path, limit=0)
    late = rows[(rows["time"] > 5) & rows["correct"]]
    assert len(late) >= 2 and late["inside"].mean() > 0.9 > 3 * late["chance"].mean()
    table = pd.read_csv(tmp_path / "important_past_table.csv")
    assert {"iou_low", "evidence_suffices", "evidence_loss_high"} <= set(table.columns)
    assert "| evidence loss " in (tmp_path / "important_past_table.md").read_text()


def test_mean_frames_and_questions_of_ones_own(world, run, tmp_path):
    words = explain_prediction(
        world[0].folder, run, "test01", 4.0, tmp_path, question="What colour was it?", deletion="mean"
    )
    record = json.loads((tmp_path / "important_past.json").read_text())
    assert record["deletion"] == "mean" and record["answer"] is None and record["agreement"]["iou"] is None
    assert record["num_frames"] == 17 and "right" not in words


def test_the_query_that_is_meant(world):
    dataset, _ = world
    queries = dataset.queries
    assert find_query(queries, dataset, "test00", 3.1, None, False).time == 3.1
    twice = [*queries, dataclasses.replace(dataset.queries_of("test00")[1], question="Or which?")]
    with pytest.raises(UserError, match=r"one query at 3.1 s of 'test00', got 2: What colour was it\?; Or which\?"):
        find_query(twice, dataset, "test00", 3.1, None, False)
    assert find_query(twice, dataset, "test00", 3.1, "Or which?", False).question == "Or which?"
    with pytest.raises(UserError, match=r"a query at 4 s of 'test00', got none.* nearest: 3.1, 5.5, 1\."):
        find_query(queries, dataset, "test00", 4.0, None, True)
    with pytest.raises(UserError, match="got none"):
        find_query(queries, dataset, "test00", 3.1, "Who?", False)
    with pytest.raises(UserError, match=r"within 'test00', which ends at .* s, got 99 s"):
        find_query(queries, dataset, "test00", 99.0, "Who?", True)
    with pytest.raises(DataError, match=r"no video 'tst00'. Did you mean 'test00'"):
        find_query(queries, dataset, "tst00", 3.1, None, False)


def test_mistakes_on_the_command_line(world, run, toy_world, tmp_path, capsys):
    words = ["context", "explain", "--data", str(world[0].folder), "--model", str(run), "--out", str(tmp_path / "o")]
    assert main([*words, "--time", "3"]) == 2
    assert "--video and --time together, or neither" in capsys.readouterr().err
    assert main([*words, "--video", "test00", "--time", "0.1"]) == 2
    assert "got none" in capsys.readouterr().err and not (tmp_path / "o").exists()
    with pytest.raises(UserError, match="queries with evidence in split 'test', got none"):
        explain_predictions(toy_world[0].folder, run, tmp_path / "o")
    assert main([*words, "--video", "test00", "--time", "3.1"]) == 0
    assert "suffice" in capsys.readouterr().out
    assert np.all([(tmp_path / "o" / f"important_past.{end}").is_file() for end in ("svg", "png", "json")])


def test_a_model_that_writes_is_refused(world, tmp_path):
    config = TrainConfig(head="lstm", dim=8, epochs=1, tasks={"answer_words": {}})
    writes = fit(*world, config, tmp_path / "run")
    with pytest.raises(UserError, match=r"a model that chooses among classes, got one that writes \(answer_words\)\."):
        explain_prediction(world[0].folder, writes, "test00", 5.5, tmp_path)
