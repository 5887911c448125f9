"""Times a training step by the number of places at which a clip is asked.

Command:   python tools/benchmark_training.py [--feature-dim 7680]
Cost:      ten minutes on one CPU core.
Expected:  at 16 places of 60 frames, one pass makes at least 4 times the steps of pieces, in at most 1.5 times the
           time of a plain loop; at 256 places of 300 frames, it takes at most 1.3 times the time of 16.

A step reads 8 clips, asks one question a place, and changes the weights. Three ways to read take turns, and the
fastest run of each counts:

    one pass     what training does
    pieces       the clip cut at every place, as before; only at 60 frames, because it is slow
    plain loop   the model reads the clip, and is asked once, at its end

Times are CPU seconds of one thread, which other programs do not add to.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from vidseq import ModelConfig, QueryBatch, VideoReasoner, read_clips
from vidseq.cli import run_script

CLIPS, CLASSES, WORDS, TEXTS = 8, 60, 8, 40
#: Frames of a clip, and the numbers of places that are asked of it.
SHORT, LONG = (60, (16,)), (300, (16, 256))
TASK = "question"


class Batch(NamedTuple):
    """Clips with questions at random places; the answers do not matter."""

    features: torch.Tensor
    mask: torch.Tensor
    queries: QueryBatch


class Row(NamedTuple):
    """Milliseconds of a step."""

    head: str
    frames: int
    places: int
    one_pass: float
    pieces: float
    plain_loop: float


def make_model(head: str, feature_dim: int, dim: int) -> VideoReasoner:
    """Makes an untrained model that answers questions."""
    torch.manual_seed(0)
    labels, words = (tuple(f"{kind}{index}" for index in range(CLASSES)) for kind in ("answer", "word"))
    config = ModelConfig(
        feature_dim=feature_dim,
        dim=dim,
        head=head,
        labels={"answer": labels},
        tasks={TASK: {}},
        vocabulary=words,
        feature_dropout=0.1,
        word_dropout=0.02,
    )
    return VideoReasoner(config).train()


def make_batch(frames: int, places: int, feature_dim: int) -> Batch:
    """Makes clips and asks one of a few texts at each place."""
    generator = torch.Generator().manual_seed(0)
    texts = torch.randint(2, CLASSES, (TEXTS, WORDS), generator=generator)
    seen = [1 + torch.randperm(frames, generator=generator)[:places] for _ in range(CLIPS)]
    rows = torch.arange(CLIPS).repeat_interleave(places).tolist()
    tokens = texts[torch.randint(0, TEXTS, (len(rows),), generator=generator)]
    features = torch.randn(CLIPS, frames, feature_dim, generator=generator)
    mask = torch.ones(CLIPS, frames, dtype=torch.bool)
    return Batch(features, mask, QueryBatch(rows, torch.cat(seen).tolist(), tokens))


def one_pass(model: VideoReasoner, batch: Batch) -> torch.Tensor:
    """Answers all questions in one pass."""
    return read_clips(model, batch.features, batch.mask, {TASK: batch.queries}).logits[TASK]


def pieces(model: VideoReasoner, batch: Batch) -> torch.Tensor:
    """Answers all questions from pieces of the clips."""
    model.head.asks_in_one_pass = False  # of this head, not of its class
    try:
        return one_pass(model, batch)
    finally:
        del model.head.asks_in_one_pass


def plain_loop(model: VideoReasoner, batch: Batch) -> torch.Tensor:
    """Reads the clips and asks each once, at its end."""
    _, state = model.step(batch.features, model.init_state(CLIPS))
    return model.ask(batch.queries.tokens[:CLIPS, None], state, TASK)[:, 0]


WAYS: Sequence[Callable[[VideoReasoner, Batch], torch.Tensor]] = (one_pass, pieces, plain_loop)


def train_step(
    model: VideoReasoner, optimizer: torch.optim.Optimizer, batch: Batch, answer: Callable[..., torch.Tensor]
) -> float:
    """Changes the weights once; returns CPU milliseconds."""
    start = time.process_time()
    optimizer.zero_grad()
    logits = answer(model, batch)
    F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long)).backward()
    optimizer.step()
    return 1000 * (time.process_time() - start)


def measure(head: str, feature_dim: int, dim: int, runs: int) -> Iterator[Row]:
    """Measures a head at all lengths and numbers of places; those of one length take turns, too."""
    for frames, numbers in (SHORT, LONG):
        model = make_model(head, feature_dim, dim)
        optimizer = torch.optim.AdamW(model.parameters())
        batches = {places: make_batch(frames, places, feature_dim) for places in numbers}
        best: dict[tuple[int, str], float] = {}
        for _ in range(runs):
            for places, batch in batches.items():
                for way in WAYS if frames == SHORT[0] else (one_pass, plain_loop):
                    key = (places, way.__name__)
                    best[key] = min(best.get(key, float("inf")), train_step(model, optimizer, batch, way))
        for places in numbers:
            yield Row(head, frames, places, *(best.get((places, way.__name__), float("nan")) for way in WAYS))


def table(rows: Sequence[Row]) -> str:
    """Formats milliseconds and ratios."""
    lines = ["| head | frames | places | one pass, ms | pieces / one pass | one pass / plain loop | / 16 places |"]
    lines.append("|---|---|---|---|---|---|---|")
    fewest = {(row.head, row.frames): row.one_pass for row in reversed(rows)}
    for row in rows:
        ratios = row.pieces / row.one_pass, row.one_pass / row.plain_loop, row.one_pass / fewest[row.head, row.frames]
        shown = " | ".join("–" if ratio != ratio else f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"| `{row.head}` | {row.frames} | {row.places} | {row.one_pass:.0f} | {shown} |")
    return "\n".join(lines)


def main(
    heads: Sequence[str] = ("window", "lstm", "gru", "memory", "conv"),
    feature_dim: int = 1280,
    dim: int = 128,
    runs: int = 7,
) -> None:
    """Measures and prints a table.

    Args:
        heads: which ones.
        feature_dim: width of the features; 1280: a vector of EfficientNet-Lite0, 7680: its means over 2 x 3 cells.
        dim: width of the memory.
        runs: turns; the fastest counts.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # gradients of a single question vanish over many frames; tiny numbers are slow
    print(table([row for head in heads for row in measure(head, feature_dim, dim, runs)]))


if __name__ == "__main__":
    run_script(main)
