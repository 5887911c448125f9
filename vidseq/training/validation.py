"""Validation: the losses and accuracies of a model on a split, and the score that they add up to."""

import math
from collections.abc import Iterator, Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor

from vidseq.model import VideoReasoner
from vidseq.training.clip_sampler import ClipSampler
from vidseq.training.clips import Batch, ClipDataset
from vidseq.training.config import TrainConfig
from vidseq.training.losses import read_batch, right_answers, task_losses
from vidseq.training.state import ValScore


class Validation:
    """Measures a model on the videos of a split.

    Args:
        fabric: device, precision, processes.
        clip_dataset: the split.
        config: batch size and context length.
        causal: whether the model is.
        shared: each process reads a share of the videos; False: this one reads all of them.
        limit: most videos, at equal distances; None: all.
    """

    def __init__(
        self,
        fabric: Fabric,
        clip_dataset: ClipDataset,
        config: TrainConfig,
        *,
        causal: bool,
        shared: bool = True,
        limit: int | None = None,
    ) -> None:
        self._fabric = fabric
        self._clip_dataset = clip_dataset
        self._sampler = ClipSampler(clip_dataset, config, causal=causal)
        videos = clip_dataset.videos
        videos = videos if limit is None else videos[:: math.ceil(len(videos) / limit)]
        self._videos = videos[fabric.global_rank :: config.devices] if shared else videos
        self._batch_size = config.resolved().batch_size

    @torch.inference_mode()
    def measure(self, model: VideoReasoner) -> dict[str, float]:
        """Returns `val_TASK_loss` and `val_TASK_accuracy` of each task that has queries or labels in the split."""
        model.eval()
        model.prepare()
        sums = {name: torch.zeros(3, dtype=torch.float64) for name in model.tasks}
        for batch in self.batches():
            with self._fabric.autocast():
                for name, part in _batch_sums(model, batch).items():
                    sums[name] += part
        metrics: dict[str, float] = {}
        for name, part in sums.items():
            total = self._fabric.all_reduce(part.float().to(self._fabric.device), reduce_op="sum")
            assert isinstance(total, Tensor)
            loss, right, count = total.tolist()
            if count:
                metrics |= {f"val_{name}_loss": loss / count, f"val_{name}_accuracy": right / count}
        return metrics

    def batches(self) -> Iterator[Batch]:
        """The clips by which videos are scored, with their queries and labels."""
        for start in range(0, len(self._videos), self._batch_size):
            videos = self._videos[start : start + self._batch_size]
            clips = [(video, clip) for video in videos for clip in self._sampler.scoring_clips(video)]
            yield self._clip_dataset.batch(clips).to(self._fabric.device)


def _batch_sums(model: VideoReasoner, batch: Batch) -> dict[str, Tensor]:
    """Summed loss, right answers and answers of each task, float64 (3,)."""
    outputs = read_batch(model, batch)
    losses, answers = task_losses(model, batch, outputs), right_answers(model, batch, outputs)
    return {
        name: torch.tensor(
            [losses[name].item() * right.numel(), right.sum().item(), right.numel()], dtype=torch.float64
        )
        for name, right in answers.items()
    }


def validation_score(metrics: Mapping[str, float], monitor: str) -> ValScore | None:
    """Adds metrics up to one score, in which all tasks count alike.

    Args:
        metrics: what `Validation.measure` returned.
        monitor: "accuracy", where equal ones are ranked by loss, or "loss".

    Returns:
        higher is better; None without metrics of a validation split.
    """
    means = []
    for what in ("accuracy", "loss"):
        values = [value for name, value in metrics.items() if name.startswith("val_") and name.endswith(what)]
        if not values:
            return None
        means.append(sum(values) / len(values))
    accuracy, loss = means
    return (accuracy, -loss) if monitor == "accuracy" else (-loss, accuracy)
