"""How long training takes, how fast it learns in each step, and which process reads which videos."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from vidseq.training.config import ResolvedConfig, TrainConfig
from vidseq.training.state import TrainingState

#: The learning rate ends at this share of its maximum.
FINAL_LR_SHARE = 0.01


def learning_rate_share(step: int, total_steps: int, warmup: float) -> float:
    """The learning rate of a step, counted from 0, as a share of the highest.

    Args:
        step: from 0.
        total_steps: of the whole training.
        warmup: share of all steps in which it rises linearly; then it falls by a cosine to `FINAL_LR_SHARE`.
    """
    rise = math.ceil(warmup * total_steps)
    if step < rise:
        return (step + 1) / (rise + 1)
    done = (step - rise) / max(1, total_steps - rise)
    return FINAL_LR_SHARE + (1 - FINAL_LR_SHARE) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class Schedule:
    """The steps of a training run.

    Args:
        config: epochs, batch size, processes, learning rate.
        num_videos: training videos.
    """

    config: TrainConfig
    num_videos: int

    @cached_property
    def _options(self) -> ResolvedConfig:
        return self.config.resolved()

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in a full epoch."""
        videos = self.num_videos * self._options.clips_per_video
        return math.ceil(videos / (self._options.batch_size * self._options.devices))

    @property
    def total_steps(self) -> int:
        """Optimizer steps in all epochs, unless training stops early."""
        steps = self.steps_per_epoch * self._options.epochs
        return steps if self.config.max_steps is None else min(steps, self.config.max_steps)

    def steps_in_next_epoch(self, steps_done: int) -> int:
        """Optimizer steps in the epoch that starts after `steps_done` steps; `max_steps` may cut it short."""
        return min(self.steps_per_epoch, self.total_steps - steps_done)

    def is_finished(self, state: TrainingState) -> bool:
        """Whether all steps are done, or `patience` epochs have passed without a better validation score."""
        patience = self.config.patience
        return state.steps_done >= self.total_steps or (patience is not None and state.epochs_since_best >= patience)

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0: a linear warm-up, then a cosine down to `FINAL_LR_SHARE`."""
        return self.config.lr * learning_rate_share(step, self.total_steps, self.config.warmup)

    def videos_of_step(self, order: Sequence[int], step: int, rank: int) -> list[int]:
        """Selects the videos that one process reads in one step.

        Args:
            order: all videos of the epoch, the same in every process.
            step: index of the step in the epoch.
            rank: index of the process.

        Returns:
            at least one video: a process without one would leave the others waiting. In the last step some may be
            read by two processes.
        """
        processes = self.config.devices
        per_step = self._options.batch_size * processes
        videos = list(order[step * per_step : (step + 1) * per_step])
        share = math.ceil(len(videos) / processes)
        return (videos * processes)[rank * share : (rank + 1) * share]
