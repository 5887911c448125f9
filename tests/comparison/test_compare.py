"""`vidseq compare` on the toy world: tiny heads, real training, real processes."""

import dataclasses
import json

import pandas as pd
import pytest
import torch

from vidseq.analysis.budget import match_size
from vidseq.claims import claim_folder
from vidseq.cli import main
from vidseq.comparison import compare
from vidseq.comparison.candidate import Trial
from vidseq.comparison.compare import compare_heads, parse_seeds
from vidseq.data.dataset import write_dataset
from vidseq.errors import UserError
from vidseq.evaluation.rows import read_rows
from vidseq.heads import make_head, num_parameters
from vidseq.processes import JobResult, run_jobs
from vidseq.training import TrainConfig
from vidseq.training.build import build_model

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")

TRAINING = TrainConfig(dim=24, epochs=1, tasks={"question": {}})
SMALL = {"match": "params", "contexts": "1f,2s,full", "training": TRAINING, "controls": ("blind",)}


def run_here(work, jobs, workers, *, threads, isolated):
    """Like `run_jobs`, in this process: starting others takes seconds each."""
    assert threads == 1 and isolated
    before = torch.get_num_threads()
    yield from run_jobs(work, jobs, 1)
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def compared(toy_world, tmp_path_factory):
    """Two heads and two seeds; one run cannot make its folder, for something lies there."""
    out = tmp_path_factory.mktemp("compared") / "out"

    def claim_and_obstruct(folder, kind, content, **options):
        claim_folder(folder, kind, content, **options)
        (folder / "runs").mkdir()
        (folder / "runs" / "gru-seed1").write_text("in the way")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "claim_folder", claim_and_obstruct)
        patch.setattr(compare, "run_jobs", run_here)
        return out, compare_heads(toy_world[0].folder, out, "lstm,gru", seeds=(0, 1), budget=5000, **SMALL)


def test_finished_runs_are_reported_and_a_failing_one_is_named(compared):
    out, result = compared
    assert list(result.failed) == ["gru, seed 1"] and "gru-seed1" in result.failed["gru, seed 1"]
    table = pd.read_csv(out / "comparison.csv").set_index("head")
    assert list(table.index) == ["lstm", "gru"] and list(table["seeds"]) == [2, 1]
    for name in ("lstm", "gru"):
        assert table.loc[name, "head_parameters"] == num_parameters(make_head(name, int(table.loc[name, "dim"])))
        assert abs(table.loc[name, "head_parameters"] / 5000 - 1 - table.loc[name, "excess"]) < 1e-4
    assert (table[["stream_milliseconds", "train_seconds", "flops_a_frame"]] > 0).all().all()
    rows = read_rows(out / "rows.parquet")
    full = rows[(rows["context"] == "full") & (rows["control"] == "")]
    assert full.groupby("head")["correct"].mean()["lstm"] == pytest.approx(table.loc["lstm", "accuracy_full"])
    best = table["accuracy_full"].idxmax()
    assert table.loc[best, "difference"] == 0
    shared = full[full["seed"] == 0].groupby("head")["correct"].mean()  # the seed that both have
    other = {"lstm": "gru", "gru": "lstm"}[best]
    assert table.loc[other, "difference"] == pytest.approx(shared[other] - shared[best])
    for name in ("comparison.md", "comparison.tex", "comparison.png", "comparison.svg"):
        assert (out / name).stat().st_size > 0
    assert "Matched: parameters of the head, without projection and decoders; budget 5,000, within 2%" in result.text
    assert "short = 1f, middle = 2s, full = full" in result.text
    assert r"\toprule" in (out / "comparison.tex").read_text()


