"""A run ends with temperatures: fitted on the validation split, kept in its best model, used wherever it answers."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vidseq.checkpoint import load_model, save_model
from vidseq.data.dataset import Dataset
from vidseq.errors import ModelError, UserError
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.metrics import expected_calibration_error, negative_log_likelihood
from vidseq.evaluation.models import queries_for
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.inference.stream import Stream
from vidseq.model import VideoReasoner
from vidseq.training import TrainConfig, fit

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
World = tuple[Dataset, FeatureStore]
CONFIG = TrainConfig(head="lstm", dim=16, epochs=3, device="cpu", patience=None)


@pytest.fixture(scope="module")
def run(toy_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(*toy_world, CONFIG, tmp_path_factory.mktemp("calibrated") / "run")


def calibrations(run: Path) -> dict[str, dict[str, float]]:
    with (run / "calibration.csv").open() as file:
        return {row.pop("task"): {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)}


def test_the_best_model_keeps_what_the_table_says(toy_world: World, run: Path) -> None:
    table = calibrations(run)
    model = load_model(run, "cpu")
    assert set(table) == {"frame_labels", "next_action", "question"} == set(model.config.temperatures)
    for name, row in table.items():
        assert model.config.temperatures[name] == pytest.approx(row["temperature"], rel=1e-5)
        assert model.find_task(name).temperature == model.config.temperatures[name] != 1
        assert row["nll_after"] <= row["nll_before"]
    dataset, store = toy_world
    plain = load_model(run, "cpu")
    plain.set_temperatures(dict.fromkeys(plain.tasks, 1.0))
    queries = queries_for(model, dataset)
    for which, when in ((plain, "before"), (model, "after")):
        rows = evaluate(Predictor(which, dataset.class_labels), dataset, store, "val", queries=queries)
        for kind in ("question", "next_action"):
            part = rows[rows["kind"] == kind]
            assert table[kind]["answers"] == len(part)
            assert negative_log_likelihood(part) == pytest.approx(table[kind][f"nll_{when}"], rel=1e-4)
            assert expected_calibration_error(part) == pytest.approx(table[kind][f"ece_{when}"], abs=1e-4)


def test_frame_labels_are_calibrated(toy_world: World, run: Path) -> None:
    dataset, store = toy_world
    model, row = load_model(run, "cpu"), calibrations(run)["frame_labels"]
    predictor, found = Predictor(model), []
    for video in dataset.split("val"):
        stored = store.read(video.video)
        probabilities = predictor.frame_labels(stored.features, video.video)
        targets = model.dense_task("frame_labels").targets(
            dataset, video.video, stored.pts_seconds, model.dense_task().labels
        )
        found += [-np.log(probabilities[frame, label]) for frame, label in enumerate(targets.tolist()) if label >= 0]
    assert (len(found), np.mean(found)) == (row["answers"], pytest.approx(row["nll_after"], rel=1e-4))


def test_streams_give_the_same_probabilities(toy_world: World, run: Path) -> None:
    dataset, store = toy_world
    model = load_model(run, "cpu")
    video = dataset.split("test")[0].video
    seen = store.read(video)
    stream = Stream(model)
    stream.push(seen.features, seen.pts_seconds)
    query = dataset.queries_of(video)[-1]
    answer = stream.ask(query.question)
    scores = Predictor(model)([seen.features], [seen.pts_seconds], [query])
    assert isinstance(scores, np.ndarray)
    assert answer.probability == pytest.approx(float(np.exp(scores.max())), rel=1e-4)


def test_the_newest_model_is_not_calibrated(run: Path) -> None:
    """Training goes on from it, and its validation answers are not those that the temperatures were fitted on."""
    assert load_model(run / "checkpoints" / "last", "cpu").config.temperatures == {}


def test_a_run_that_was_killed_before_it_was_calibrated_is_calibrated(
    toy_world: World, run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "calibration.csv").unlink()
    model = load_model(copy / "checkpoints" / "best", "cpu")
    model.set_temperatures(dict.fromkeys(model.tasks, 3.0))  # as if it had been killed in between
    save_model(model, copy / "checkpoints" / "best")
    fit(*toy_world, CONFIG, copy, resume=True)
    for name in ("calibration.csv", "checkpoints/best/config.json", "checkpoints/best/model.safetensors"):
        assert (copy / name).read_bytes() == (run / name).read_bytes()
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.suffix in (".csv", ".json", ".pt")}
    fit(*toy_world, CONFIG, copy, resume=True)
    changed = [path.name for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert set(changed) <= {"env.json"}


def test_old_checkpoints_have_no_temperature(toy_model: VideoReasoner, tmp_path: Path) -> None:
    save_model(toy_model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["model"]["temperatures"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert {task.temperature for task in load_model(tmp_path, "cpu").tasks.values()} == {1.0}
    for wrong in (0, -1.0, float("nan")):
        config["model"]["temperatures"] = {"question": wrong}
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError, match="temperatures expect numbers above 0"):
            load_model(tmp_path, "cpu")


def test_a_task_of_another_model_has_no_temperature(toy_model: VideoReasoner) -> None:
    with pytest.raises(UserError, match="Unknown task of this model 'answer_words'"):
        toy_model.set_temperatures({"answer_words": 2.0})
