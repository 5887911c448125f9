"""What training minimizes and validation counts: the losses and the right answers of a model's tasks."""

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn

from vidseq.clip_reader import Reading, output_of, read_clips
from vidseq.model import VideoReasoner
from vidseq.training.clips import Batch
from vidseq.training.config import ResolvedConfig, TrainConfig
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
        self._config = config.resolved()

    def forward(self, batch: Batch, glances: Batch | None = None) -> Tensor:
        """Returns the sum of the tasks' losses, weighted by their options, with noise on the features.

        Args:
            batch: clips.
            glances: single frames, whose losses are added.
        """
        loss = self._loss(batch) + (0 if glances is None else self._loss(glances))
        if self._config.devices > 1:
            # Processes wait for the gradient of every parameter, also of a task without queries in this step.
            loss = loss + 0 * torch.stack([parameter.sum() for parameter in self.model.parameters()]).sum()
        return loss

    def _loss(self, batch: Batch) -> Tensor:
        outputs = read_batch(self.model, batch, noisy_features(self.model, batch, self._config))
        return weighted_sum(self.model, task_losses(self.model, batch, outputs))


def noisy_features(model: VideoReasoner, batch: Batch, config: ResolvedConfig, factor: float = 1.0) -> Tensor:
    """The features of a batch as training shows them, (B, T, ...).

    Videos are levelled before noise is added, because it would count as their deviation otherwise.

    Args:
        model: knows the features' deviations and rate.
        batch: clips.
        config: size and pace of the noise.
        factor: multiplies the noise.
    """
    features = model.level(batch.features, batch.mask)
    frames = max(1, round(config.drift_seconds * float(Fraction(model.config.fps or 1))))
    noise, drift = factor * config.feature_noise, factor * config.feature_drift
    std = model.projection.std.flatten()
    noisy = add_feature_noise(features.flatten(2), std, noise=noise, drift=drift, drift_frames=frames)
    return noisy.view_as(features)


def read_batch(model: VideoReasoner, batch: Batch, features: Tensor | None = None) -> Reading:
    """Reads the clips of a batch and asks its queries.

    Args:
        model: reads.
        batch: clips and queries.
        features: replace those of the batch, (B, T, F), and are levelled.
    """
    levelled = features is not None
    read = batch.features if features is None else features
    return read_clips(model, read, batch.mask, batch.asked, whole=batch.whole, videos=batch.videos, levelled=levelled)


def task_losses(model: VideoReasoner, batch: Batch, outputs: Reading) -> dict[str, Tensor]:
    """The loss of each task that the batch has targets for, a scalar each."""
    losses = {}
    for name, targets in batch.targets.items():  # in this order tasks draw their dropout
        output = output_of(model, outputs, name)
        losses[name] = model.find_task(name).loss(output, targets, batch.valid[name])
    return losses


def weighted_sum(model: VideoReasoner, losses: Mapping[str, Tensor]) -> Tensor:
    """The sum of the tasks' losses, each times its option `weight`; a scalar."""
    return torch.stack([model.find_task(name).options.weight * loss for name, loss in losses.items()]).sum()


def right_answers(model: VideoReasoner, batch: Batch, outputs: Reading) -> dict[str, Tensor]:
    """Which queries, and which labelled frames, each task answers right; bool (N,) each."""
    return {
        name: model.find_task(name).right(output_of(model, outputs, name), targets, batch.valid[name])
        for name, targets in batch.targets.items()
    }
