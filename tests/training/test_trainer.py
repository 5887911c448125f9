import csv
import dataclasses
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.device import computes_bfloat16
from vidseq.errors import DataError, ModelError, UserError
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.training import TrainConfig, fit, losses
from vidseq.training.clips import Batch
from vidseq.training.loop import TrainingLoop
from vidseq.training.losses import task_losses

World = tuple[Dataset, FeatureStore]


def config(**options: object) -> TrainConfig:
    return TrainConfig(**{"dim": 16, "epochs": 2, "patience": None, "device": "cpu", **options})  # type: ignore[arg-type]


def weights(run: Path, which: str = "last") -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / which / "model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def metrics(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def without_seconds(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def accuracy(world: World, run: Path) -> float:
    """Share of the test split's questions about the past that are answered."""
    dataset, store = world
    predictor = Predictor(load_model(run, "cpu"), {"answer": dataset.answer_labels})
    right = []
    for video in dataset.split("test"):
        features = store.read(video.video)
        queries = [q for q in dataset.queries_of(video.video) if q.kind == "question" and q.time > 1]
        scores = predictor.predict(features.features, features.pts_seconds, queries)
        right += [dataset.answer_labels[int(row.argmax())] == q.answer for row, q in zip(scores, queries)]
    return float(np.mean(right))


def test_a_run_leaves_all_that_predict_needs(
    toy_world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dataset, store = toy_world
    run = fit(dataset, store, config(), tmp_path / "run")
    assert capfd.readouterr() == ("", "")
    rows = metrics(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"train_loss", "val_question_accuracy", "val_next_action_loss", "lr", "best"} <= rows[0].keys()
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert written["training"] == dataclasses.asdict(config().resolved())
    assert (written["dataset"], written["features"]) == ("toy", store.fingerprint.name)
    assert json.loads((run / "env.json").read_text())["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert list((run / "tensorboard").glob("events*"))
    model = load_model(run, "cpu", fingerprint=store.fingerprint)
    assert model.config.labels == {"action": ("wave", "jump"), "answer": ("red", "green", "blue")}
    assert model.config.vocabulary == ("?", "colour", "it", "seen", "was", "what", "which")
    assert float(model.projection.std.min()) > 0
    assert not torch.equal(model.projection.mean, torch.zeros(6))


def test_two_runs_with_one_seed_are_one_and_leave_torch_as_it_was(toy_world: World, tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    first = fit(*toy_world, config(), tmp_path / "first")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    torch.rand(7)  # whatever happened before must not matter
    second = fit(*toy_world, config(), tmp_path / "second")
    other = fit(*toy_world, config(seed=1), tmp_path / "other")
    assert same(weights(first), weights(second))
    assert without_seconds(metrics(first)) == without_seconds(metrics(second))
    assert not same(weights(first), weights(other))


def test_a_killed_run_goes_on_as_if_it_had_not_been(
    toy_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(*toy_world, config(epochs=4), tmp_path / "whole")
    step = TrainingLoop.train_step

    def killed(self: TrainingLoop, *batches: Batch | None) -> torch.Tensor:
        if self.state.steps_done == 7:  # in the third epoch
            raise MemoryError("killed")
        return step(self, *batches)

    monkeypatch.setattr(TrainingLoop, "train_step", killed)
    with pytest.raises(MemoryError, match="killed"):
        fit(*toy_world, config(epochs=4), tmp_path / "killed")
    monkeypatch.undo()
    assert len(metrics(tmp_path / "killed")) == 2
    resumed = fit(*toy_world, config(epochs=4), tmp_path / "killed", resume=True)
    assert same(weights(resumed), weights(whole))
    assert same(weights(resumed, "best"), weights(whole, "best"))
    assert without_seconds(metrics(resumed)) == without_seconds(metrics(whole))


def test_ctrl_c_leaves_a_run_to_resume(toy_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = TrainingLoop.train_step

    def interrupted(self: TrainingLoop, *batches: Batch | None) -> torch.Tensor:
        if self.state.steps_done == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return step(self, *batches)

    assert threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(TrainingLoop, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(*toy_world, config(), tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is handler
    monkeypatch.undo()
    load_model(tmp_path / "run", "cpu")
    resumed = fit(*toy_world, config(), tmp_path / "run", resume=True)
    assert same(weights(resumed), weights(fit(*toy_world, config(), tmp_path / "whole")))


def test_a_finished_run_stays_as_it_is(toy_world: World, tmp_path: Path) -> None:
    run = fit(*toy_world, config(epochs=1), tmp_path / "run")
    before = weights(run)
    fit(*toy_world, config(epochs=1), run, resume=True)
    assert same(weights(run), before)
    assert len(metrics(run)) == 1


def test_a_run_is_not_written_among_the_tables_of_a_data_set(toy_world: World) -> None:
    folder = toy_world[0].folder
    with pytest.raises(
        UserError, match=r"Training expects a folder of its own, got .* data set\. Name one in it, such"
    ):
        fit(*toy_world, config(epochs=1), folder)
    assert not (folder / "config.yaml").exists()


def test_another_run_is_not_overwritten(toy_world: World, tmp_path: Path) -> None:
    run = fit(*toy_world, config(epochs=1), tmp_path / "run")
    with pytest.raises(UserError, match=r"expects a new run folder, got '.*run', which holds a run\."):
        fit(*toy_world, config(epochs=1), run)
    with pytest.raises(UserError, match=r"Run in '.*' expects lr 0\.002 as it began, got 0\.01\. Use the same"):
        fit(*toy_world, config(epochs=1, lr=0.01), run, resume=True)
    file = run / "checkpoints" / "last" / "training.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"expects what training saved in .*training\.pt, got a damaged file"):
        fit(*toy_world, config(epochs=1), run, resume=True)


def test_a_run_of_another_version_is_refused_in_one_line(toy_world: World, tmp_path: Path) -> None:
    run = fit(*toy_world, config(epochs=1), tmp_path / "run")
    file = run / "checkpoints" / "last" / "training.pt"
    saved = torch.load(file, weights_only=True)
    assert saved.keys() == {"model", "optimizer", "epoch", "steps_done", "best_score", "epochs_since_best"}
    torch.save({name: part for name, part in saved.items() if name != "epoch"}, file)
    with pytest.raises(ModelError, match=r"got a file of another version, without epoch\. Start a new run\."):
        fit(*toy_world, config(epochs=1), run, resume=True)
    torch.save([1], file)
    with pytest.raises(ModelError, match=r"got a file of another version, without best_score, epoch, "):
        fit(*toy_world, config(epochs=1), run, resume=True)
    weights_of_another = {**saved["model"], "head.other": torch.zeros(1)}
    torch.save({**saved, "model": weights_of_another}, file)
    with pytest.raises(ModelError, match=r"^Resuming expects weights and optimizer of this model in .*head\.other"):
        fit(*toy_world, config(epochs=1), run, resume=True)
    groups = saved["optimizer"]["param_groups"]
    torch.save({**saved, "optimizer": {**saved["optimizer"], "param_groups": groups[:1]}}, file)
    with pytest.raises(ModelError, match=r"got others \(loaded state dict has a different number of parameter groups"):
        fit(*toy_world, config(epochs=1), run, resume=True)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


def test_no_pickle_is_run(toy_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = fit(*toy_world, config(epochs=1), tmp_path / "run")
    torch.save({"model": Evil()}, run / "checkpoints" / "last" / "training.pt")
    with pytest.raises(ModelError, match="got a damaged file"):
        fit(*toy_world, config(epochs=1), run, resume=True)
    assert not (tmp_path / "evil").exists()


def test_training_stops_when_nothing_gets_better(
    toy_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.5, 0.4, 0.5, 0.3, 0.9])
    monkeypatch.setattr("vidseq.training.loop.validation_score", lambda *args: (next(scores), 0.0))
    run = fit(*toy_world, config(epochs=9, patience=3), tmp_path / "run")
    assert [row["best"] for row in metrics(run)] == ["1", "1", "0", "0", "0"]
    assert not same(weights(run, "best"), weights(run))


def test_the_best_is_chosen_on_val_and_never_on_test(
    toy_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, store = toy_world
    read = FeatureStore.read
    seen = set()

    def spy(self: FeatureStore, video: str) -> object:
        seen.add(video.rstrip("0123456789"))
        return read(self, video)

    monkeypatch.setattr(FeatureStore, "read", spy)
    fit(dataset, store, config(epochs=1), tmp_path / "run")
    assert seen == {"train", "val"}


def test_without_val_the_last_is_the_best(toy_world: World, tmp_path: Path) -> None:
    dataset, store = toy_world
    videos = {name: video for name, video in dataset.videos.items() if video.split != "val"}
    run = fit(
        Dataset(dataset.folder, dataset.info, videos, dataset.segments, dataset.queries), store, config(), tmp_path
    )
    assert same(weights(run, "best"), weights(run))


def test_max_steps_ends_in_the_midst_of_an_epoch(toy_world: World, tmp_path: Path) -> None:
    run = fit(*toy_world, config(epochs=9, max_steps=5), tmp_path / "run")
    assert [row["step"] for row in metrics(run)] == ["3", "5"]


def test_a_loss_that_is_not_finite_is_an_error(
    toy_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nan = torch.tensor(torch.nan)
    monkeypatch.setattr(
        losses, "task_losses", lambda *args: {name: loss * nan for name, loss in task_losses(*args).items()}
    )
    with pytest.raises(UserError, match=r"expects a finite loss, got nan in step 1\. Lower lr \(now 0\.002\)"):
        fit(*toy_world, config(), tmp_path / "run")


@pytest.mark.skipif(not computes_bfloat16(torch.device("cpu")), reason="this CPU has no instructions for bfloat16")
def test_mixed_precision(toy_world: World, tmp_path: Path) -> None:
    run = fit(*toy_world, config(epochs=1, precision="bf16-mixed"), tmp_path / "run")
    assert all(part.dtype == torch.float32 for part in weights(run).values())


def test_offline_labels_see_the_future(toy_world: World, tmp_path: Path) -> None:
    options = {"frame_labels": {"smoothing": 0.15, "class_weighting": "inverse"}}
    run = fit(*toy_world, config(causal=False, tasks=options, epochs=8, lr=0.01), tmp_path / "run")
    assert float(metrics(run)[-1]["val_frame_labels_accuracy"]) > 0.95
    assert list(load_model(run, "cpu").tasks) == ["frame_labels"]


def test_options_of_the_data_set_are_the_defaults(toy_world: World, tmp_path: Path) -> None:
    dataset, store = toy_world
    info = dataclasses.replace(dataset.info, tasks={"next_action": {"anticipation_seconds": 2.0}})
    meant = Dataset(dataset.folder, info, dataset.videos, dataset.segments, dataset.queries)
    run = fit(meant, store, config(epochs=1), tmp_path / "run")
    assert load_model(run, "cpu").config.tasks == {"next_action": {"anticipation_seconds": 2.0}}
    run = fit(meant, store, config(epochs=1, tasks={"next_action": {"weight": 2.0}}), tmp_path / "other")
    assert load_model(run, "cpu").config.tasks == {"next_action": {"anticipation_seconds": 2.0, "weight": 2.0}}


def test_what_cannot_be_learnt_is_told(toy_world: World, tmp_path: Path) -> None:
    dataset, store = toy_world

    def train(segments: list, queries: list[Query], **options: object) -> None:
        bare = Dataset(dataset.folder, dataset.info, dataset.videos, segments, queries)
        fit(bare, store, config(**options), tmp_path / "run")

    with pytest.raises(UserError, match=r"Task question expects questions in queries\.jsonl, got none"):
        train(dataset.segments, [], tasks={"question": {}})
    with pytest.raises(UserError, match=r"expects a data set with segments or queries, got none in 'toy'\."):
        train([], [])
    test_only = [query for query in dataset.queries if query.video.startswith("test")]
    with pytest.raises(DataError, match=r"expects split 'train' with queries or labelled segments, got none"):
        train([], test_only)
    with pytest.raises(UserError, match=r"Unknown task 'qestion'\. Did you mean 'question'\?"):
        train(dataset.segments, [], tasks={"qestion": {}})
    with pytest.raises(UserError, match=r"Unknown head 'lstn'\. Did you mean 'lstm'\?"):
        train(dataset.segments, [], head="lstn")
    assert not (tmp_path / "run").exists()


def test_an_early_fact_is_learnt_by_memory_and_not_without(toy_world: World, tmp_path: Path) -> None:
    learn = config(
        dim=32, epochs=24, lr=0.02, word_dropout=0.0, tasks={"question": {}}, dropout=0.0, feature_dropout=0.0
    )
    remembers = fit(*toy_world, learn, tmp_path / "remembers")
    sees_now = fit(*toy_world, dataclasses.replace(learn, context_seconds=0.25), tmp_path / "sees_now")
    assert accuracy(toy_world, remembers) > 0.9
    assert accuracy(toy_world, sees_now) < 0.6


@pytest.mark.slow
def test_two_processes_learn_together(toy_world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = fit(*toy_world, config(epochs=3, devices=2, batch_size=8), tmp_path / "run")
    assert capfd.readouterr() == ("", "")
    assert "MASTER_PORT" not in os.environ
    assert [row["step"] for row in metrics(run)] == ["3", "6", "9"]
    train_losses = [float(row["train_loss"]) for row in metrics(run)]
    assert train_losses[-1] < train_losses[0]
    load_model(run, "cpu")


def test_a_question_with_two_answers_is_refused_as_in_evaluation(toy_world: World, tmp_path: Path) -> None:
    dataset, store = toy_world
    question = next(query for query in dataset.queries if query.question)
    other = next(answer for answer in dataset.answer_labels if answer != question.answer)
    twice = dataclasses.replace(dataset, queries=[*dataset.queries, dataclasses.replace(question, answer=other)])
    with pytest.raises(
        UserError, match=r"Training expects each question once, got '.*' 2 times of .* `vidseq data ch"
    ):
        fit(twice, store, config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
