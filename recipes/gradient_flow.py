"""Measures how far gradients reach back: in RNNs of several spectral radii, and in heads before and after training.

Command:   python recipes/gradient_flow.py [--heads lstm,window] [--frames 200] [--out runs/gradient_flow]
Cost:      about 15 seconds per head on one core.
Expected:  without saturation, the gradient of an RNN vanishes, stays or explodes with the power of the spectral radius
           of its recurrence, as theory says. Ordinary inputs saturate it, so that it vanishes even where theory
           expects an explosion. Untrained, the gradients of the RNN and of gated heads fall with the lag, and those of
           attention hardly do. Training on "Frank" (a name that is shown once and asked many frames later) raises the
           gradient to the frame with the name if the head learns to keep it, and lowers the gradient to the frames of
           noise in between. Windows and convolutions, which see 63 frames, have no gradient to older frames.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.analysis import STAGES, TASKS, Clips, RecallModel, gradient_norms, half_life, train_recall
from vidseq.cli import run_script
from vidseq.heads import RNN, RNNLayer, TemporalHead, head_names, make_head
from vidseq.progress import progress
from vidseq.reporting import COLORS, save_figure, to_markdown, write_table

RADII = (0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2)
DIM, VIDEOS = 32, 4
MARKERS = "os^Dv<>"
STYLES = ["-", "--", ":", "-.", (0, (1, 3))]


def main(
    heads: str = "rnn,lstm,conv,memory,associative,window",
    frames: int = 200,
    out: Path = Path("runs/gradient_flow"),
    train_steps: float = 1.0,
    seed: int = 0,
) -> None:
    """Measures gradients, and writes the tables and the figure.

    Args:
        heads: names of heads, or "all".
        frames: length of the videos: the name, frames of noise, the question.
        out: folder for the tables and the figure.
        train_steps: share of the training steps of `recipes/recall.py`.
        seed: seed of weights and videos.
    """
    torch.manual_seed(seed)
    noise = torch.randn(VIDEOS, frames, DIM, dtype=torch.float64)
    sweep = {radius: (relative(radius, noise, quiet=1e-20), relative(radius, noise, quiet=1.0)) for radius in RADII}
    report(sweep_table(sweep), out / "radius.csv")

    clips = TASKS["frank"](torch.Generator().manual_seed(seed), VIDEOS, frames - 2)
    stages = [stage.scaled(train_steps) for stage in STAGES]
    before, after, rows = {}, {}, []
    for name in progress(head_names(heads), what="gradients", unit="head"):
        untrained, trained = (train_recall(name, "frank", stages=plan, seed=seed) for plan in ([], stages))
        before[name], after[name] = flow(untrained, clips), flow(trained, clips)
        rows.append(head_row(name, before[name], after[name], accuracy(trained, frames - 2, seed)))
    report(pd.DataFrame(rows), out / "gradient_flow.csv")
    for path in save_figure(draw(sweep, before, after), out / "gradient_flow"):
        print(path)


def relative(radius: float, x: torch.Tensor, quiet: float) -> np.ndarray:
    """Returns gradient norms of an RNN by lag, relative to that of lag 1; the RNN has no residual connection."""
    norms = gradient_norms(scaled_rnn(radius, quiet).eval(), x)
    return norms / norms[1]


def scaled_rnn(radius: float, quiet: float) -> TemporalHead:
    """Makes a one-layer RNN whose recurrence is a rotation times `radius` and whose inputs are scaled by `quiet`."""
    head = make_head("rnn", DIM, {"layers": 1})
    assert isinstance(head, RNN)
    layer = head.stack.layers[0]
    assert isinstance(layer, RNNLayer)
    entry, recurrence, *biases = layer.kernel.parameters()
    with torch.no_grad():
        recurrence.mul_(radius)
        for weight in (entry, *biases):
            weight.mul_(quiet)
    return head.double()  # the smallest gradients are below the range of float32


def flow(model: RecallModel, clips: Clips) -> np.ndarray:
    """Returns gradient norms of the answer by lag, relative to that of the question; the longest lag is the name."""
    with torch.no_grad():
        x = model.enter(torch.cat([clips.frames, clips.questions], dim=1))
    norms = gradient_norms(model.head, x)
    return norms / norms[0]


@torch.no_grad()
def accuracy(model: RecallModel, lag: int, seed: int) -> float:
    """Computes the share of names that a model answers correctly after `lag` frames."""
    clips = TASKS["frank"](torch.Generator().manual_seed(seed + 1), 128, lag)
    return float((model(clips).argmax(dim=-1) == clips.answers).float().mean())


def sweep_table(sweep: Mapping[float, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Tabulates half-lives in frames (negative: gradients grow), from theory and from measurements."""
    return pd.DataFrame(
        {
            "radius": radius,
            "half_life_theory": -np.log(2) / np.log(radius) if radius != 1 else float("inf"),
            "half_life": half_life(linear[1:]),
            "half_life_squashed": half_life(squashed[1:]),
            "last_lag_theory": f"{radius ** (len(linear) - 2):.1e}",
            "last_lag": f"{linear[-1]:.1e}",
            "last_lag_squashed": f"{squashed[-1]:.1e}",
        }
        for radius, (linear, squashed) in sweep.items()
    )


