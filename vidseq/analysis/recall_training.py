"""Trains a head on a recall task at growing lags, and scores it at each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from vidseq.analysis.recall import CHANNELS, SYMBOLS, TASKS, Clips
from vidseq.errors import unknown_name
from vidseq.heads import make_head, num_parameters
from vidseq.heads.budget import width_for
from vidseq.training.manners import quiet, restored


@dataclass(frozen=True)
class Stage:
    """Training at one lag; each stage goes on from the last."""

    lag: int
    steps: int
    batch: int = 16


#: From short to long, since nothing is learnt from long clips alone.
STAGES = (Stage(2, 800), Stage(10, 300), Stage(30, 100), Stage(100, 100))
LAGS = (10, 100, 1000, 10_000)


class RecallModel(LightningModule):
    """A head that reads frames, is asked, and answers with a class.

    Args:
        head: name of the head.
        options: of the head.
        parameters: how many the head may have; its width follows.
        lr: learning rate.
    """

    def __init__(self, head: str, options: Mapping[str, object], parameters: int, lr: float) -> None:
        super().__init__()
        self.head = make_head(head, width_for(head, parameters, options), options)
        self.enter = nn.Linear(CHANNELS, self.head.dim)
        self.answer = nn.Linear(self.head.dim, SYMBOLS)
        self.lr = lr

    def forward(self, clips: Clips) -> Tensor:
        """Class scores (B, classes)."""
        _, state = self.head.step(self.enter(clips.frames), self.head.init_state(len(clips.frames)))
        return self.answer(self.head.ask(self.enter(clips.question)[:, None], state))[:, 0]

    def training_step(self, batch: Clips, batch_idx: int) -> Tensor:
        """Lightning's hook: the loss of a batch."""
        return F.cross_entropy(self(batch), batch.answer)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Lightning's hook."""
        return torch.optim.AdamW(self.parameters(), lr=self.lr)


class _Drawn(IterableDataset[Clips]):
    """Fresh clips for every step, stage after stage."""

    def __init__(self, task: str, stages: Sequence[Stage], seed: int) -> None:
        self.task, self.stages, self.seed = task, stages, seed

    def __iter__(self) -> Iterator[Clips]:
        generator = torch.Generator().manual_seed(self.seed)
        for stage in self.stages:
            for _ in range(stage.steps):
                yield TASKS[self.task](generator, stage.batch, stage.lag)


def score_recall(
    head: str,
    task: str,
    *,
    options: Mapping[str, object] | None = None,
    parameters: int = 20_000,
    stages: Sequence[Stage] = STAGES,
    lags: Sequence[int] = LAGS,
    seed: int = 0,
    lr: float = 5e-3,
    queries: int = 256,
) -> pd.DataFrame:
    """Trains one head on one task, and scores it at every lag on clips that it has not seen.

    Args:
        head: its name.
        task: one of `TASKS`.
        options: of the head.
        parameters: how many the head may have; what enters and leaves it comes on top.
        stages: training, lag by lag.
        lags: where to score.
        seed: of weights and clips.
        lr: learning rate.
        queries: clips to score at each lag.

    Returns:
        a row a lag: head, task, lag, accuracy, queries, dim, parameters, seed. Chance is 1/8 (adding: 1/4 at best).

    Raises:
        UserError: an unknown head, task or option.
    """
    if task not in TASKS:
        raise unknown_name("task", task, TASKS)
    with torch.random.fork_rng(devices=[]), quiet(), restored():
        torch.manual_seed(seed)
        model = RecallModel(head, options or {}, parameters, lr)
        _train(model, DataLoader(_Drawn(task, stages, seed), batch_size=None))
    about = {"dim": model.head.dim, "parameters": num_parameters(model.head), "seed": seed}
    model.eval()
    rows = [
        {"head": head, "task": task, "lag": lag, "accuracy": _accuracy(model, task, lag, queries, seed), **about}
        for lag in lags
    ]
    return pd.DataFrame(rows).assign(queries=queries)


def _train(model: RecallModel, batches: DataLoader[Clips]) -> None:
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, batches)


@torch.no_grad()
def _accuracy(model: RecallModel, task: str, lag: int, queries: int, seed: int) -> float:
    """Share of right answers, a few clips at a time, for bounded memory."""
    generator = torch.Generator().manual_seed(1_000_003 + seed)
    batch = max(1, min(queries, 40_000 // lag))
    right = 0
    for start in range(0, queries, batch):
        clips = TASKS[task](generator, min(batch, queries - start), lag)
        right += int((model(clips).argmax(dim=-1) == clips.answer).sum())
    return right / queries


def longest_solved(rows: pd.DataFrame, accuracy: float = 0.9) -> pd.DataFrame:
    """The longest lag up to which a head answers right at every lag tried; 0: none.

    Args:
        rows: of `score_recall`, of any heads, tasks and seeds.
        accuracy: what counts as solved, in the mean over seeds.

    Returns:
        a row a head, a column a task.
    """
    means = rows.groupby(["head", "task", "lag"], sort=False)["accuracy"].mean().reset_index()

    def longest(part: pd.DataFrame) -> int:
        solved = [lag for lag, value in sorted(zip(part["lag"], part["accuracy"])) if value >= accuracy]
        failed = part["lag"][part["accuracy"] < accuracy].min()
        return max((lag for lag in solved if not lag > failed), default=0)

    table: Any = means.groupby(["head", "task"], sort=False)[["lag", "accuracy"]].apply(longest)
    return table.unstack().reindex(columns=[task for task in TASKS if task in set(rows["task"])])
