"""The sweep: what it writes, that it goes on after a stop, and what it refuses."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vidseq.checkpoint import save_model
from vidseq.cli import main
from vidseq.context import sweep as module
from vidseq.context.measure import measure_context
from vidseq.context.sweep import Sweep, run_sweep
from vidseq.data.dataset import write_dataset
from vidseq.errors import UserError
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.models import queries_for
from vidseq.evaluation.rows import read_rows
from vidseq.evaluation.run_description import describe_run, trained_seconds
from vidseq.inference.predictor import Predictor
from vidseq.training import TrainConfig, fit

TASKS = {"question": {}, "next_action": {}}
CONTEXTS = "1f,1s,2s,full"


@pytest.fixture(scope="module")
def runs(toy_world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    config = TrainConfig(head="lstm", dim=16, epochs=1, seed=5, tasks=TASKS)
    clipped = replace(config, head="window", seed=6, full_context=1.0, max_clip_seconds=1.0)
    return [fit(*toy_world, config, folder / "lstm"), fit(*toy_world, clipped, folder / "window")]


@pytest.fixture
def sweep(toy_world, runs):
    return Sweep(data=toy_world[0].folder, models=tuple(runs), contexts=CONTEXTS, controls=("blind", "majority"))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(module, "_QUERIES_A_PART", 20)


def test_rows_are_those_of_a_plain_evaluation(toy_world, runs, sweep, tmp_path):
    rows = run_sweep(sweep, tmp_path / "out")
    dataset, store = toy_world
    predictor = module.predictor_of(runs[0], sweep)
    queries = queries_for(predictor.model, dataset)

    def plain(features, pts_seconds, asked):
        return predictor(features, pts_seconds, asked)

    alone = evaluate(plain, dataset, store, "test", queries=queries, contexts=CONTEXTS, controls=sweep.controls,
                     run=describe_run(runs[0], predictor.model))  # fmt: skip
    order = ["control", "context", "query"]
    ours = rows[rows["run"] == "lstm"].sort_values(order, ignore_index=True)
    alone = alone.sort_values(order, ignore_index=True)
    noise = ["score", "answer_score"]
    pd.testing.assert_frame_equal(ours.drop(columns=noise), alone.drop(columns=noise))
    np.testing.assert_allclose(ours[noise], alone[noise], atol=1e-5)
    assert rows.groupby("run")["mode"].unique().map(list).to_dict() == {"lstm": ["given"], "window": ["truncated"]}
    assert isinstance(predictor, Predictor)


def test_a_stopped_sweep_goes_on(sweep, tmp_path, monkeypatch):
    whole = run_sweep(sweep, tmp_path / "whole")
    answer, done = module._answer_part, []

    def dies(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments[1][0].name)
        answer(*arguments)

    monkeypatch.setattr(module, "_answer_part", dies)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path / "out")
    kept = sorted(path.stem for path in (tmp_path / "out" / "parts").iterdir())
    assert kept == done and not (tmp_path / "out" / "rows.parquet").exists()

    def goes_on(*arguments):
        assert arguments[1][0].name not in done
        answer(*arguments)

    monkeypatch.setattr(module, "_answer_part", goes_on)
    pd.testing.assert_frame_equal(run_sweep(sweep, tmp_path / "out"), whole)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rows.parquet", "sweep.json"]


def test_a_finished_sweep_is_not_done_again(sweep, tmp_path, monkeypatch):
    rows = run_sweep(sweep, tmp_path / "out")
    monkeypatch.setattr(module, "_answer_part", None)
    pd.testing.assert_frame_equal(run_sweep(sweep, tmp_path / "out"), rows)


@pytest.mark.slow
def test_processes_give_the_same(sweep, tmp_path):
    pd.testing.assert_frame_equal(
        run_sweep(sweep, tmp_path / "two", workers=2), run_sweep(sweep, tmp_path / "one"), check_exact=False, atol=1e-5
    )


def test_a_folder_that_is_taken(sweep, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"a new or empty folder, got .*out', which holds thesis\.txt\. Name another"):
        run_sweep(sweep, out)
    run_sweep(sweep, out, overwrite=True)
    with pytest.raises(
        UserError,
        match=r"expects contexts \['1f', '1s', '2s', 'full'\] as it began, got \['1f', 'full'\]",
    ):
        run_sweep(replace(sweep, contexts="1f,full"), out)
    assert len(read_rows(out / "rows.parquet")["context"].unique()) == 5
    run_sweep(replace(sweep, contexts="1f,full"), out, overwrite=True)
    assert len(read_rows(out / "rows.parquet")["context"].unique()) == 3
    assert (out / "thesis.txt").read_text() == "years of work"


def test_a_part_that_fails_is_named_and_the_others_are_kept(sweep, tmp_path, monkeypatch):
    whole, answer = run_sweep(sweep, tmp_path / "whole"), module._answer_part

    def breaks(of, job):
        if job[0].name == "000-00001":
            raise RuntimeError("no memory")
        answer(of, job)

    monkeypatch.setattr(module, "_answer_part", breaks)
    with pytest.raises(UserError, match=r"1 that failed\. lstm \(given\), part 000-00001: RuntimeError: no memory"):
        run_sweep(sweep, tmp_path / "out")
    kept = {path.stem for path in (tmp_path / "out" / "parts").iterdir()}
    assert "000-00001" not in kept and {"000-00000", "001-00000"} <= kept
    monkeypatch.setattr(module, "_answer_part", answer)
    pd.testing.assert_frame_equal(run_sweep(sweep, tmp_path / "out"), whole)


def test_density_and_extrapolation(sweep, runs, tmp_path):
    rows = run_sweep(replace(sweep, models=(runs[1],), vary=("density", "extrapolated")), tmp_path / "out")
    curves = rows[rows["control"] == ""]
    thin = curves[curves["mode"] == "density"]
    assert thin["context"].unique().tolist() == ["full", "full/2", "full/4", "full/8", "full/16", "full/32"]
    seen = thin.groupby("query")["context_frames"].apply(list)
    assert all(frames == [-(-frames[0] // every) for every in (1, 2, 4, 8, 16, 32)] for frames in seen)
    far = curves[curves["mode"] == "extrapolated"]
    assert far["context"].unique().tolist() == ["1s", "2s", "4s"]
    assert trained_seconds(runs[1]) == 1
    with pytest.raises(UserError, match=r"trained to at most half of the longest past, .* trained to inf s"):
        run_sweep(replace(sweep, models=(runs[0],), vary=("extrapolated",)), tmp_path / "other")


def test_a_model_a_length(sweep, runs, tmp_path):
    out = tmp_path / "out"
    one = replace(sweep, models=(runs[0],), contexts="1f,1s,full", vary=("retrained",), seeds=(1, 2))
    rows = run_sweep(one, out)
    assert set(rows["mode"]) == {"retrained"}
    assert set(rows["seed"]) == {1, 2}
    trained = {path.name: json.dumps(describe(path)) for path in (out / "retrained" / "lstm").iterdir()}
    assert sorted(trained) == [f"{length}-seed{seed}" for length in ("1f", "1s", "full") for seed in (1, 2)]
    assert (
        '"context_seconds": null, "context_frames": 1,' in trained["1f-seed1"]
        and '"context_seconds": 1.0' in trained["1s-seed2"]
    )
    assert '"full_context": 1.0' in trained["full-seed1"]
    assert rows[rows["control"] == "blind"].groupby("seed").size().eq(rows["query"].nunique()).all()


def describe(run):
    from vidseq.evaluation.run_description import training_of

    return dict(training_of(run))


def test_the_verb_writes_rows_and_tables(toy_world, runs, tmp_path, capsys):
    out = tmp_path / "report"
    words = ["--data", toy_world[0].folder, "--model", runs[0], "--out", out, "--contexts", CONTEXTS, "--limit", "40"]
    assert main(["context", *map(str, words)]) == 0
    text = capsys.readouterr().out
    assert "| lstm | given" in text.replace("  ", " ") and "No evidence is annotated" in text
    assert {"rows.parquet", "sweep.json", "index.html"} <= {path.name for path in out.iterdir()}
    tables = {path.name for path in (out / "tables").iterdir()}
    assert {"certificates.csv", "1_given_summary.csv", "1_given_summary.tex", "1_given_curves.md"} <= tables
    command = f"vidseq context --data {toy_world[0].folder} --model {runs[0]} --contexts {CONTEXTS} --limit 40"
    assert command in (out / "index.html").read_text(encoding="utf-8")
    controls = set(pd.read_parquet(out / "rows.parquet")["control"])
    assert controls == {
        *("", "blind", "last_frame", "shuffled", "swapped_past", "best_frame", "majority", "time_only"),
        *(
            "question_only",
            "last_frame_probe",
            "best_frame_probe",
            "bag_of_frames",
            "bag_of_labels",
            "label_bag_probe",
            "label_chain_probe",
            "ngram",
            "repeat_last_label",
        ),
    }
    assert main(["context", *map(str, words), "--contexts", "1f,full"]) == 2
    assert "expects contexts [" in capsys.readouterr().err


def test_refusals(toy_world, toy_model, runs, sweep, tmp_path):
    with pytest.raises(UserError, match="vary some of given, density, extrapolated, retrained, got 'age'"):
        replace(sweep, vary=("age",))
    with pytest.raises(UserError, match="evidence_only expects queries with evidence intervals, got none"):
        run_sweep(replace(sweep, controls=("evidence_only",)), tmp_path / "a")
    with pytest.raises(UserError, match=r"at most the longest past, 5\.5 s, got 99s"):
        run_sweep(replace(sweep, contexts="1s,99s"), tmp_path / "a")
    with pytest.raises(UserError, match=r"two contexts or more, got 'full'\. Use 1f,1s"):
        run_sweep(replace(sweep, contexts="full"), tmp_path / "a")
    for limit in (0, -3):
        with pytest.raises(UserError, match=f"a limit of at least 1 query, got {limit}"):
            run_sweep(replace(sweep, limit=limit), tmp_path / "a")
    with pytest.raises(UserError, match="at least 1 worker, got 0"):
        run_sweep(sweep, tmp_path / "a", workers=0)
    shutil.copytree(runs[0], tmp_path / "deep" / "lstm")
    with pytest.raises(UserError, match="runs of different names, got 'lstm' twice"):
        run_sweep(replace(sweep, models=(runs[0], tmp_path / "deep" / "lstm")), tmp_path / "a")
    save_model(toy_model, tmp_path / "model")
    with pytest.raises(UserError, match=r"a run with its config.yaml, got .*model'"):
        run_sweep(replace(sweep, models=(tmp_path / "model",), vary=("retrained",)), tmp_path / "a", overwrite=True)
    assert not (tmp_path / "a" / "rows.parquet").exists()


def test_questions_that_come_twice(toy_world, runs, tmp_path):
    dataset, _ = toy_world
    shutil.copytree(dataset.folder, tmp_path / "data")
    copies = [query for query in dataset.queries if query.video == "test00"]
    write_dataset(tmp_path / "data", dataset.info, dataset.videos.values(), dataset.segments,
                  [*dataset.queries, *copies])  # fmt: skip
    again = Sweep(data=tmp_path / "data", models=(runs[0],), contexts=CONTEXTS)
    with pytest.raises(UserError, match=r"each question once, got .* 2 times of 'test00' at 1\.000 s\. Remove"):
        run_sweep(again, tmp_path / "out")


@pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
def test_one_group_is_told(toy_world, runs, tmp_path):
    dataset, _ = toy_world
    shutil.copytree(dataset.folder, tmp_path / "data")
    videos = [replace(video, group=f"all of {video.split}") for video in dataset.videos.values()]
    write_dataset(tmp_path / "data", dataset.info, videos, dataset.segments, dataset.queries)
    sweep = Sweep(data=tmp_path / "data", models=(runs[0],), contexts=CONTEXTS, controls=("all",), limit=30)
    text = measure_context(sweep, tmp_path / "out")
    assert "Only 1 group: intervals are rough." in text and "not resolved (1 group)" in text
    assert "swapped_past" not in set(read_rows(tmp_path / "out" / "rows.parquet")["control"])


def test_frame_labels_are_swept(toy_world, tmp_path, capsys):
    config = TrainConfig(head="lstm", dim=16, epochs=1, tasks={"frame_labels": {}, "next_action": {}})
    run = fit(*toy_world, config, tmp_path / "runs" / "lstm")
    options = ["--data", str(toy_world[0].folder), "--model", str(run), "--out", str(tmp_path / "out")]
    assert main(["context", *options, "--contexts", CONTEXTS, "--frame-labels-every", "1.5"]) == 0
    assert "frame_labels" in capsys.readouterr().out
    rows = read_rows(tmp_path / "out" / "rows.parquet")
    assert set(rows["kind"]) == {"frame_labels"} and "blind" not in set(rows["control"])
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "--frame-labels-every 1.5" in page and "Segments by context, a label every 1.5 s" in page
    # Another sweep than that of next actions: the folder says so.
    with pytest.raises(
        UserError,
        match=r"expects controls .* as it began, got .*\. Also different: frame_labels_every, queries\. Name",
    ):
        run_sweep(Sweep(data=toy_world[0].folder, models=(run,), contexts=CONTEXTS), tmp_path / "out")
