"""The style of all figures, and how figures are saved."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from vidseq.files import atomic_path
from vidseq.reporting.fonts import set_fonts

#: Colours that colour-blind readers can distinguish (Okabe and Ito), one per line, the darkest first.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
#: Colours of small print, of warnings, and of lines that only guide the eye.
GREY, ALARM, PALE = "#666666", "#B33A00", "#E6E6E6"
#: The font of every figure.
FONT: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "vidseq",
}

_MARKERS = "osD^vP"


class LineStyle(NamedTuple):
    """The colour and marker of a line, in every figure of a report."""

    color: str
    marker: str


def line_styles(names: Iterable[str]) -> dict[str, LineStyle]:
    """Gives each line a style in the given order; beyond six lines, colours repeat with other markers."""
    return {
        name: LineStyle(COLORS[index % len(COLORS)], _MARKERS[(index + index // len(COLORS)) % len(_MARKERS)])
        for index, name in enumerate(dict.fromkeys(names))
    }


def save_figure(figure: Figure, stem: Path | str, *, tight: bool = True) -> list[Path]:
    """Writes a figure as `<stem>.svg` and `<stem>.png`; the same figure gives the same bytes.

    Args:
        figure: the figure.
        stem: path of the files without their suffix.
        tight: cut margins off, and grow for parts outside them; False keeps the figure's own size.

    Returns:
        the two files.
    """
    paths = [Path(f"{stem}.svg"), Path(f"{stem}.png")]
    crop: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.12} if tight else {}
    _show_words_as_they_are(figure)
    set_fonts(figure)
    with matplotlib.rc_context(FONT), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")  # `set_fonts` reports them in one line
        for path in paths:
            with atomic_path(path) as temporary:
                metadata = {"Date": None} if path.suffix == ".svg" else None
                figure.savefig(temporary, dpi=160, metadata=metadata, **crop)
    return paths


def _show_words_as_they_are(figure: Figure) -> None:
    """Draws dollar signs in names and labels as such; numbers at axes may still be formulas, such as 10^3."""
    axes = [axis for part in figure.axes for axis in (part.xaxis, part.yaxis)]
    numbers = {
        label
        for axis in axes
        for ticks, formatter in (
            (axis.get_major_ticks(), axis.get_major_formatter()),
            (axis.get_minor_ticks(), axis.get_minor_formatter()),
        )
        if not isinstance(formatter, (FixedFormatter, FuncFormatter))
        for tick in ticks
        for label in (tick.label1, tick.label2)
    }
    for text in figure.findobj(Text):
        if text not in numbers:
            text.set_parse_math(False)


def plain_axis(axis: Axes, grid: Literal["x", "y"] = "y") -> None:
    """Removes the frame's upper and right side, and adds pale lines across one axis, behind everything else."""
    axis.grid(axis=grid, color=PALE, lw=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def small_axis(axis: Axes, ylabel: str = "") -> None:
    """Makes a plain axis with small letters, for figures as wide as a phone."""
    plain_axis(axis)
    axis.tick_params(labelsize=8)
    axis.set_ylabel(ylabel, fontsize=8.5)
