"""The loggers that a run's metrics go to, by name; each is a logger of Lightning Fabric.

`metrics.csv` is a part of every run and needs no logger. Other packages are imported when a run asks for them.
"""

import contextlib
import dataclasses
import importlib
import inspect
import json
import threading
import types
import uuid
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightning_fabric.loggers import Logger
from torch.utils.tensorboard import SummaryWriter

from vidseq.errors import UserError, missing_package
from vidseq.files import NOT_WRITABLE, atomic_write
from vidseq.training.config import LOGGERS, TrainConfig
from vidseq.training.run_folder import RunFolder

#: The project or experiment that runs of all data sets are listed in, where a logger has such.
PROJECT = "vidseq"


class TensorBoard(Logger):
    """TensorBoard's files in the run's folder. Fabric's own logger would hide that a disk is full.

    Args:
        folder: the run.
    """

    name, version = "tensorboard", ""

    def __init__(self, folder: RunFolder) -> None:
        self._hook = threading.excepthook
        threading.excepthook = self._without_writer
        self._writer = SummaryWriter(folder.tensorboard)

    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Leaves the options out: config.yaml has them."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds the metrics of an epoch."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def save(self) -> None:
        """Writes what was added to disk."""
        self._writer.flush()

    def finalize(self, status: str) -> None:
        """Ends the file."""
        try:
            self._writer.close()
        finally:
            threading.excepthook = self._hook

    def _without_writer(self, failure: threading.ExceptHookArgs) -> None:
        """Leaves out the traceback of TensorBoard's thread: the next call raises its error here."""
        if not (isinstance(failure.exc_value, OSError) and type(failure.thread).__module__.startswith("tensorboard")):
            self._hook(failure)


class RunLogger(Logger):
    """A logger whose run another package keeps; its name is that of the run's folder.

    Args:
        package: the imported package.
        folder: the run.
    """

    package: str

    def __init__(self, package: types.ModuleType, folder: RunFolder) -> None:
        self._package, self._folder = package, folder

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._folder.path.resolve().name

    @property
    def version(self) -> str:
        """What the package knows the run by; the same when training goes on."""
        known = self._folder.logged_runs()
        if self.package not in known:
            known[self.package] = self._new_version()
            atomic_write(self._folder.logged_runs_file, json.dumps(known, indent=2) + "\n")
        return known[self.package]

    def _new_version(self) -> str:
        return f"{self.name}-{uuid.uuid4().hex[:8]}"


class WandbLogger(RunLogger):
    """Weights & Biases. Its environment variables say where: WANDB_MODE=offline keeps a run on this machine."""

    package = "wandb"

    def __init__(self, package: types.ModuleType, folder: RunFolder) -> None:
        super().__init__(package, folder)
        where = {"project": PROJECT, "dir": str(folder.path)}
        self._run = package.init(name=self.name, id=self.version, resume="allow", **where)

    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Adds the training options."""
        self._run.config.update(params, allow_val_change=True)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds the metrics of an epoch."""
        self._run.log(dict(metrics), step=step)

    def finalize(self, status: str) -> None:
        """Ends the run."""
        self._run.finish(exit_code=0 if status == "success" else 1)


class TrackioLogger(RunLogger):
    """trackio, which keeps runs in a folder of this machine."""

    package = "trackio"

    def __init__(self, package: types.ModuleType, folder: RunFolder) -> None:
        super().__init__(package, folder)
        package.init(project=PROJECT, name=self.version, resume="allow", embed=False)

    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Adds the training options."""
        self._package.config.update(params)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds the metrics of an epoch."""
        self._package.log(dict(metrics), step=step)

    def finalize(self, status: str) -> None:
        """Ends the run."""
        self._package.finish()


class MlflowLogger(RunLogger):
    """MLflow. MLFLOW_TRACKING_URI says where."""

    package = "mlflow"

    def __init__(self, package: types.ModuleType, folder: RunFolder) -> None:
        super().__init__(package, folder)
        self._client = package.MlflowClient()
        self._run = self.version
        self._client.update_run(self._run, status="RUNNING")

    def _new_version(self) -> str:
        found = self._client.get_experiment_by_name(PROJECT)
        experiment = self._client.create_experiment(PROJECT) if found is None else found.experiment_id
        return str(self._client.create_run(experiment, run_name=self.name).info.run_id)

    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        """Adds the training options; MLflow keeps those of the start."""
        known = self._client.get_run(self._run).data.params
        for name, value in dict(params).items():
            if name not in known:
                self._client.log_param(self._run, name, value)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds the metrics of an epoch."""
        for name, value in metrics.items():
            self._client.log_metric(self._run, name, value, step=step)

    def finalize(self, status: str) -> None:
        """Ends the run."""
        self._client.set_terminated(self._run, "FINISHED" if status == "success" else "FAILED")


#: The loggers of other packages, by the name of the package, which is that of the extra, too.
PACKAGES: Mapping[str, type[RunLogger]] = {kind.package: kind for kind in (WandbLogger, MlflowLogger, TrackioLogger)}


def check_loggers(names: Sequence[str]) -> None:
    """Imports what loggers need, before anything is written.

    Raises:
        UserError: a package is missing, or a class of one's own cannot be imported or is no logger.
    """
    for name in names:
        if name in PACKAGES:
            _package(name)
        elif name not in LOGGERS:
            _own_class(name)


def open_loggers(folder: RunFolder, config: TrainConfig) -> dict[str, Logger]:
    """Opens the loggers of a run, and gives them its options.

    Args:
        folder: the run.
        config: its options; `config.loggers` names the loggers.

    Raises:
        UserError: a package is missing, or does not start, for example without its key.
    """
    opened: dict[str, Logger] = {}
    for name in config.loggers:
        if name == "csv":
            continue
        try:
            opened[name] = _opener(name)(folder)
            with contextlib.suppress(NotImplementedError):  # some log numbers alone
                opened[name].log_hyperparams(dataclasses.asdict(config))
        except UserError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NOT_WRITABLE:
                raise
            raise UserError(f"Logger '{name}' does not start: {one_line(error)}. Name another.") from error
    return opened


def one_line(error: Exception) -> str:
    """What an error of another package says, as one short line without a full stop."""
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".")


def _opener(name: str) -> Callable[[RunFolder], Logger]:
    if name == "tensorboard":
        return TensorBoard
    if name in PACKAGES:
        return lambda folder: PACKAGES[name](_package(name), folder)
    return lambda folder: _made(_own_class(name), folder)


def _package(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise missing_package(f"Logger '{name}'", name, name) from None


def _own_class(name: str) -> type[Logger]:
    """Imports "module:Class"."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"A logger expects module:Class, got '{name}' ({one_line(error)}). Correct it.") from None
    if not (isinstance(found, type) and issubclass(found, Logger)):
        raise UserError(f"A logger expects a class of lightning_fabric.loggers.Logger, got '{name}'. Name another.")
    return found


def _made(kind: type[Logger], folder: RunFolder) -> Logger:
    """Makes a logger of one's own with those of the usual arguments that it has."""
    offered = {"root_dir": str(folder.path), "save_dir": str(folder.path), "name": folder.path.resolve().name}
    taken = inspect.signature(kind).parameters
    return kind(**{name: value for name, value in offered.items() if name in taken})
