"""Metrics go where a run says, and a logger that fails never costs a training."""

import csv
import importlib.util
import json
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import make_toy_world
from lightning_fabric.loggers import CSVLogger, Logger

from vidseq.cli import main
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.training import TrainConfig, fit

World = tuple[Dataset, FeatureStore]


class Notes(Logger):
    """A logger of one's own that notes what it gets."""

    made: list["Notes"] = []  # noqa: RUF012
    fails_at = ""

    def __init__(self, save_dir: str, name: str) -> None:
        self.save_dir, self._name, self.noted = save_dir, name, []
        self._note("start")
        self.made.append(self)

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> int:
        return 0

    def _note(self, *what: Any) -> None:
        if what[0] == self.fails_at:
            raise ConnectionError("the server\nis gone.")
        self.noted.append(what)

    def log_hyperparams(self, params: Any) -> None:
        self._note("options", params)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._note("metrics", dict(metrics), step)

    def finalize(self, status: str) -> None:
        self._note("end", status)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> type[Notes]:
    """The class, importable as "own_notes:Notes"."""
    module = types.ModuleType("own_notes")
    module.Notes, module.number = Notes, int  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_notes", module)
    monkeypatch.setattr(Notes, "made", [])
    return Notes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_toy_world(tmp_path_factory.mktemp("small"), videos={"train": 2, "val": 1})


def config(logger: str, **options: Any) -> TrainConfig:
    return TrainConfig(**{"dim": 4, "epochs": 1, "device": "cpu", "head": "gru", "logger": logger, **options})


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def files(run: Path) -> set[str]:
    return {path.relative_to(run).parts[0] for path in run.rglob("*")}


def test_csv_is_always_there_and_tensorboard_by_default(world: World, tmp_path: Path) -> None:
    assert "tensorboard" in files(fit(*world, TrainConfig(dim=4, epochs=1, device="cpu"), tmp_path / "usual"))
    run = fit(*world, config("csv"), tmp_path / "csv")
    assert len(rows(run)) == 1 and "tensorboard" not in files(run)


def test_a_logger_of_one_s_own_gets_options_metrics_and_the_end(
    world: World, tmp_path: Path, notes: type[Notes]
) -> None:
    run = fit(*world, config("own_notes:Notes,tensorboard", epochs=2), tmp_path / "run")
    (logger,) = notes.made
    assert (logger.save_dir, logger.name) == (str(run), "run")
    (start, options, *metrics, end) = logger.noted
    assert (start, options[0], options[1]["head"], end) == (("start",), "options", "gru", ("end", "success"))
    assert [step for _, _, step in metrics] == [int(row["step"]) for row in rows(run)]
    for (_, values, _), row in zip(metrics, rows(run), strict=True):
        assert values == pytest.approx({name: float(row[name]) for name in values}, rel=1e-5)
        assert set(row) - set(values) == {"epoch", "step", "seconds", "best"}
    assert "tensorboard" in files(run)


