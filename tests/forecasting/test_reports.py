"""Forecasts, plans and class-mean recall in `vidseq evaluate`, on small models of the toy world."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.checkpoint import load_model
from vidseq.data.action_sequences import overlapping_actions
from vidseq.data.examples import frame_labels_of
from vidseq.errors import UserError
from vidseq.evaluation.metrics import class_mean_recall, top_k_accuracy
from vidseq.evaluation.models import evaluate_models
from vidseq.evaluation.recall_report import RecallReport
from vidseq.evaluation.rows import Run, read_rows
from vidseq.forecasting import PATIENT, SIMILAR, Forecaster, SimilarMoments, pool
from vidseq.forecasting.class_forecast import OFFSETS
from vidseq.forecasting.forecast_report import ForecastReport
from vidseq.forecasting.long_term import OBSERVED, PREDICTED, evaluate_long_term, fill_gaps, mean_over_classes
from vidseq.forecasting.methods import observed_forecasts
from vidseq.forecasting.plan_report import PlanReport
from vidseq.inference import Predictor
from vidseq.tasks.future import FutureTask, label_shares
from vidseq.training import TrainConfig, fit

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
TASKS = {"next_action": {}, "action_sequence": {"queries_per_video": 4}, "labels_ahead": {"queries_per_video": 4}}


@pytest.fixture(scope="module")
def run(toy_world, tmp_path_factory):
    config = TrainConfig(head="gru", dim=16, epochs=2, tasks=TASKS)
    return fit(*toy_world, config, tmp_path_factory.mktemp("runs") / "toy")


@pytest.fixture(scope="module")
def report(toy_world, run, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    also = [ForecastReport(0.5), PlanReport(3), RecallReport(1)]
    return out, evaluate_models(toy_world[0].folder, [run], out=out, also=also)


def test_forecasts_stand_beside_their_baselines(toy_world, report):
    out, text = report
    dataset, store = toy_world
    rows = pd.read_parquet(out / "forecasts.parquet")
    models = {f"toy {task}" for task in ("action_sequence", "labels_ahead")}
    pooled = {f"{name} + {SIMILAR}" for name in models}
    others = {"last label", "bigram", PATIENT, f"{PATIENT}, mean length", SIMILAR}
    assert set(rows["run"]) == {*models, *pooled, *(f"{name}, likeliest" for name in models), *others}
    assert rows.groupby("run")["total"].sum().nunique() == 1  # all are asked the same
    given_length = set(rows["run"][rows["given_length"]])
    assert given_length == {"bigram", PATIENT, SIMILAR, *pooled, "toy labels_ahead", "toy labels_ahead, likeliest"}
    table = pd.read_csv(out / "forecasts.csv").set_index(["run", "part"])
    for part in ("all", "after_transition"):
        cell = rows[(rows["run"] == "last label") & (rows["part"] == part)]
        cell = cell[(cell["observed"] == 0.3) & (cell["predicted"] == 0.5)]
        assert table.loc[("last label", part), "30%: 0.5"] == round(100 * mean_over_classes(cell), 1)
    assert table.loc[("last label", "after_transition"), "20%: 0.1"] < table.loc[("last label", "all"), "20%: 0.1"]
    right, total = np.zeros(2), np.zeros(2)
    for video in dataset.split("test"):
        segments, times = dataset.segments_of(video.video), store.read(video.video).pts_seconds
        classes = frame_labels_of(segments, times, dataset.action_labels).numpy()
        start, end = int(0.2 * len(classes)), int(0.7 * len(classes))
        total += np.bincount(classes[start:end], minlength=2)
        right[classes[start - 1]] += (classes[start:end] == classes[start - 1]).sum()
    assert table.loc[("last label", "all"), "20%: 0.5"] == round(100 * float((right / total).mean()), 1)
    assert "Long-term anticipation: mean over classes (%)" in text and "after a change" in text
    assert (out / "forecasts_intervals.csv").is_file()


def test_plans_stand_beside_chains(report):
    out, text = report
    rows = pd.read_parquet(out / "plans.parquet")
    assert set(rows["run"]) == {"toy", "last action", "3 most frequent", "chain, drawn"}
    assert rows.groupby("run")["distance"].count().nunique() == 1 and rows["distance"].between(0, 1).all()
    assert "the best of 3" in text and "minus chain, drawn" in text


def test_recall_counts_every_class_alike(report):
    out, text = report
    rows, table = read_rows(out / "recall.parquet"), pd.read_csv(out / "recall.csv")
    assert table["scores"].tolist() == ["as they are", "adjusted"] and set(table["kind"]) == {"next_action"}
    for (_, line), (_, part) in zip(table.iterrows(), rows.groupby("run", sort=False)):
        assert line["class-mean top-1 recall (%)"].startswith(f"{100 * class_mean_recall(part, 1):.1f} [")
        assert line["top-1 (%)"].startswith(f"{100 * top_k_accuracy(part, 1):.1f} [")
    assert "class-mean top-1 recall (%)" in text
    plain = read_rows(out / "rows.parquet")
    own = plain[(plain["kind"] == "next_action") & (plain["context"] == "full")].set_index("query")["rank"]
    as_they_are = rows[rows["tau"] == 0].drop_duplicates("query").set_index("query")["rank"]
    assert as_they_are.sort_index().tolist() == own.sort_index().tolist()


def test_the_pooled_forecast_is_an_option_of_the_forecaster(toy_world, run):
    dataset, store = toy_world
    predictor, times = Predictor(load_model(run, "cpu")), np.arange(24) / 4
    labels = {
        video.video: frame_labels_of(
            dataset.segments_of(video.video), np.arange(24) / 4, dataset.action_labels
        ).numpy()
        for video in dataset.split("train")
    }
    similar = SimilarMoments(labels.values(), 2)
    video = dataset.split("test")[0].video
    classes = frame_labels_of(dataset.segments_of(video), times, dataset.action_labels).numpy()
    for task in (predictor.model.find_task("labels_ahead"), predictor.model.find_task("action_sequence")):
        alone = Forecaster(predictor, task, dataset.action_labels)(store.read(video), video)
        both = Forecaster(predictor, task, dataset.action_labels, similar=similar, weight=0.3)
        assert alone.shape == (len(OBSERVED), len(OFFSETS), 2)
        assert alone.sum(axis=-1) == pytest.approx(1, abs=1e-5)
        expected = pool(alone, observed_forecasts(similar, classes), 0.3)
        np.testing.assert_allclose(both(store.read(video), video, classes), expected)
        future = classes.copy()
        future[int(max(OBSERVED) * 24) :] = 0  # what comes is not seen
        np.testing.assert_allclose(both(store.read(video), video, future), expected)
        swapped = Forecaster(predictor, task, dataset.action_labels[::-1])(store.read(video), video)
        np.testing.assert_allclose(swapped, alone[..., ::-1])
        with pytest.raises(UserError, match="expect the observed labels of the video, got none"):
            both(store.read(video), video)
    with pytest.raises(UserError, match=r"weight of the model from 0 to 1, got 2"):
        Forecaster(predictor, task, dataset.action_labels, weight=2)


def test_class_shares_are_those_of_drawn_futures(toy_world, run):
    model = load_model(run, "cpu")
    task = model.find_task("action_sequence")
    decoded = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    seconds = np.array([0.1, 1.0, 7.5])
    shares = task.class_shares(decoded, seconds, 3.0)
    drawn = task.draw(decoded, 50, generator=torch.Generator().manual_seed(0))[0]
    for row, after in zip(shares, seconds):
        expected = dict(label_shares(drawn, after))
        assert row.tolist() == pytest.approx([expected.get(label, 0.0) for label in task.labels])
    assert isinstance(task, FutureTask) and not task.given_length


def test_overlapping_segments_are_no_sequence(toy_world, run, tmp_path):
    dataset, store = toy_world
    first = dataset.segments[0]
    overlapping = [dataclasses.replace(first, start=first.start, end=first.end + 0.5, label="jump"), *dataset.segments]
    assert overlapping_actions(dataset) is None
    broken = dataclasses.replace(dataset, segments=overlapping)
    assert overlapping_actions(broken) == first.video
    report = ForecastReport()
    assert report.add(Predictor(load_model(run, "cpu")), broken, store, "test", Run(run="toy"))
    (note,) = report.finish(tmp_path)
    assert note.startswith("toy: no long-term anticipation") and first.video in note
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=20))
def test_gaps_take_the_class_before(labels):
    filled = fill_gaps(np.array(labels)).tolist()
    known = [label for label in labels if label >= 0]
    for index, label in enumerate(labels):
        before = [item for item in labels[: index + 1] if item >= 0]
        assert filled[index] == (before[-1] if before else known[0] if known else label)


@given(st.lists(st.integers(-1, 2), min_size=10, max_size=40))
def test_frames_without_a_label_are_not_scored(labels):
    labels = np.array(labels)
    rows = evaluate_long_term(lambda seen, frames: np.full(frames, seen[-1]), {"a": labels}, split=1)
    if not len(rows):
        assert (labels[int(0.2 * len(labels)) : int(0.8 * len(labels))] < 0).all()
        return
    for (observed, predicted), part in rows[rows["part"] == "all"].groupby(["observed", "predicted"]):
        start, end = int(observed * len(labels)), int((observed + predicted) * len(labels))
        true = labels[start:end]
        assert part["total"].sum() == (true >= 0).sum() and predicted in PREDICTED
        assert part["correct"].sum() == ((true == fill_gaps(labels[:start])[-1]) & (true >= 0)).sum()


def test_wrong_numbers_are_refused():
    with pytest.raises(UserError, match=r"--plans expects a number of plans of at least 1, got 0"):
        PlanReport(0)
    with pytest.raises(UserError, match=r"--recall expects a number of answers of at least 1, got 0"):
        RecallReport(0)