def test_what_is_finished_is_not_run_again_and_what_failed_is(compared, toy_world, monkeypatch):
    out, _ = compared
    asked = []

    def run_nothing(work, jobs, workers, **options):
        asked.extend(jobs)
        return iter([JobResult(name, error="no time") for name in jobs])

    monkeypatch.setattr(compare, "run_jobs", run_nothing)
    again = compare_heads(toy_world[0].folder, out, "lstm,gru", seeds=(0, 1), budget=5000, **SMALL)
    assert asked == ["gru, seed 1"]
    assert again.failed == {"gru, seed 1": "no time"} and "| lstm" in again.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": "lstm,rnn"}, r"expects heads \['lstm', 'gru'\] as it began, got \['lstm', 'rnn'\]"),
        ({"seeds": (0,)}, r"expects seeds \[0, 1\] as it began, got \[0\]"),
        ({"budget": 6000.0}, r"expects budget 5000 as it began, got 6000\.0"),
        (
            {"training": dataclasses.replace(TRAINING, lr=1e-4)},
            r"expects training\.lr 0\.002 as it began, got 0\.0001",
        ),
    ],
)
def test_another_comparison_in_the_folder_is_refused_by_what_differs(compared, toy_world, change, message):
    options = {"heads": "lstm,gru", "seeds": (0, 1), "budget": 5000, **SMALL, **change}
    with pytest.raises(UserError, match=message):
        compare_heads(toy_world[0].folder, compared[0], **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": "lstn"}, r"Unknown head 'lstn'\. Did you mean 'lstm'\?"),
        ({"heads": "lstm,lstm"}, "different heads, got lstm twice"),
        ({"seeds": (1, 1)}, "different seeds, got 1 twice"),
        ({"match": "size"}, "Unknown match 'size'"),
        ({"count": "all"}, "Unknown count 'all'"),
        ({"count": "model", "match": "flops"}, "expects match 'params' to count the whole model, got 'flops'"),
        ({"budget": 0}, "a budget above 0, got 0"),
        ({"budget": 20}, r"lstm head expects at least \d+ parameters, got a budget of 20\. Change the budget"),
        ({"options": {"gru": {}}}, "Unknown head of this comparison 'gru'"),
        ({"split": "tset"}, r"no split 'tset'\. Did you mean 'test'\?"),
        ({"contexts": "9999s"}, "at most the longest past"),
        ({"controls": ("blnd",)}, "Unknown control 'blnd'"),
        ({"workers": 0}, "at least 1 worker, got 0"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(toy_world, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        compare_heads(toy_world[0].folder, tmp_path / "out", **{"heads": "lstm", **SMALL, **change})
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_refused(toy_world, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="expects a new or empty folder"):
        compare_heads(toy_world[0].folder, tmp_path, "lstm", **SMALL)
    (tmp_path / "comparison.json").write_text("{")
    with pytest.raises(
        UserError, match=r"expects a JSON object in comparison\.json, got something else\. Name another"
    ):
        compare_heads(toy_world[0].folder, tmp_path, "lstm", **SMALL)


def test_a_data_set_without_queries_is_refused(toy_world, tmp_path):
    dataset, _ = toy_world
    videos = dataset.videos.values()
    kept = [query for query in dataset.queries if dataset.videos[query.video].split != "test"]
    write_dataset(tmp_path / "data", dataset.info, videos, (), kept)
    (tmp_path / "data" / "features").symlink_to(dataset.folder / "features")
    with pytest.raises(UserError, match=r"queries in split 'test' of 'toy', got none\. Choose a split"):
        compare_heads(tmp_path / "data", tmp_path / "out", "lstm", **SMALL)


def test_the_command(toy_world, tmp_path, capsys, monkeypatch):
    """Options of the verb reach the library; a head and a seed of training are no options."""
    told = {}

    def compare_nothing(data, out, heads, **options):
        told.update(options, heads=heads)
        return compare.Comparison("table\n", {"gru, seed 1": "no memory"})

    monkeypatch.setattr(compare, "compare_heads", compare_nothing)
    words = ["compare", str(toy_world[0].folder), str(tmp_path), "--heads", "lstm,gru", "--seeds", "3,4"]
    assert main([*words, "--epochs", "2", "--match", "state", "--options", "{gru: {layers: 2}}"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "table\n" and "vidseq: gru, seed 1: failed: no memory" in printed.err
    assert told["seeds"] == [3, 4] and told["training"].epochs == 2 and told["match"] == "state"
    assert told["options"] == {"gru": {"layers": 2}}
    assert main([*words, "--head", "lstm"]) == 2
    assert main([*words[:-1], "a,b"]) == 2
    assert "seeds such as 0,1,2, got 'a,b'" in capsys.readouterr().err
    assert parse_seeds("7") == [7]


@pytest.mark.slow
def test_real_processes_come_to_the_same(compared, toy_world, tmp_path):
    compare_heads(toy_world[0].folder, tmp_path / "out", "lstm,gru", seeds=(0,), budget=5000, **SMALL)
    rows, before = (read_rows(folder / "rows.parquet") for folder in (tmp_path / "out", compared[0]))
    assert rows["correct"].tolist() == before[before["seed"] == 0]["correct"].tolist()


def test_whole_models_match(toy_world):
    dataset, store = toy_world
    outside = compare.parameters_outside(dataset, store, TRAINING)
    size = match_size("gru", "params", 9000, frames=1, outside=outside)

    def parameters(dim):
        return num_parameters(build_model(dataset, store, dataclasses.replace(TRAINING, head="gru", dim=dim)))

    assert size.value == parameters(size.dim)
    others = [abs(parameters(dim) - 9000) for dim in (size.dim - 2, size.dim + 2)]
    assert abs(size.value - 9000) < min(others)


def test_a_trial_is_trained_as_the_plan_says(compared, toy_world):
    plan = json.loads((compared[0] / "comparison.json").read_text())
    assert {one["head"] for one in plan["candidates"]} == {"lstm", "gru"}
    assert plan["training"]["epochs"] == 1 and "seed" not in plan["training"]
    assert [field.name for field in dataclasses.fields(Trial)][:2] == ["data", "features"]
