"""The training loop."""

import contextlib
import copy
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from vidseq.errors import UserError
from vidseq.model import VideoReasoner
from vidseq.training.clip_sampler import ClipSampler
from vidseq.training.clips import Batch, ClipDataset
from vidseq.training.config import TrainConfig
from vidseq.training.determinism import deterministic_algorithms, seed_step
from vidseq.training.log import TrainingLog
from vidseq.training.losses import TrainingObjective
from vidseq.training.optimizer import make_optimizer, set_learning_rate
from vidseq.training.run_folder import RunFolder
from vidseq.training.schedule import Schedule
from vidseq.training.state import TrainingState
from vidseq.training.validation import Validation, validation_score


class NonFiniteLossError(UserError):
    """A loss is NaN or infinite. All processes of a run raise it in the same step."""


class TrainingLoop:
    """Trains a model on a split, and keeps the model that scores best on another.

    Every random draw follows from (seed, epoch, step, rank), so that a resumed run equals one that was never stopped.

    Args:
        fabric: device, precision and processes; each process has a loop of its own.
        model: the model to train.
        config: the training options.
        train: the clips to learn from.
        val: the clips that choose the best model; None: the newest model is the best.
        folder: the run that results are written to.
        saved: what `RunFolder.load_progress` returned, to resume; None: start.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: VideoReasoner,
        config: TrainConfig,
        train: ClipDataset,
        val: ClipDataset | None,
        folder: RunFolder,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        causal = model.config.causal
        self.fabric, self.config, self.folder = fabric, config, folder
        self.schedule = Schedule(config, len(train.videos))
        self.state = TrainingState.from_saved(saved)
        self.sampler = ClipSampler(train, config, causal=causal)
        self.validation = None if val is None else Validation(fabric, val, config, causal=causal)
        self.model = model.to(fabric.device)
        optimizer = make_optimizer(model, config)
        if saved is not None:
            model.load_state_dict(saved["model"])
            # Copied, because spawned processes share the memory of the tensors that they are started with.
            optimizer.load_state_dict(copy.deepcopy(saved["optimizer"]))
        self.objective, self.optimizer = fabric.setup(TrainingObjective(model, config), optimizer)
        self.log: TrainingLog | None = None

    def fit(self) -> None:
        """Trains until all epochs are done, or until the validation score stops getting better."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(deterministic_algorithms(self.fabric.device))
            if self.fabric.is_global_zero:
                steps = self.schedule.total_steps, self.state.steps_done
                self.log = stack.enter_context(TrainingLog(self.folder, self.config, *steps))
                if not self.folder.progress_file.exists():
                    self.save(best=False)  # a run that stops in its first epoch can be resumed, too
            while not self.schedule.is_finished(self.state):
                start = time.perf_counter()
                metrics = {"train_loss": self.train_epoch(), **self.validate()}
                best = self.state.end_epoch(validation_score(metrics, self.config.monitor))
                self.end_epoch(metrics, seconds=time.perf_counter() - start, best=best)

    def train_epoch(self) -> float:
        """Trains for an epoch; returns the mean loss over its steps and all processes."""
        self.model.train()
        self.model.prepare()
        order = self.sampler.order(self.state.epoch)
        losses = []
        for step in range(self.schedule.steps_in_next_epoch(self.state.steps_done)):
            batches = self.draw_batches(order, step)
            seed_step(self.config.seed, self.state.epoch, step, self.fabric.global_rank)
            losses.append(self.train_step(*batches))
            self.state.steps_done += 1
            if self.log is not None:
                self.log.add_step(losses[-1])
        return self._mean_over_processes(torch.stack(losses).mean())

    def draw_batches(self, order: Sequence[int], step: int) -> tuple[Batch, Batch | None]:
        """Draws the clips and glances of one step for this process, from an epoch's `order` of videos."""
        place = self.state.epoch, step, self.fabric.global_rank
        batch = self.sampler.batch(self.schedule.videos_of_step(order, step, place[-1]), *place)
        glances = self.sampler.glances(*place)
        return batch.to(self.fabric.device), None if glances is None else glances.to(self.fabric.device)

    def train_step(self, batch: Batch, glances: Batch | None = None) -> Tensor:
        """Learns from one batch, and glances beside it; returns the loss, a scalar.

        Raises:
            NonFiniteLossError: NaN or infinity; the model stays as it was.
        """
        loss = self.objective(batch, glances)
        self._check_finite(loss.detach())
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        if self.config.gradient_clip:
            self.fabric.clip_gradients(
                self.objective, self.optimizer, max_norm=self.config.gradient_clip, error_if_nonfinite=False
            )
        set_learning_rate(self.optimizer, self.schedule.learning_rate(self.state.steps_done))
        self.optimizer.step()
        return loss.detach()

    def validate(self) -> dict[str, float]:
        """Loss and accuracy of each task on the validation split; nothing without one."""
        return {} if self.validation is None else self.validation.measure(self.model)

    def end_epoch(self, metrics: Mapping[str, float], *, seconds: float, best: bool) -> None:
        """Writes the metrics and models of an epoch.

        Args:
            metrics: of the epoch.
            seconds: that it took, validation included.
            best: whether its model is the best so far.
        """
        if self.log is not None:
            steps = self.state.steps_done
            counts = {"epoch": self.state.epoch, "step": steps, "seconds": seconds}
            self.log.add_epoch({**counts, "lr": self.schedule.learning_rate(steps - 1), **metrics, "best": int(best)})
            self.save(best=best)
        self.fabric.barrier()

    def save(self, *, best: bool) -> None:
        """Writes the newest model, what resuming needs, and the best model if this is it."""
        self.folder.save(self.model, {"optimizer": self.optimizer.state_dict(), **self.state.to_saved()}, best=best)

    def _check_finite(self, loss: Tensor) -> None:
        value = self._mean_over_processes(loss.clone())
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"Training expects a finite loss, got {value} in step {self.state.steps_done + 1}. "
                f"Lower lr (now {self.config.lr:g}) or gradient_clip (now {self.config.gradient_clip:g})"
                + ("." if self.config.precision == "32-true" else ", or use precision 32-true.")
            )

    def _mean_over_processes(self, value: Tensor) -> float:
        """The mean of a scalar, whose memory it overwrites."""
        mean = self.fabric.all_reduce(value, reduce_op="mean")
        assert isinstance(mean, Tensor)
        return float(mean)
