"""The look of every figure, and how it is saved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.files import atomic_path

#: Colours that the colour-blind tell apart (Okabe and Ito), one a head, the darkest first.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
#: Of lines that only guide the eye.
PALE = "#E6E6E6"
#: What every figure is written in.
FONT: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "vidseq",
}
#: Height of a label, as a share of the panel: labels stand at least so far apart.
LABEL_HEIGHT = 0.055


def save_figure(figure: Figure, stem: Path | str, *, tight: bool = True) -> list[Path]:
    """Writes a figure as `<stem>.svg` and `<stem>.png`, each whole or not at all; the same figure, the same bytes.

    Args:
        figure: to be written.
        stem: the files' path without ending.
        tight: cut the margins off, or grow for what reaches beyond them; False keeps the figure's own size.
    """
    paths = [Path(f"{stem}.svg"), Path(f"{stem}.png")]
    crop: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.12} if tight else {}
    with matplotlib.rc_context(FONT):
        for path in paths:
            with atomic_path(path) as temporary:
                metadata = {"Date": None} if path.suffix == ".svg" else None
                figure.savefig(temporary, dpi=160, metadata=metadata, **crop)
    return paths


def plain_axis(axis: Axes, grid: Literal["x", "y"] = "y") -> None:
    """Takes away the frame's upper and right side, and adds pale lines across one axis, behind all that is drawn."""
    axis.grid(axis=grid, color=PALE, lw=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def spread_labels(heights: Sequence[float]) -> list[float]:
    """Moves heights apart to at least `LABEL_HEIGHT`, each cluster about its own middle."""
    clusters: list[list[int]] = []
    centre: list[float] = []
    for place in sorted(range(len(heights)), key=heights.__getitem__):
        clusters.append([place])
        centre.append(heights[place])
        while len(clusters) > 1 and _gap(clusters, centre) < 0:
            last, middle = clusters.pop(), centre.pop()
            size = len(clusters[-1]) + len(last)
            centre[-1] = (centre[-1] * len(clusters[-1]) + middle * len(last)) / size
            clusters[-1] += last
    spread = [0.0] * len(heights)
    for cluster, middle in zip(clusters, centre):
        for number, place in enumerate(cluster):
            spread[place] = middle + (number - (len(cluster) - 1) / 2) * LABEL_HEIGHT
    return spread


def _gap(clusters: Sequence[Sequence[int]], centre: Sequence[float]) -> float:
    return centre[-1] - centre[-2] - (len(clusters[-1]) + len(clusters[-2])) / 2 * LABEL_HEIGHT
