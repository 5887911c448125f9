"""Trains a head on a recall task at increasing lags, and scores it at each lag."""

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
    """A stage of training, which continues from the stage before.

    Every other step is at the lag itself, the others are at shorter lags. Otherwise a head with a shorter context
    would forget what it has learnt.
    """

    lag: int
    steps: int
    batch: int

    def scaled(self, share: float) -> "Stage":
        """Returns the stage with a share of its steps, at least one."""
        return replace(self, steps=max(1, round(share * self.steps)))


#: Stages from short to long lags, because heads learn nothing from long clips alone. The shortest stage is short,
#: because convolutions would learn only its lag.
STAGES = (Stage(2, 100, 32), Stage(10, 250, 32), Stage(30, 200, 16), Stage(100, 150, 16), Stage(300, 100, 8))
LAGS = (10, 30, 100, 300, 1000, 10_000)
#: With so few parameters, more than two attention heads would be too narrow.
TWO_HEADS: dict[str, object] = {"heads": 2}
#: Options of heads with 20,000 parameters. Local attention sees 32 frames per layer, and convolutions about as many,
#: so that there are lags inside and outside their context. Widths that do not follow `dim` are small.
OPTIONS: dict[str, dict[str, object]] = {
    "conv": {"layers": 5, "channels": 28},
    "conv_encoder": {"layers": 2, "kernel_size": 9, "channels": 20},
    "ms_tcn": {"stages": 2, "layers": 5, "channels": 20},
    "hyper": {"units": 16},
    "attention": TWO_HEADS,
    "window": {"window": 32, **TWO_HEADS},
    "dilated": {"window": 32, **TWO_HEADS},
    "longformer": {"window": 32, **TWO_HEADS},
    "big_bird": {"block": 16, **TWO_HEADS},
    "performer": {"features": 64, **TWO_HEADS},
    "linformer": {"block": 16, **TWO_HEADS},
    "reformer": {"buckets": 4, "window": 16, **TWO_HEADS},
    "transformer_xl": {"memory": 31, **TWO_HEADS},
    "compressive": {"block": 32, "memory": 32, "compressed": 64, **TWO_HEADS},
    "memorizing": {"window": 32, **TWO_HEADS},
    "retro": {"window": 32, **TWO_HEADS},
}
#: The step between widths, small enough that small heads come near their parameter limit.
WIDTH_STEP = 4
#: Number of frames that are read at once; heads continue from their states.
CHUNK_FRAMES = 1000
#: Largest number of frames to score at one lag, if that leaves enough clips.
CLIP_FRAMES = 64_000


class RecallModel(nn.Module):
    """A head between a linear layer for frames and questions, and a linear layer for answers.

    Args:
        head: name of the head.
        options: options of the head.
        parameters: largest number of parameters of the head, which determines its width.
    """

    def __init__(self, head: str, options: Mapping[str, object], parameters: int) -> None:
        super().__init__()
        self.head = make_head(head, width_for(head, parameters, options, step=WIDTH_STEP), options)
        self.enter = nn.Linear(CHANNELS, self.head.dim)
        self.answer = nn.Linear(self.head.dim, SYMBOLS)

    def forward(self, clips: Clips) -> Tensor:
        """Returns class scores (B, Q, classes)."""
        state = self.head.init_state(len(clips.frames))
        for frames in clips.frames.split(CHUNK_FRAMES, dim=1):
            _, state = self.head.step(self.enter(frames), state)
        return self.answer(self.head.ask(self.enter(clips.questions), state))


def _draw_clips(task: str, stages: Sequence[Stage], seed: int) -> Iterator[Clips]:
    """Yields new clips for every step, stage after stage."""
    generator = torch.Generator().manual_seed(seed)
    for stage in stages:
        for step in range(stage.steps):
            lag = stage.lag if step % 2 else _shorter(generator, stage.lag)
            yield TASKS[task](generator, stage.batch, lag)


def _shorter(generator: torch.Generator, lag: int) -> int:
    """Draws a lag from 2 to `lag`, log-uniformly: as often between 2 and 4 as between 4 and 8."""
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
    """Trains one head on one task; the arguments are those of `score_recall`, and without stages it stays untrained.

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
    """Trains one head on one task, and scores it at every lag on new clips.

    Args:
        head: name of the head.
        task: one of `TASKS`.
        options: options of the head; None: those of `OPTIONS`.
        parameters: largest number of parameters of the head, without the linear layers around it.
        stages: the stages of training.
        lags: the lags to score.
        seed: seed of weights and clips.
        lr: largest learning rate.
        clips: number of clips to score at short lags; long lags have fewer, at least a 16th.

    Returns:
        a row per lag: head, task, lag, accuracy, dim, parameters, context_frames (missing: no limit), seed. Chance is
        1/8 (adding: 1/4 at best).

    Raises:
        UserError: the head, task or an option is unknown.
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
    """Trains for `steps` steps. The learning rate warms up, without which attention learns nothing, and ends at 0."""
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
    """Returns the share of right answers; clips are read in batches to bound memory."""
    generator = torch.Generator().manual_seed(1_000_003 + seed)
    batch = max(1, min(num_clips, 320_000 // lag))
    right = []
    for start in range(0, num_clips, batch):
        clips = TASKS[task](generator, min(batch, num_clips - start), lag)
        right.append(model(clips).argmax(dim=-1) == clips.answers)
    return float(torch.cat(right).float().mean())
