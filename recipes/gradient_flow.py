"""How far gradients reach back through each untrained head, and through RNNs on either side of the edge.

Command:   python recipes/gradient_flow.py [--heads lstm,window] [--frames 200] [--out runs/gradient_flow]
Cost:      under a minute on one core.
Expected:  the RNN's gradient falls to nothing, stays or explodes by the radius of its recurrence (0.9, 1, 1.1); the
           LSTM's falls more slowly the larger the bias of its forget gate; attention's hardly depends on the lag.
           Norms are relative to those of the frame before the last: the last one also has the residual way.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jsonargparse import auto_cli
from matplotlib.figure import Figure

from vidseq.analysis.gradient_flow import gradient_norms, half_life
from vidseq.evaluation.figure import COLORS, save_figure
from vidseq.evaluation.table import to_markdown, write_table
from vidseq.heads import RNN, TemporalHead, head_names, make_head

DIM, VIDEOS = 32, 4


def main(
    heads: str = "rnn,lstm,conv,memory,window",
    frames: int = 200,
    out: Path = Path("runs/gradient_flow"),
    seed: int = 0,
) -> None:
    """Measures and draws.

    Args:
        heads: names, or "all".
        frames: length of the videos, which are noise.
        out: folder for the table and the figure.
        seed: of weights and noise.
    """
    torch.manual_seed(seed)
    x = torch.randn(VIDEOS, frames, DIM)
    variants = {f"rnn, radius {radius:g}": scaled_rnn(radius) for radius in (0.9, 1.0, 1.1)}
    variants |= {f"lstm, forget bias {bias:g}": make_head("lstm", DIM, {"forget_bias": bias}) for bias in (0.0, 5.0)}
    variants |= {name: make_head(name, DIM) for name in head_names(heads)}
    norms = {}
    for name, head in variants.items():
        values = gradient_norms(head.eval(), x)
        norms[name] = values / values[1]
    rows = [
        {
            "head": name,
            "half_life": half_life(values),
            "lag 10": f"{values[10]:.1e}",
            f"lag {frames - 1}": f"{values[-1]:.1e}",
        }
        for name, values in norms.items()
    ]
    write_table(pd.DataFrame(rows), out / "gradient_flow.csv")
    print(to_markdown(pd.DataFrame(rows), digits=4))
    for path in save_figure(draw(norms), out / "gradient_flow"):
        print(path)


def scaled_rnn(radius: float) -> TemporalHead:
    """An RNN of one layer whose recurrence is a rotation times `radius`, quiet enough not to squash."""
    head = make_head("rnn", DIM, {"layers": 1})
    assert isinstance(head, RNN)
    entry, recurrence, *biases = dict(head.stack.layers[0].named_parameters(prefix="")).values()
    with torch.no_grad():
        recurrence.mul_(radius)
        for quiet in (entry, *biases[:2]):
            quiet.mul_(1e-9)
    return head


def draw(norms: dict[str, np.ndarray]) -> Figure:
    """A line a head: gradient norm against lag, both labelled at the line's end."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    styles = ["-", "--", ":"]
    for number, (name, values) in enumerate(norms.items()):
        style = styles[number // len(COLORS) % len(styles)]
        axes.semilogy(
            range(1, len(values)), values[1:], label=name, color=COLORS[number % len(COLORS)], ls=style, lw=1.5
        )
    axes.set(xlabel="lag (frames)", ylabel="|| d y(T) / d x(T - lag) ||, relative to lag 1", ylim=(1e-12, 1e10))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    axes.set_title("Gradients through time, untrained heads", loc="left", fontweight="bold")
    return figure


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
