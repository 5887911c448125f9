"""Compares the best model of a run on training and on validation videos: has it learnt few videos by heart?"""

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from lightning_fabric import Fabric

from vidseq.checkpoint import load_model
from vidseq.files import atomic_write, csv_text
from vidseq.training.clips import ClipDataset
from vidseq.training.config import TrainConfig
from vidseq.training.run_folder import RunFolder
from vidseq.training.validation import Validation

#: At least so many training videos are read, and otherwise as many as there are validation videos.
MIN_VIDEOS = 20
#: A model that is so much better on training videos has learnt some of them by heart.
GAP = 0.1


@dataclass(frozen=True)
class Fit:
    """How often a task is right on training and on validation videos."""

    task: str
    train_accuracy: float
    """Without noise and dropout."""
    val_accuracy: float | None
    """None: there are no validation videos."""

    @property
    def text(self) -> str:
        """A line for the user."""
        right = f"{self.task} is right in {self.train_accuracy:.1%} on training videos"
        if self.val_accuracy is None:
            return f"{right}; without a split 'val', nobody knows how much of that is learnt by heart."
        right += f" and in {self.val_accuracy:.1%} on validation videos: "
        if self.train_accuracy - self.val_accuracy > GAP:
            return right + "it overfits. More videos help most, then more noise and dropout."
        return right + "it does not overfit."


def compare_splits(
    fabric: Fabric, train: ClipDataset, val: ClipDataset | None, config: TrainConfig, folder: RunFolder
) -> None:
    """Measures the best model of a run on both splits, and writes `overfitting.csv`; all processes share the work.

    Args:
        fabric: device, precision, processes.
        train: the training split.
        val: the validation split; None: there is none.
        config: batch size and context length.
        folder: the run.
    """
    model = load_model(folder.best, fabric.device)
    limit = max(MIN_VIDEOS, 0 if val is None else len(val.videos))
    causal = model.config.causal
    of_train = Validation(fabric, train, config, causal=causal, limit=limit).measure(model)
    of_val = {} if val is None else Validation(fabric, val, config, causal=causal).measure(model)
    names = [name for name in model.tasks if f"val_{name}_accuracy" in of_train]
    found = [Fit(name, of_train[f"val_{name}_accuracy"], of_val.get(f"val_{name}_accuracy")) for name in names]
    if fabric.is_global_zero:
        atomic_write(folder.overfitting_file, _as_csv(found))
    fabric.barrier()


def read_fits(folder: RunFolder) -> list[Fit]:
    """Reads what `compare_splits` wrote."""
    with folder.overfitting_file.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Fit(
            row["task"],
            float(row["train_accuracy"]),
            float(row["val_accuracy"]) if row["val_accuracy"] else None,
        )
        for row in rows
    ]


def _as_csv(found: Sequence[Fit]) -> str:
    return csv_text([[field.name for field in dataclasses.fields(Fit)], *map(dataclasses.astuple, found)])
