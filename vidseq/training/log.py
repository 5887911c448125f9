"""What a training run shows while it runs: a progress bar, `metrics.csv`, and the loggers that it names."""

import contextlib
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from lightning_fabric.loggers import Logger
from torch import Tensor

from vidseq.files import NOT_WRITABLE, naming
from vidseq.progress import progress
from vidseq.training.config import TrainConfig
from vidseq.training.loggers import one_line, open_loggers
from vidseq.training.run_folder import RunFolder

#: Numbers of an epoch that are no metrics.
_COUNTS = ("epoch", "step", "seconds", "best")


class TrainingLog:
    """Writes the metrics of a run; used by one process.

    Args:
        folder: the run.
        config: the options of training, which name the loggers.
        total_steps: optimizer steps of the whole run.
        steps_done: steps that an earlier run has done.
    """

    def __init__(self, folder: RunFolder, config: TrainConfig, total_steps: int, steps_done: int) -> None:
        self._folder = folder
        with naming(folder.path):
            self._loggers = open_loggers(folder, config)
        self._bar = progress(total=total_steps, what="train", unit="step")
        self._bar.update(steps_done)

    def add_step(self, loss: Tensor) -> None:
        """Moves the progress bar, which shows the loss of the newest step."""
        if not self._bar.disable:  # reading the loss waits for the device
            self._bar.set_postfix(loss=f"{float(loss):.3f}", refresh=False)
        self._bar.update(1)

    def add_epoch(self, row: Mapping[str, float | int]) -> None:
        """Adds the row of an epoch to `metrics.csv`, and its learning rate, losses and accuracies to the loggers."""
        self._folder.add_metrics(row)
        metrics = {name: value for name, value in row.items() if name not in _COUNTS}

        def add(logger: Logger) -> None:
            logger.log_metrics(metrics, int(row["step"]))
            logger.save()

        with naming(self._folder.path):
            self._with_each(add)

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the progress bar and the loggers."""
        self._bar.close()
        with contextlib.suppress(OSError):  # a full disk; `add_epoch` has said so, and metrics.csv has all
            self._with_each(lambda logger: logger.finalize("success" if kind is None else "failed"))

    def _with_each(self, act: Callable[[Logger], Any]) -> None:
        """Lets each logger act; one that fails is left out from then on; a full disk ends training, too."""
        for name, logger in list(self._loggers.items()):
            try:
                act(logger)
            except Exception as error:
                if isinstance(error, OSError) and error.errno in NOT_WRITABLE:
                    raise
                del self._loggers[name]
                print(f"vidseq: logger '{name}' failed and is left out: {one_line(error)}.", file=sys.stderr)
