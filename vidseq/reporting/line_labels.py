"""Writes the name of each line where the line ends, so that a figure needs no legend."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

#: Height of a label, as a share of the axis: labels stand at least so far apart.
LABEL_HEIGHT = 0.07
#: Letters of a label at most.
_LETTERS = 14


class Label(NamedTuple):
    """The name of a line, written where the line ends."""

    height: float
    """On the vertical axis."""
    text: str
    color: str


def short(text: str, letters: int) -> str:
    """Cuts a text to at most so many letters."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def end_label(name: str, height: float, color: str, digits: int = 1) -> Label:
    """Makes the label of a line: its name with the number at which it ends, or a long name alone, cut."""
    text = f"{name or 'model'} {height:.{digits}f}"
    return Label(height, text if len(text) <= _LETTERS else short(name, _LETTERS), color)


def write_labels(axis: Axes, labels: Sequence[Label], x: float = 1.03) -> None:
    """Writes labels to the right of an axis, moved apart where they would touch."""
    bottom, top = axis.get_ylim()
    heights = [(label.height - bottom) / (top - bottom) for label in labels]
    for height, label in zip(within_axis(spread_labels(heights)), labels):
        axis.annotate(
            label.text, (x, height), xycoords="axes fraction", color=label.color, va="center", fontsize=7.5,
            annotation_clip=False, parse_math=False,
        )  # fmt: skip


def spread_labels(heights: Sequence[float]) -> list[float]:
    """Moves heights apart to at least `LABEL_HEIGHT`, each cluster about its own middle."""
    clusters: list[list[int]] = []
    centre: list[float] = []
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        clusters.append([index])
        centre.append(heights[index])
        while len(clusters) > 1 and _gap(clusters, centre) < 0:
            last, middle = clusters.pop(), centre.pop()
            size = len(clusters[-1]) + len(last)
            centre[-1] = (centre[-1] * len(clusters[-1]) + middle * len(last)) / size
            clusters[-1] += last
    spread = [0.0] * len(heights)
    for cluster, middle in zip(clusters, centre):
        for rank, index in enumerate(cluster):
            spread[index] = middle + (rank - (len(cluster) - 1) / 2) * LABEL_HEIGHT
    return spread


def within_axis(heights: Sequence[float]) -> list[float]:
    """Moves heights that are apart into [0, 1] as far as there is room, in the same order and still apart."""
    moved = list(heights)
    order = sorted(range(len(moved)), key=moved.__getitem__)
    for above, index in enumerate(reversed(order)):
        moved[index] = min(moved[index], 1 - above * LABEL_HEIGHT)
    for below, index in enumerate(order):
        moved[index] = max(moved[index], below * LABEL_HEIGHT)
    return moved


def _gap(clusters: Sequence[Sequence[int]], centre: Sequence[float]) -> float:
    return centre[-1] - centre[-2] - (len(clusters[-1]) + len(clusters[-2])) / 2 * LABEL_HEIGHT
