"""How far a training run is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A validation score and what decides between equal ones; higher is better.
ValScore = tuple[float, float]


@dataclass
class TrainingState:
    """Counts what a run has done, in a form that `training.pt` keeps."""

    epoch: int = 0
    """Epochs that are complete."""
    steps_done: int = 0
    """Optimizer steps in all epochs."""
    best_score: ValScore | None = None
    """The highest validation score so far; None before the first epoch, or without a validation split."""
    epochs_since_best: int = 0

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any] | None) -> "TrainingState":
        """Restores what `to_saved` wrote; None: a run that starts."""
        if saved is None:
            return cls()
        score = saved["best_score"]
        return cls(
            saved["epoch"], saved["steps_done"], None if score is None else tuple(score), saved["epochs_since_best"]
        )

    def to_saved(self) -> dict[str, Any]:
        """The counts as plain values, which `torch.load` reads with `weights_only`."""
        return {
            "epoch": self.epoch,
            "steps_done": self.steps_done,
            "best_score": None if self.best_score is None else list(self.best_score),
            "epochs_since_best": self.epochs_since_best,
        }

    def end_epoch(self, score: ValScore | None) -> bool:
        """Counts a complete epoch.

        Args:
            score: of its model on the validation split; None: there is no such split.

        Returns:
            whether its model is the best so far; without a score the newest model is.
        """
        best = score is None or self.best_score is None or score > self.best_score
        self.best_score = score if best else self.best_score
        self.epochs_since_best = 0 if best else self.epochs_since_best + 1
        self.epoch += 1
        return best
