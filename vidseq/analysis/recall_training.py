"""Trains a head on a recall task at growing lags, and scores it at each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from vidseq.analysis.budget import width_for
from vidseq.analysis.recall import CHANNELS, SYMBOLS, TASKS, Clips
from vidseq.errors import unknown_name
from vidseq.heads import make_head, num_parameters


@dataclass(frozen=True)
class Stage:
    """Training up to one lag; each stage goes on from the last. Every other step is at the lag itself, the others at
    shorter ones: a head that cannot reach so far would else lose what it has learnt."""

    lag: int
    steps: int
    batch: int

    def scaled(self, share: float) -> "Stage":
        """A share of its steps, at least one."""
        return replace(self, steps=max(1, round(share * self.steps)))


#: From short to long, since nothing is learnt from long clips alone; not too much of the shortest, from which
#: convolutions learn that lag alone.
STAGES = (Stage(2, 100, 32), Stage(10, 250, 32), Stage(30, 200, 16), Stage(100, 150, 16), Stage(300, 100, 8))
LAGS = (10, 30, 100, 300, 1000, 10_000)
#: Two attention heads, so that they are not too narrow at so few parameters.
TWO: dict[str, object] = {"heads": 2}
#: Of heads of 20,000 parameters. Attention sees 32 frames a layer where it does not see all, and convolutions about as
#: far, so that lags on both sides of their sight are trained; widths that do not follow `dim` are small.
OPTIONS: dict[str, dict[str, object]] = {
    "conv": {"layers": 5, "channels": 28},
    "conv_encoder": {"layers": 2, "kernel_size": 9, "channels": 20},
    "ms_tcn": {"stages": 2, "layers": 5, "channels": 20},
    "hyper": {"units": 16},
    "attention": TWO,
    "window": {"window": 32, **TWO},
    "dilated": {"window": 32, **TWO},
    "longformer": {"window": 32, **TWO},
    "big_bird": {"block": 16, **TWO},
    "performer": {"features": 64, **TWO},
    "linformer": {"block": 16, **TWO},
    "reformer": {"buckets": 4, "window": 16, **TWO},
    "transformer_xl": {"memory": 31, **TWO},
    "compressive": {"block": 32, "memory": 32, "compressed": 64, **TWO},
    "memorizing": {"window": 32, **TWO},
    "retro": {"window": 32, **TWO},
}
#: Widths are multiples of this, so that small heads come near the parameters that they may have.
WIDTH_STEP = 4
#: Frames that are read at once; heads go on from their states.
PIECE = 1000
#: Frames to score at one lag, where that leaves enough clips.
CLIP_FRAMES = 64_000


class RecallModel(nn.Module):
    """A head between a linear layer for frames and questions, and a linear layer for answers.

    Args:
        head: name of the head.
        options: of the head.
        parameters: limit on the head's parameters, which sets its width.
    """

    def __init__(self, head: str, options: Mapping[str, object], parameters: int) -> None:
        super().__init__()
        self.head = make_head(head, width_for(head, parameters, options, step=WIDTH_STEP), options)
        self.enter = nn.Linear(CHANNELS, self.head.dim)
        self.answer = nn.Linear(self.head.dim, SYMBOLS)

    def forward(self, clips: Clips) -> Tensor:
        """Class scores (B, Q, classes)."""
        state = self.head.init_state(len(clips.frames))
        for frames in clips.frames.split(PIECE, dim=1):
            _, state = self.head.step(self.enter(frames), state)
        return self.answer(self.head.ask(self.enter(clips.questions), state))


def _draw_clips(task: str, stages: Sequence[Stage], seed: int) -> Iterator[Clips]:
    """New clips for every step, stage after stage."""
    generator = torch.Generator().manual_seed(seed)
    for stage in stages:
        for step in range(stage.steps):
            lag = stage.lag if step % 2 else _shorter(generator, stage.lag)
            yield TASKS[task](generator, stage.batch, lag)


def _shorter(generator: torch.Generator, lag: int) -> int:
    """A lag from 2 up, as often between 2 and 4 as between 4 and 8."""
    return round(2 * (lag / 2) ** float(torch.rand((), generator=generator)))


def train_recall(
    head: str,
    task: str,
    *,
    options: Mapping[str, object] | None = None,
    parameters: int = 20_000,
    stages: Sequence[Stage] = STAGES,
    seed: int = 0,
    lr: float = 5e-3,
) -> RecallModel:
    """Trains one head on one task; arguments are those of `score_recall`, without stages it stays untrained.

    Returns:
        the model, in evaluation mode.

    Raises:
        UserError: an unknown head, task or option.
    """
    if task not in TASKS:
        raise unknown_name("task", task, TASKS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RecallModel(head, OPTIONS.get(head, {}) if options is None else options, parameters)
        if stages:
            _train(model, _draw_clips(task, stages, seed), lr, sum(stage.steps for stage in stages))
    return model.eval()


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
    clips: int = 256,
) -> pd.DataFrame:
    """Trains one head on one task, and scores it at every lag on clips that it has not seen.

    Args:
        head: its name.
        task: one of `TASKS`.
        options: of the head; None: those of `OPTIONS`.
        parameters: how many the head may have; what enters and leaves it comes on top.
        stages: training, lag by lag.
        lags: where to score.
        seed: of weights and clips.
        lr: learning rate at its peak.
        clips: to score at short lags, with all their questions; at long ones fewer, at least a 16th of them.

    Returns:
        a row a lag: head, task, lag, accuracy, dim, parameters, context_frames (nothing: no limit), seed. Chance is
        1/8 (adding: 1/4 at best).

    Raises:
        UserError: an unknown head, task or option.
    """
    model = train_recall(head, task, options=options, parameters=parameters, stages=stages, seed=seed, lr=lr)
    about = {
        "dim": model.head.dim,
        "parameters": num_parameters(model.head),
        "context_frames": model.head.context_frames,
        "seed": seed,
    }
    rows: list[dict[str, object]] = []
    for lag in sorted(lags):
        accuracy = _accuracy(model, task, lag, max(clips // 16, min(clips, CLIP_FRAMES // lag)), seed)
        rows.append({"head": head, "task": task, "lag": lag, "accuracy": accuracy, **about})
    return pd.DataFrame(rows)


def _train(model: RecallModel, batches: Iterable[Clips], lr: float, steps: int) -> None:
    """Trains for `steps` steps. The learning rate rises at first, else attention learns nothing, and ends at zero."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    rise, fall = steps / 20, steps / 5
    schedule = LambdaLR(optimizer, lambda step: min((step + 1) / rise, 1, (steps - step) / fall))
    for clips in batches:
        loss = F.cross_entropy(model(clips).flatten(0, 1), clips.answers.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _accuracy(model: RecallModel, task: str, lag: int, num_clips: int, seed: int) -> float:
    """Share of right answers, some clips at a time, for bounded memory."""
    generator = torch.Generator().manual_seed(1_000_003 + seed)
    batch = max(1, min(num_clips, 320_000 // lag))
    right = []
    for start in range(0, num_clips, batch):
        clips = TASKS[task](generator, min(batch, num_clips - start), lag)
        right.append(model(clips).argmax(dim=-1) == clips.answers)
    return float(torch.cat(right).float().mean())
