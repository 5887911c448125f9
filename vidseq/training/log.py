"""What a training run shows while it runs: a progress bar, `metrics.csv` and TensorBoard."""

import contextlib
import threading
from collections.abc import Mapping

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from vidseq.files import naming
from vidseq.progress import progress
from vidseq.training.run_folder import RunFolder


class TrainingLog:
    """Writes the metrics of a run; used by one process.

    Args:
        folder: the run.
        total_steps: optimizer steps of the whole run.
        steps_done: steps that an earlier run has done.
    """

    def __init__(self, folder: RunFolder, total_steps: int, steps_done: int) -> None:
        self._folder = folder
        self._hook = threading.excepthook
        threading.excepthook = self._without_writer
        with naming(folder.path):
            self._writer = SummaryWriter(folder.tensorboard)
        self._bar = progress(total=total_steps, what="train", unit="step")
        self._bar.update(steps_done)

    def add_step(self, loss: Tensor) -> None:
        """Moves the progress bar, which shows the loss of the newest step."""
        if not self._bar.disable:  # reading the loss waits for the device
            self._bar.set_postfix(loss=f"{float(loss):.3f}", refresh=False)
        self._bar.update(1)

    def add_epoch(self, row: Mapping[str, float | int]) -> None:
        """Adds the row of an epoch to `metrics.csv`, and its learning rate, losses and accuracies to TensorBoard."""
        self._folder.add_metrics(row)
        with naming(self._folder.path):
            for name, value in row.items():
                if name not in ("epoch", "step", "seconds", "best"):
                    self._writer.add_scalar(name, value, row["step"])
            self._writer.flush()

    def close(self) -> None:
        """Ends the progress bar and the TensorBoard file."""
        self._bar.close()
        with contextlib.suppress(OSError):  # a full disk; `add_epoch` has said so, and metrics.csv has all
            self._writer.close()
        threading.excepthook = self._hook

    def _without_writer(self, failure: threading.ExceptHookArgs) -> None:
        """Leaves out the traceback of TensorBoard's thread: the next call raises its error here."""
        if not (isinstance(failure.exc_value, OSError) and type(failure.thread).__module__.startswith("tensorboard")):
            self._hook(failure)