def head_row(name: str, before: np.ndarray, after: np.ndarray, right: float) -> dict[str, object]:
    """Tabulates a head's gradients to the noise and to the name, untrained and trained, and its accuracy."""
    return {
        "head": name,
        "half_life_untrained": half_life(before[1:-1]),
        "half_life_trained": half_life(after[1:-1]),
        "noise_untrained": f"{np.median(before[1:-1]):.1e}",
        "noise_trained": f"{np.median(after[1:-1]):.1e}",
        "name_untrained": f"{before[-1]:.1e}",
        "name_trained": f"{after[-1]:.1e}",
        "accuracy": right,
    }


def report(table: pd.DataFrame, path: Path) -> None:
    """Writes a table and prints it."""
    write_table(table, path)
    print(to_markdown(table, digits=2))


def draw(
    sweep: Mapping[float, tuple[np.ndarray, np.ndarray]],
    before: Mapping[str, np.ndarray],
    after: Mapping[str, np.ndarray],
) -> Figure:
    """Draws gradient norms against lag: the sweep over radii, and the heads before and after training."""
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for index, (radius, (linear, squashed)) in enumerate(sweep.items()):
        color = COLORS[index % len(COLORS)] if index < len(COLORS) else "black"
        left.semilogy(range(1, len(linear)), linear[1:], color=color, lw=1.5, label=f"radius {radius:g}")
        left.semilogy(range(1, len(squashed)), squashed[1:], color=color, lw=1, ls=":")
    left.set(title="RNN: quiet inputs; dotted: ordinary ones", ylim=(1e-12, 1e14), ylabel="gradient, of that at lag 1")
    left.legend(frameon=False, fontsize=8, loc="upper left", ncols=2, columnspacing=1)
    for axes, flows, title in ((middle, before, "Heads, untrained"), (right, after, "Heads, trained on Frank")):
        for index, (name, values) in enumerate(flows.items()):
            draw_head(axes, index, name, values)
        axes.set(title=title, ylim=(1e-8, 1e2), ylabel="gradient, of that at the question; mark: the name")
    right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    for axes in (left, middle, right):
        axes.set_xlabel("lag (frames)")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_head(axes: Axes, index: int, name: str, values: np.ndarray) -> None:
    """Draws a line over the frames of noise, and a marker for the name."""
    color, style = COLORS[index % len(COLORS)], STYLES[index // len(COLORS) % len(STYLES)]
    axes.semilogy(range(1, len(values) - 1), values[1:-1], color=color, ls=style, lw=1.2, label=name)
    marker = MARKERS[index % len(MARKERS)]  # hollow, because markers may overlap
    axes.semilogy(len(values) - 1, values[-1], marker, color=color, mfc="none", ms=6)


if __name__ == "__main__":
    run_script(main)
