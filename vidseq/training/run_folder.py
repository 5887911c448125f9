"""A training run on disk: config, environment, metrics, models, and the state that resuming needs."""

import csv
import dataclasses
import io
import json
import pickle
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml

from vidseq import __version__
from vidseq.checkpoint import save_model
from vidseq.claims import refuse_difference
from vidseq.data.format import INFO_FILE
from vidseq.errors import ModelError, UserError
from vidseq.files import atomic_write, parse_json, remove_leftovers
from vidseq.model import VideoReasoner
from vidseq.training.config import TrainConfig

#: Options that may change when a run is resumed: they say where it trains and is logged, not what it learns.
FREE_TO_CHANGE = ("device", "strategy", "precision", "logger")
#: What explains options, and is none.
EXPLAINED = "derived"

#: What `training.pt` holds.
PROGRESS_KEYS = {"model", "optimizer", "epoch", "steps_done", "best_score", "epochs_since_best"}

_PACKAGES = ("torch", "lightning-fabric", "numpy", "safetensors")


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of a run.

    ```
    config.yaml  env.json  metrics.csv  calibration.csv  overfitting.csv  decodings.csv  logged_runs.json
    tensorboard/
    checkpoints/{best,last}/model.safetensors config.json
    checkpoints/last/training.pt          weights, optimizer and counts, to resume; tensors and plain values only
    ```
    """

    path: Path

    @property
    def best(self) -> Path:
        """The model with the best validation score."""
        return self.path / "checkpoints" / "best"

    @property
    def last(self) -> Path:
        """The newest model."""
        return self.path / "checkpoints" / "last"

    @property
    def progress_file(self) -> Path:
        """The state that resuming needs."""
        return self.last / "training.pt"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's files."""
        return self.path / "tensorboard"

    @property
    def logged_runs_file(self) -> Path:
        """What other packages' loggers know the run by."""
        return self.path / "logged_runs.json"

    def logged_runs(self) -> dict[str, str]:
        """By package, what it knows the run by; {} if none does."""
        if not self.logged_runs_file.is_file():
            return {}
        return dict(parse_json(self.logged_runs_file.read_text(encoding="utf-8")))

    @property
    def metrics_file(self) -> Path:
        """A row for each epoch."""
        return self.path / "metrics.csv"

    @property
    def overfitting_file(self) -> Path:
        """A row for each task: how often it is right on training and on validation videos."""
        return self.path / "overfitting.csv"

    @property
    def decodings_file(self) -> Path:
        """A row for each decoding that was tried, and which was chosen; see `vidseq.training.decoding_choice`."""
        return self.path / "decodings.csv"

    @property
    def calibration_file(self) -> Path:
        """A row for each task: its temperature, and what it does on the validation split."""
        return self.path / "calibration.csv"

    def start(self, config: TrainConfig, about: Mapping[str, Any], *, resume: bool) -> None:
        """Creates the folder of a new run, or checks that the run in it can be resumed.

        Args:
            config: the training options.
            about: the data set and features.
            resume: whether the folder may hold a run.

        Raises:
            UserError: the folder holds a run and `resume` is False, a run with other options, or a data set.
        """
        if (self.path / INFO_FILE).is_file():
            raise UserError(
                f"Training expects a folder of its own, got '{self.path}', which holds a data set. Name one in it, "
                f"such as '{self.path / 'runs' / 'first'}'."
            )
        remove_leftovers(self.path)
        written = {"training": dataclasses.asdict(config), **about}
        file = self.path / "config.yaml"
        if file.is_file() and self.progress_file.is_file():
            if not resume:
                raise UserError(
                    f"Training expects a new run folder, got '{self.path}', which holds a run. "
                    "Name another folder, or go on with this run (`vidseq train --resume true`)."
                )
            before = yaml.safe_load(file.read_text(encoding="utf-8"))
            fix = "Use the same, or name another folder."
            refuse_difference(f"Run in '{self.path}'", _fixed_fields(before), _fixed_fields(written), fix)
        atomic_write(file, yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
        atomic_write(self.path / "env.json", json.dumps(_environment(), indent=2) + "\n")

    def save(self, model: VideoReasoner, progress: Mapping[str, Any], *, best: bool) -> None:
        """Writes the newest model, also as the best one if it is. A kill at any moment leaves a run to resume.

        Args:
            model: the newest model.
            progress: state of the optimizer and counts; tensors and plain values.
            best: whether the model is the best so far.
        """
        if best:
            save_model(model, self.best)
        save_model(model, self.last)
        # One file holds weights and optimizer, so that a kill cannot leave two files of different steps.
        # Its bytes are written here, because torch does not say that a disk is full.
        content = io.BytesIO()
        torch.save({"model": model.state_dict(), **progress}, content)
        atomic_write(self.progress_file, content.getvalue())

    def load_progress(self) -> dict[str, Any] | None:
        """Reads the state that resuming needs; None if the folder holds no run.

        Raises:
            ModelError: the file is damaged, is of another version, or holds more than tensors and plain values.
        """
        if not self.progress_file.is_file():
            return None
        try:
            saved = torch.load(self.progress_file, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"Resuming expects what training saved in {self.progress_file}, got a damaged file ({reason}). "
                f"Start a new run."
            ) from None
        missing = sorted(PROGRESS_KEYS - set(saved)) if isinstance(saved, dict) else sorted(PROGRESS_KEYS)
        if missing:
            raise ModelError(
                f"Resuming expects what training saved in {self.progress_file}, got a file of another version, "
                f"without {', '.join(missing)}. Start a new run."
            )
        return saved

    def add_metrics(self, row: Mapping[str, float | int | None]) -> None:
        """Adds the row of an epoch to `metrics.csv`, without rows of this and later epochs that a killed run left."""
        rows = [old for old in self._metrics() if int(old["epoch"]) < int(row["epoch"] or 0)]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows([*rows, {name: _rounded(value) for name, value in row.items()}])
        atomic_write(self.metrics_file, text.getvalue())

    def _metrics(self) -> list[dict[str, str]]:
        if not self.metrics_file.is_file():
            return []
        with self.metrics_file.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def _fixed_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """What must stay the same when a run is resumed, from what config.yaml holds."""
    fields = {**config.get("training", {}), **config}
    return {name: fields[name] for name in sorted(fields) if name not in ("training", EXPLAINED, *FREE_TO_CHANGE)}


def _rounded(value: float | int | None) -> float | int | str:
    if value is None:
        return ""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _environment() -> dict[str, Any]:
    """Versions and settings that the results may depend on."""
    return {
        "vidseq": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }
