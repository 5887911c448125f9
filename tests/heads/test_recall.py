"""Learning, not only wiring: "Frank". A name tag is visible once; a query at the end asks for the name."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads import TemporalHead, make_head

DIM, NAMES = 16, 4
LEARNT = 0.02
"""The loss at which hardly any answer is wrong."""
HOUR = 4 * 3600
"""Frames in an hour at 4 fps."""


class NameTags:
    """Clips of a few kinds of noisy frames, with one name tag in the first eighth; the question is always the same."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.kinds = torch.randn(12, DIM - 6, generator=self.generator)
        self.question = F.one_hot(torch.tensor(DIM - 1), DIM) * 2.0

    def clips(self, batch: int, num_frames: int) -> tuple[Tensor, Tensor]:
        kind = torch.randint(12, (batch, num_frames), generator=self.generator)
        noise = 0.2 * torch.randn(batch, num_frames, DIM - 6, generator=self.generator)
        x = F.pad(self.kinds[kind] + noise, (0, 6))
        name = torch.randint(NAMES, (batch,), generator=self.generator)
        tag = 2.0 * (F.one_hot(DIM - 6 + name, DIM) + F.one_hot(torch.tensor(DIM - 2), DIM))
        x[torch.arange(batch), torch.randint(max(1, num_frames // 8), (batch,), generator=self.generator)] = tag
        return x, name


class Asked(nn.Module):
    """A head that reads a clip and then answers a query."""

    def __init__(self, head: TemporalHead) -> None:
        super().__init__()
        self.head, self.decoder = head, nn.Linear(DIM, NAMES)

    def forward(self, x: Tensor, question: Tensor) -> Tensor:
        _, state = self.head.step(x, self.head.init_state(len(x)))
        return self.decoder(self.head.ask(question.expand(len(x), 1, DIM), state))[:, 0]


def learn(
    name: str, options: dict[str, object], plan: list[tuple[int, int, int]], seed: int = 0, until: float = 0.0
) -> tuple[Asked, NameTags]:
    """Trains on clips that grow; the plan's rows are steps, batch, frames. A mean loss below `until` ends a row."""
    torch.manual_seed(seed)
    tags, model = NameTags(seed), Asked(make_head(name, DIM, options))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for steps, batch, num_frames in plan:
        mean_loss = 1.0
        for _ in range(steps):
            x, answer = tags.clips(batch, num_frames)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x, tags.question), answer)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            mean_loss = 0.9 * mean_loss + 0.1 * loss.item()
            if mean_loss < until:
                break
    return model.eval(), tags


@torch.no_grad()
def accuracy(model: Asked, tags: NameTags, batch: int, num_frames: int) -> float:
    x, answer = tags.clips(batch, num_frames)
    return (model(x, tags.question).argmax(-1) == answer).float().mean().item()


@pytest.mark.parametrize(
    "name, options",
    [
        ("associative", {}),
        ("big_bird", {"layers": 1, "block": 4, "window": 4, "capacity": 2, "num_global": 2}),
        ("codebook", {"codes": 16}),
        ("compressive", {"layers": 1, "block": 4, "memory": 4, "compressed": 8, "rate": 2}),
        ("conv", {"layers": 3, "channels": 16}),
        ("conv_encoder", {"layers": 2, "kernel_size": 5, "channels": 16}),
        ("entity", {}),
        ("gru", {}),
        ("hyper", {}),
        ("linformer", {"layers": 1, "block": 4, "rows": 2, "rank": 8}),
        ("longformer", {"layers": 1, "window": 16, "num_global": 2}),
        ("lstm", {}),
        ("memory", {"slots": 8, "readers": 2}),
        ("memory_network", {}),
        ("min_gru", {}),
        ("ms_tcn", {"stages": 2, "layers": 3, "channels": 16}),
        ("performer", {"layers": 1, "features": 32}),
        ("reformer", {"layers": 1, "buckets": 4, "rounds": 2, "window": 12}),
        ("rnn", {}),
        ("ssm", {}),
        ("transformer_xl", {"layers": 1, "memory": 16}),
        ("window", {"layers": 1, "window": 16}),
    ],
)
def test_every_head_learns_a_name_that_is_still_in_reach(name: str, options: dict[str, object]) -> None:
    model, tags = learn(name, options, [(150, 16, 6), (100, 16, 12)], until=LEARNT)
    assert accuracy(model, tags, 256, 12) > 0.95


def test_a_window_forgets_what_it_cannot_see_and_an_lstm_does_not_yet() -> None:
    plan = [(150, 16, 6), (150, 16, 12), (150, 16, 24)]
    window, tags = learn("window", {"layers": 1, "window": 16}, plan)
    assert accuracy(window, tags, 256, 24) < 0.5
    lstm, tags = learn("lstm", {}, plan)
    assert accuracy(lstm, tags, 256, 24) > 0.95


def test_the_memory_head_keeps_frank_for_an_hour() -> None:
    """Trained on clips of 17 minutes at most."""
    plan = [(100, 16, 16), (40, 8, 64), (30, 4, 256), (20, 4, 1024), (20, 2, 4096)]
    model, tags = learn("memory", {"slots": 8, "readers": 2}, plan)
    assert accuracy(model, tags, 16, HOUR) > 0.9
