"""The LightningModule: one step of training, validation, and what happens at the end of an epoch."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
import torch.utils.data
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from vidseq.clip_reader import Reading, read_clips
from vidseq.errors import UserError
from vidseq.model import VideoReasoner
from vidseq.training.clips import Batch, ClipDataset, ClipSampler
from vidseq.training.config import TrainConfig
from vidseq.training.feature_noise import add_feature_noise
from vidseq.training.run_folder import RunFolder

#: The learning rate ends at this share of its highest.
LAST_LR = 0.01


class Lesson(LightningModule):
    """Trains a model on a split, and keeps the model that does best on another.

    Everything random is drawn from (seed, epoch, step), so that a resumed run goes on as if it had never stopped.

    Args:
        model: to be trained.
        config: how.
        train: what it learns from.
        val: what its best state is chosen by; None: the last state counts as the best.
        folder: where results go.
        progress: what `load_progress` gave, to go on from there; None: start.
    """

    def __init__(
        self,
        model: VideoReasoner,
        config: TrainConfig,
        train: ClipDataset,
        val: ClipDataset | None,
        folder: RunFolder,
        progress: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.train_clips = train
        self.val_clips = val
        self.folder = folder
        self.sampler = ClipSampler(train, config, causal=model.config.causal)
        self.epoch = 0
        self.steps_done = 0
        self.best_score: tuple[float, float] | None = None
        self.epochs_since_best = 0
        self._optimizer_state: dict[str, Any] | None = None
        self._losses: list[Tensor] = []
        self._val_sums: dict[str, Tensor] = {}
        self._started = time.perf_counter()
        if progress is not None:
            self._restore(progress)

    # -- how long, how fast

    @property
    def steps_an_epoch(self) -> int:
        """Steps of the optimiser in a full epoch."""
        videos = len(self.train_clips.videos) * self.config.clips_per_video
        return math.ceil(videos / (self.config.batch_size * self.config.devices))

    @property
    def total_steps(self) -> int:
        """Steps of the optimiser in all, unless training stops early."""
        steps = self.steps_an_epoch * self.config.epochs
        return steps if self.config.max_steps is None else min(steps, self.config.max_steps)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        patience = self.config.patience
        return self.steps_done >= self.total_steps or (patience is not None and self.epochs_since_best >= patience)

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step: linear warm-up, then a cosine."""
        warmup = math.ceil(self.config.warmup * self.total_steps)
        if step < warmup:
            return self.config.lr * (step + 1) / (warmup + 1)
        done = (step - warmup) / max(1, self.total_steps - warmup)
        return self.config.lr * (LAST_LR + (1 - LAST_LR) * (1 + math.cos(math.pi * done)) / 2)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; vectors (biases, norms, standing queries) and word embeddings are not pulled towards zero."""
        embeddings = {id(m.weight) for m in self.model.modules() if isinstance(m, torch.nn.Embedding)}
        decay: list[Tensor] = []
        free: list[Tensor] = []
        for parameter in self.model.parameters():
            (free if parameter.ndim < 2 or id(parameter) in embeddings else decay).append(parameter)
        groups = [{"params": decay, "weight_decay": self.config.weight_decay}, {"params": free, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.config.lr)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        return optimizer

    # -- training

    def train_dataloader(self) -> Any:
        """The steps of the coming epoch."""
        return _loader(_Steps(self))

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Lightning's hook: batches know how to move."""
        return batch.to(device)

    def on_train_epoch_start(self) -> None:
        """Starts the clock."""
        self.model.prepare()
        self._started = time.perf_counter()
        self._losses = []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seeds dropout and sets the learning rate."""
        (seed,) = np.random.SeedSequence([self.config.seed, self.epoch, batch_idx, self.global_rank]).generate_state(1)
        torch.manual_seed(int(seed))
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate(self.steps_done)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        reading = self._read(replace(batch, features=self._with_noise(batch.features)))
        loss = torch.stack(
            [
                self.model.find_task(name).options.weight * loss
                for name, loss in self._task_losses(batch, reading).items()
            ]
        ).sum()
        if not bool(torch.isfinite(loss)):
            raise UserError(
                f"Training expects a finite loss, got {loss.item()} in step {self.steps_done + 1}. "
                f"Lower lr (now {self.config.lr:g}) or gradient_clip (now {self.config.gradient_clip:g})"
                + ("." if self.config.precision == "32-true" else ", or use precision 32-true.")
            )
        self._losses.append(loss.detach())
        if (
            self.config.devices > 1
        ):  # processes wait for every weight's gradient, even of a task not asked in this step
            loss = loss + 0 * torch.stack([parameter.sum() for parameter in self.model.parameters()]).sum()
        return loss

    def _with_noise(self, features: Tensor) -> Tensor:
        frames = max(1, round(self.config.drift_seconds * float(Fraction(self.model.config.fps or 1))))
        noise, drift = self.config.feature_noise, self.config.feature_drift
        return add_feature_noise(features, self.model.projection.std, noise=noise, drift=drift, drift_frames=frames)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Counts."""
        self.steps_done += 1

    def _read(self, batch: Batch) -> Reading:
        whole = batch.frame_labels is not None
        return read_clips(self.model, batch.features, batch.mask, batch.asked, whole=whole, videos=batch.videos)

    def _task_losses(self, batch: Batch, reading: Reading) -> dict[str, Tensor]:
        losses = {
            name: self.model.query_task(name).loss(reading.logits[name], targets)
            for name, targets in batch.targets.items()
        }
        if batch.frame_labels is not None:
            losses["frame_labels"] = self._frame_loss(batch.frame_labels, reading)
        return losses

    def _frame_loss(self, labels: Tensor, reading: Reading) -> Tensor:
        logits, mask = in_order(self.model.frame_logits(reading.y), reading, labels.shape[1])
        return self.model.frame_labels.loss(logits, labels, mask)

    # -- validation

    def val_dataloader(self) -> Any:
        """All videos of the validation split, whole."""
        return _loader(_Validation(self)) if self.val_clips is not None else []

    def on_validation_epoch_start(self) -> None:
        """Forgets the last epoch's sums."""
        self.model.prepare()
        self._val_sums = {name: torch.zeros(3, dtype=torch.float64) for name in self.model.tasks}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch's loss, right answers and answers to each task's sums."""
        reading = self._read(batch)
        losses = self._task_losses(batch, reading)
        for name, targets in batch.targets.items():
            task = self.model.query_task(name)
            self._add(name, losses[name], task.right(reading.logits[name], targets, batch.offered[name]))
        if batch.frame_labels is not None:
            logits, _ = in_order(self.model.frame_logits(reading.y), reading, batch.frame_labels.shape[1])
            known = batch.frame_labels >= 0
            self._add(
                "frame_labels", losses["frame_labels"], logits.argmax(dim=-1)[known] == batch.frame_labels[known]
            )

    def _add(self, name: str, loss: Tensor, right: Tensor) -> None:
        count = right.numel()
        self._val_sums[name] += torch.tensor([loss.item() * count, right.sum().item(), count], dtype=torch.float64)

    # -- the end of an epoch

    def on_train_epoch_end(self) -> None:
        """Writes metrics and models, and stops if nothing got better for long."""
        loss = self.trainer.strategy.reduce(torch.stack(self._losses).mean(), reduce_op="mean")
        metrics = {"train_loss": float(loss), **self._val_metrics()}
        score = self._score(metrics)
        best = score is None or self.best_score is None or score > self.best_score
        self.best_score = score if best else self.best_score
        self.epochs_since_best = 0 if best else self.epochs_since_best + 1
        self.epoch += 1
        if self.trainer.is_global_zero:
            self._write(metrics, best=best)
        self.trainer.strategy.barrier()
        self.trainer.should_stop = self.finished

    def _val_metrics(self) -> dict[str, float]:
        """Loss and accuracy of each task on the validation split, summed over all processes."""
        if self.val_clips is None:
            return {}
        metrics: dict[str, float] = {}
        for name, sums in self._val_sums.items():
            total = self.trainer.strategy.reduce(sums.float().to(self.device), reduce_op="sum")
            loss, right, count = total.tolist()
            if count:
                metrics |= {f"val_{name}_loss": loss / count, f"val_{name}_accuracy": right / count}
        return metrics

    def _score(self, metrics: Mapping[str, float]) -> tuple[float, float] | None:
        """What the best model is chosen by, the higher the better: tasks count alike; None without validation."""
        means = []
        for what in ("accuracy", "loss"):
            values = [value for name, value in metrics.items() if name.startswith("val_") and name.endswith(what)]
            if not values:
                return None
            means.append(sum(values) / len(values))
        accuracy, loss = means
        return (accuracy, -loss) if self.config.monitor == "accuracy" else (-loss, accuracy)

    def _write(self, metrics: Mapping[str, float], *, best: bool) -> None:
        seconds = time.perf_counter() - self._started
        lr = self.learning_rate(self.steps_done - 1)
        row = {
            "epoch": self.epoch,
            "step": self.steps_done,
            "seconds": seconds,
            "lr": lr,
            **metrics,
            "best": int(best),
        }
        self.folder.add_metrics(row)
        for logger in self.trainer.loggers:
            logger.log_metrics({"lr": lr, **metrics}, step=self.steps_done)
        self.save(best=best)

    def save(self, *, best: bool) -> None:
        """Writes the models, and what resuming needs."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        progress = {
            "optimizer": optimizer.state_dict(),
            "epoch": self.epoch,
            "steps_done": self.steps_done,
            "best_score": None if self.best_score is None else list(self.best_score),
            "epochs_since_best": self.epochs_since_best,
        }
        self.folder.save(self.model, progress, best=best)

    def _restore(self, progress: Mapping[str, Any]) -> None:
        self.model.load_state_dict(progress["model"])
        self._optimizer_state = progress["optimizer"]
        self.epoch, self.steps_done = progress["epoch"], progress["steps_done"]
        self.best_score = None if progress["best_score"] is None else tuple(progress["best_score"])
        self.epochs_since_best = progress["epochs_since_best"]


