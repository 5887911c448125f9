"""Measures how the cost of every head grows with the length of a video, compared with theory, and what fits in 4 GB.

Command:   python recipes/complexity.py [--heads all] [--frames 1024,2048,4096,8192] [--out runs/complexity]
Cost:      about ten seconds per head on one core; an interrupted run resumes.
Expected:  time, memory and state grow with the powers of the length in table 1 of "Attention is all you need": towards
           2 in time for attention over all frames, about 1 for other heads; the state of a streaming head is constant,
           except for heads that keep every frame. The numbers of layers that a signal passes follow the formulas: one
           for attention and recurrences, (n - 1) / (w - 1) for windows, log2(n) for convolutions with doubling
           dilation.

Exponents are slopes of the logarithms with 95% intervals. A fixed cost makes them smaller for short videos. Layers are
counted by gradients that are not zero, at 17, 33, 65 and 129 frames and with contexts of a few frames. "In 4 GB" is
the longest video that can be read at once, without (read) and with (learn) gradients. Beyond the measured lengths,
memory is extrapolated in proportion to the length or faster. A streaming head with constant state reads any length.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vidseq.analysis import GROWING, complexity_table, measure_complexity
from vidseq.cli import run_script
from vidseq.heads import head_names
from vidseq.progress import progress
from vidseq.reporting import COLORS, save_figure, to_markdown, write_table

TITLES = {
    "time": "time",
    "read": "memory, reading",
    "learn": "memory, learning",
    "state": "state, streaming",
}
assert TITLES.keys() == GROWING.keys()


def main(
    heads: str = "conv,rnn,lstm,memory,associative,attention,window,performer,transformer_xl",
    frames: str = "1024,2048,4096,8192",
    out: Path = Path("runs/complexity"),
    dim: int = 64,
    gigabytes: float = 4.0,
    runs: int = 3,
) -> None:
    """Measures heads, and writes the table and the figure.

    Args:
        heads: names of heads, or "all".
        frames: lengths for time and memory, at least three, in ascending order.
        out: folder for the rows, the table and the figure; existing rows are kept.
        dim: width of the heads.
        gigabytes: memory (10^9 bytes) for which the longest video is computed.
        runs: number of timed runs, of which the fastest counts.
    """
    lengths = [int(length) for length in frames.split(",")]
    rows = []
    for name in progress(head_names(heads), what="complexity", unit="head"):
        path = out / "rows" / f"{name}-{dim}-{'-'.join(map(str, lengths))}.csv"
        if not path.is_file():
            measured = measure_complexity(name, frames=lengths, dim=dim, runs=runs, limit=gigabytes * 1e9)
            write_table(measured, path)
        rows.append(pd.read_csv(path))
    table = complexity_table(pd.concat(rows, ignore_index=True), gigabytes)
    write_table(table, out / "complexity.csv")
    write_table(readable(table, gigabytes), out / "complexity.md")
    print(to_markdown(readable(table, gigabytes)))
    for path in save_figure(draw(table, gigabytes), out / "complexity"):
        print(path)


def readable(table: pd.DataFrame, gigabytes: float) -> pd.DataFrame:
    """Returns the table for readers: theory and measurement, exponents with half the width of their intervals."""
    columns = {"head": table["head"], "cost, O": table["cost"]}
    for word, title in TITLES.items():
        halves = (table[f"{word}_high"] - table[f"{word}_low"]) / 2
        columns[f"{title}: n^"] = [f"{mean:.2f} ±{half:.2f}" for mean, half in zip(table[word], halves)]
    columns |= {"sequential, O": table["sequential"], "path, O": table["path"], "layers": table["layers"]}
    for word in ("read", "learn"):
        columns[f"{word} in {gigabytes:g} GB"] = table[f"{word}_frames"].map(thousands)
    return pd.DataFrame(columns)


def thousands(frames: int) -> str:
    """Formats a number of frames with two significant digits."""
    return f"{round(frames, 1 - int(np.log10(max(1, frames)))):,}"


def draw(table: pd.DataFrame, gigabytes: float) -> Figure:
    """Draws a row per head: exponents with their intervals, and the longest video that fits."""
    figure = Figure(figsize=(11, 1.4 + 0.24 * len(table)), layout="constrained")
    panels = figure.subplots(1, len(TITLES) + 1, sharey=True)
    heights = np.arange(len(table))
    for axes, (word, title) in zip(panels, TITLES.items()):
        bounds = [table[word] - table[f"{word}_low"], table[f"{word}_high"] - table[word]]
        axes.errorbar(table[word], heights, xerr=bounds, fmt="o", color=COLORS[0], ms=4, lw=1, capsize=2)
        axes.set(title=title, xlabel="power of the length", xlim=(-0.2, 2.6), xticks=(0, 1, 2))
    for word, color, marker in (("read", COLORS[2], "o"), ("learn", COLORS[1], "s")):
        panels[-1].semilogx(table[f"{word}_frames"], heights, marker, color=color, ms=4, label=word)
    panels[-1].set(title=f"longest video in {gigabytes:g} GB", xlabel="frames")
    panels[-1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    panels[0].set_yticks(heights, table["head"])
    panels[0].invert_yaxis()
    for axes in panels:
        axes.grid(axis="both", color="#dddddd", lw=0.5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return figure


if __name__ == "__main__":
    run_script(main)