@pytest.mark.parametrize("moment", ["metrics", "end"])
def test_a_logger_that_fails_is_left_out(
    moment: str, world: World, tmp_path: Path, notes: type[Notes], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(notes, "fails_at", moment)
    run = fit(*world, config("own_notes:Notes", epochs=2), tmp_path / "run")
    assert len(rows(run)) == 2
    line = "vidseq: logger 'own_notes:Notes' failed and is left out: the server is gone.\n"
    assert capsys.readouterr().err == line


def test_a_logger_that_does_not_start_is_one_line(
    world: World, tmp_path: Path, notes: type[Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "fails_at", "start")
    with pytest.raises(UserError, match=r"'own_notes:Notes' does not start: the server is gone\. Name another"):
        fit(*world, config("own_notes:Notes"), tmp_path / "run")


def test_an_error_of_training_is_said_to_the_logger(
    world: World, tmp_path: Path, notes: type[Notes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vidseq.training.loop.TrainingLoop.train_epoch", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(*world, config("own_notes:Notes"), tmp_path / "run")
    assert notes.made[0].noted[-1] == ("end", "failed")


@pytest.mark.parametrize(
    ("logger", "said"),
    [
        ("tensorbord", r"Unknown logger 'tensorbord'\. Did you mean 'tensorboard'\?"),
        ("wandb", r"Logger 'wandb' expects the package wandb, got none\. Run `pip install 'vidseq\[wandb\]'`\."),
        ("csv,mlflow", r"Logger 'mlflow' expects the package mlflow, got none\. Run `pip install 'vidseq\[mlflow\]'`"),
        ("trackio", r"Logger 'trackio' expects the package trackio, got none\. Run `pip install 'vidseq\[trackio\]'`"),
        ("no_such:Logger", r"expects module:Class, got 'no_such:Logger' \(No module named 'no_such'\)\."),
        ("own_notes:Other", r"expects module:Class, got 'own_notes:Other' \(module 'own_notes' has no attribute"),
        (":x", r"expects module:Class, got ':x' \(Empty module name\)\."),
        ("own_notes:number", r"expects a class of lightning_fabric\.loggers\.Logger, got 'own_notes:number'\."),
    ],
)
@pytest.mark.usefixtures("notes")
def test_a_wrong_logger_is_one_line_and_leaves_nothing(
    logger: str, said: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wandb", "mlflow", "trackio"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=said):
        fit(*world, config(logger), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_may_go_on_with_another_logger(world: World, tmp_path: Path, notes: type[Notes]) -> None:
    run = fit(*world, config("csv", max_steps=1), tmp_path / "run")
    text = (run / "config.yaml").read_text()
    fit(*world, config("own_notes:Notes", max_steps=1), run, resume=True)
    assert text.replace("logger: csv", "logger: own_notes:Notes") == (run / "config.yaml").read_text()


def test_a_logger_of_fabric_is_one_by_its_class(world: World, tmp_path: Path) -> None:
    run = fit(*world, config("lightning_fabric.loggers:CSVLogger"), tmp_path / "run")
    written = CSVLogger(str(run), name="run", version=0)
    with (Path(written.log_dir) / "metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == [row["step"] for row in rows(run)]


class FakePackage(types.ModuleType):
    """Stands for wandb or trackio: notes what is called, as (name, arguments)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[Any, ...]] = []
        self.config = types.SimpleNamespace(update=self._noting("options"))
        self.init, self.log, self.finish = self._noting("init", self), self._noting("log"), self._noting("finish")

    def _noting(self, what: str, result: object = None) -> Callable[..., object]:
        return lambda *words, **names: (self.calls.append((what, *words, names)), result)[1]


@pytest.mark.parametrize("name", ["wandb", pytest.param("trackio", marks=pytest.mark.slow)])
def test_a_tracker_knows_a_run_again(name: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = FakePackage(name)
    monkeypatch.setitem(sys.modules, name, package)
    run = fit(*world, config(name), tmp_path / "run")
    assert [call[0] for call in package.calls] == ["init", "options", "log", "finish"]
    started, key = package.calls[0][-1], json.loads((run / "logged_runs.json").read_text())[name]
    assert started["project"] == "vidseq" and started["resume"] == "allow" and key in started.values()
    assert package.calls[1][1]["head"] == "gru"
    assert [call[-1]["step"] for call in package.calls[2:3]] == [int(row["step"]) for row in rows(run)]
    (run / "overfitting.csv").unlink()  # as if it had stopped before its end
    fit(*world, config(name), run, resume=True)
    assert package.calls[4][:1] == ("init",) and key in package.calls[4][-1].values()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_keeps_a_run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    run = fit(*world, config("mlflow"), tmp_path / "run")
    (run / "overfitting.csv").unlink()
    fit(*world, config("mlflow"), run, resume=True)
    client = mlflow.MlflowClient()
    (kept,) = client.search_runs([client.get_experiment_by_name("vidseq").experiment_id])
    assert (kept.info.run_name, kept.info.status, kept.data.params["head"]) == ("run", "FINISHED", "gru")
    losses = client.get_metric_history(kept.info.run_id, "train_loss")
    assert [loss.step for loss in losses] == [int(row["step"]) for row in rows(run)]
    assert [loss.value for loss in losses] == pytest.approx([float(row["train_loss"]) for row in rows(run)], rel=1e-5)


def test_the_command_has_it(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--data", str(world[0].folder), "--out", str(tmp_path / "run"), "--logger", "csv,tensorbord"]
    assert main(command) == 2
    assert "Unknown logger 'tensorbord'" in capsys.readouterr().err
