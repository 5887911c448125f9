"""What training minimizes and validation counts: the losses and the right answers of a model's tasks."""

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn

from vidseq.clip_reader import Reading, read_clips
from vidseq.model import VideoReasoner
from vidseq.training.clips import Batch
from vidseq.training.config import TrainConfig
from vidseq.training.feature_noise import add_feature_noise


class TrainingObjective(nn.Module):
    """The loss of a batch. A module, because processes exchange gradients of modules that they call.

    Args:
        model: the model to train.
        config: noise on features; processes.
    """

    def __init__(self, model: VideoReasoner, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self._config = config

    def forward(self, batch: Batch) -> Tensor:
        """Returns the sum of the tasks' losses, weighted by their options, with noise on the features."""
        reading = read_batch(self.model, batch, self._with_noise(batch.features))
        loss = weighted_sum(self.model, task_losses(self.model, batch, reading))
        if self._config.devices > 1:
            # Processes wait for the gradient of every parameter, also of a task without queries in this step.
            loss = loss + 0 * torch.stack([parameter.sum() for parameter in self.model.parameters()]).sum()
        return loss

    def _with_noise(self, features: Tensor) -> Tensor:
        frames = max(1, round(self._config.drift_seconds * float(Fraction(self.model.config.fps or 1))))
        noise, drift = self._config.feature_noise, self._config.feature_drift
        return add_feature_noise(features, self.model.projection.std, noise=noise, drift=drift, drift_frames=frames)


def read_batch(model: VideoReasoner, batch: Batch, features: Tensor | None = None) -> Reading:
    """Reads the clips of a batch and asks its queries.

    Args:
        model: reads.
        batch: clips and queries.
        features: replace those of the batch, (B, T, F).
    """
    whole = batch.frame_labels is not None
    features = batch.features if features is None else features
    return read_clips(model, features, batch.mask, batch.asked, whole=whole, videos=batch.videos)


def task_losses(model: VideoReasoner, batch: Batch, reading: Reading) -> dict[str, Tensor]:
    """The loss of each task that the batch has targets for, a scalar each."""
    losses = {
        name: model.query_task(name).loss(reading.logits[name], targets) for name, targets in batch.targets.items()
    }
    if batch.frame_labels is not None:
        logits, mask = frame_logits(model, reading, batch.frame_labels.shape[1])
        losses["frame_labels"] = model.frame_labels.loss(logits, batch.frame_labels, mask)
    return losses


def weighted_sum(model: VideoReasoner, losses: Mapping[str, Tensor]) -> Tensor:
    """The sum of the tasks' losses, each times its option `weight`; a scalar."""
    return torch.stack([model.find_task(name).options.weight * loss for name, loss in losses.items()]).sum()


def right_answers(model: VideoReasoner, batch: Batch, reading: Reading) -> dict[str, Tensor]:
    """Which queries, and which labelled frames, each task answers right; bool (N,) each."""
    right = {
        name: model.query_task(name).right(reading.logits[name], targets, batch.offered[name])
        for name, targets in batch.targets.items()
    }
    if batch.frame_labels is not None:
        logits, _ = frame_logits(model, reading, batch.frame_labels.shape[1])
        known = batch.frame_labels >= 0
        right["frame_labels"] = logits.argmax(dim=-1)[known] == batch.frame_labels[known]
    return right


def frame_logits(model: VideoReasoner, reading: Reading, num_frames: int) -> tuple[Tensor, Tensor]:
    """Class scores of every frame, in the order of the frames.

    Args:
        model: decodes.
        reading: what the model read, in pieces.
        num_frames: padded length T of the clips.

    Returns:
        (B, T, C), zero where nothing was read, and bool (B, T), True where something was.
    """
    logits = model.frame_logits(reading.y)
    # Padding goes to an extra position behind the last frame, which is cut off.
    frames = torch.where(reading.mask, reading.frames, num_frames)
    ordered = logits.new_zeros(logits.shape[0], num_frames + 1, logits.shape[2])
    ordered = ordered.scatter(1, frames[..., None].expand_as(logits), logits)
    mask = torch.zeros(frames.shape[0], num_frames + 1, dtype=torch.bool, device=logits.device)
    return ordered[:, :-1], mask.scatter(1, frames, True)[:, :-1]