def in_order(logits: Tensor, reading: Reading, num_frames: int) -> tuple[Tensor, Tensor]:
    """Puts what was read in pieces back into the order of the frames.

    Args:
        logits: (B, S, C), at the places of `reading`.
        reading: says which frame stands where.
        num_frames: padded length T of the clips.

    Returns:
        (B, T, C), zero where nothing was read, and bool (B, T), True where something was.
    """
    # Padding goes to a place of its own behind the last frame, which is cut off.
    frames = torch.where(reading.mask, reading.frames, num_frames)
    placed = logits.new_zeros(logits.shape[0], num_frames + 1, logits.shape[2])
    placed = placed.scatter(1, frames[..., None].expand_as(logits), logits)
    mask = torch.zeros(frames.shape[0], num_frames + 1, dtype=torch.bool, device=logits.device)
    return placed[:, :-1], mask.scatter(1, frames, True)[:, :-1]


class _Steps(torch.utils.data.Dataset[Batch]):
    """The coming epoch, step by step, as this process sees it."""

    def __init__(self, lesson: Lesson) -> None:
        self._sampler, self._epoch, self._rank = lesson.sampler, lesson.epoch, lesson.global_rank
        self._processes, self._size = lesson.config.devices, lesson.config.batch_size
        self._order = lesson.sampler.order(lesson.epoch)
        self._num_steps = min(lesson.steps_an_epoch, lesson.total_steps - lesson.steps_done)

    def __len__(self) -> int:
        return self._num_steps

    def __getitem__(self, step: int) -> Batch:
        if step >= self._num_steps:
            raise IndexError(step)
        together = self._size * self._processes
        shared = self._order[step * together : (step + 1) * together]
        share = math.ceil(len(shared) / self._processes)
        # Every process must have something to do in every step, or the others would wait for ever.
        videos = (shared * self._processes)[self._rank * share : (self._rank + 1) * share]
        return self._sampler.batch(videos, self._epoch, step, self._rank)


class _Validation(torch.utils.data.Dataset[Batch]):
    """The validation split, shared out among processes."""

    def __init__(self, lesson: Lesson) -> None:
        assert lesson.val_clips is not None
        self._clip_dataset = lesson.val_clips
        self._sampler = ClipSampler(self._clip_dataset, lesson.config, causal=lesson.model.config.causal)
        self._size = lesson.config.batch_size
        self._videos = self._clip_dataset.videos[lesson.global_rank :: lesson.config.devices]

    def __len__(self) -> int:
        return math.ceil(len(self._videos) / self._size)

    def __getitem__(self, index: int) -> Batch:
        videos = self._videos[index * self._size : (index + 1) * self._size]
        return self._clip_dataset.batch(
            [(video, clip) for video in videos for clip in self._sampler.scoring_clips(video)]
        )


def _loader(batches: torch.utils.data.Dataset[Batch]) -> torch.utils.data.DataLoader[Batch]:
    return torch.utils.data.DataLoader(batches, batch_size=None, shuffle=False)
