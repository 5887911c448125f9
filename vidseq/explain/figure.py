"""Draws thumbnails over a timeline of what deleting each frame costs, the minimal set and the true evidence."""

import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vidseq.explain.find import ImportantPast
from vidseq.explain.occlusion import MIN_LOSS, frame_losses
from vidseq.reporting.figures import COLORS, FONT

_LOSS, _SUFFICIENT, _EVIDENCE, _GREY = COLORS[1], COLORS[0], COLORS[2], "#666666"
_NUM_TILES = 8
#: The least height of the axis of losses, in points, so that small losses look small.
_MIN_HEIGHT = 10.0
#: Sizes of the layout in inches, from the left and from the top.
_WIDTH, _LEFT, _RIGHT = 10.0, 1.3, 1.5
_TITLE, _GAP, _CURVES, _ROW, _SMALL_PRINT = 0.62, 0.26, 1.45, 0.26, 0.8


class Tile(NamedTuple):
    """An image that stands for one frame."""

    image: np.ndarray
    """RGB (H, W, 3), or grey (H, W) in [0, 1] if there is no video file."""
    caption: str = ""


#: Returns the tiles of some frames, given by their indices.
DrawTiles = Callable[[Sequence[int]], list[Tile]]


def important_past_figure(found: ImportantPast, draw_tiles: DrawTiles) -> Figure:
    """Draws what one prediction rests on.

    Args:
        found: see `find_important_past`.
        draw_tiles: returns the images of frames; see `vidseq.explain.tiles`.

    Returns:
        the figure; save it with `vidseq.reporting.figures.save_figure`.
    """
    frames = choose_frames(found)
    tiles = draw_tiles(frames)
    rows = ["minimal set"] + (["true evidence"] if found.query.evidence else [])
    span = _WIDTH - _LEFT - _RIGHT
    high, wide = tiles[0].image.shape[:2]
    strip = min(1.4, span / len(tiles) * high / wide)
    bars = _ROW * len(rows)
    height = _TITLE + strip + _GAP + _CURVES + 0.08 + bars + _SMALL_PRINT
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(_WIDTH, height))

        def axes_at(top: float, tall: float) -> Axes:
            bounds = (_LEFT / _WIDTH, 1 - (top + tall) / height, span / _WIDTH, tall / height)
            axis = figure.add_axes(bounds)
            axis.set_xlim(_span_seconds(found))
            return axis

        _draw_strip(axes_at(_TITLE, strip), found, frames, tiles)
        _draw_leaders(axes_at(_TITLE + strip, _GAP), found, frames)
        _draw_curves(axes_at(_TITLE + strip + _GAP, _CURVES), found)
        _draw_bars(axes_at(_TITLE + strip + _GAP + _CURVES + 0.08, bars), found, rows)
        _write(figure, found, height)
    return figure


def choose_frames(found: ImportantPast) -> list[int]:
    """Chooses a frame from each of eight equal parts of the past: one of the minimal set, else the one that costs most
    to delete, else the middle one."""
    finest = np.nan_to_num(frame_losses(found.levels[min(found.levels)], len(found.pts_seconds)))
    chosen = []
    for part in np.array_split(np.arange(len(finest)), min(_NUM_TILES, len(finest))):
        kept = part[found.sufficient[part]]
        if len(kept):
            chosen.append(int(kept[len(kept) // 2]))
        elif finest[part].max() > MIN_LOSS:
            chosen.append(int(part[finest[part].argmax()]))
        else:
            chosen.append(int(part[len(part) // 2]))
    return chosen


def _span_seconds(found: ImportantPast) -> tuple[float, float]:
    first, last = float(found.pts_seconds[0]), max(found.query.time, float(found.pts_seconds[-1]))
    return first, last if last > first else first + 1.0


def _slots(found: ImportantPast, num_tiles: int) -> np.ndarray:
    return np.linspace(*_span_seconds(found), num_tiles + 1)


def _draw_strip(axis: Axes, found: ImportantPast, frames: Sequence[int], tiles: Sequence[Tile]) -> None:
    edges = _slots(found, len(tiles))
    gap = 0.03 * (edges[1] - edges[0])
    for left, right, frame, tile in zip(edges, edges[1:], frames, tiles):
        extent = (left + gap, right - gap, 0.0, 1.0)
        axis.imshow(tile.image, extent=extent, aspect="auto", cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        color = _SUFFICIENT if found.sufficient[frame] else _EVIDENCE if found.evidence[frame] else "#BBBBBB"
        width = 2.5 if color != "#BBBBBB" else 0.6
        axis.add_patch(Rectangle((left + gap, 0), right - left - 2 * gap, 1, fill=False, ec=color, lw=width, zorder=3))
        if tile.caption:
            axis.text(
                (left + right) / 2, 0.03, tile.caption, ha="center", va="bottom", fontsize=6, parse_math=False,
                bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
    axis.set_xlim(_span_seconds(found))
    axis.set_ylim(0, 1)
    axis.axis("off")


def _draw_leaders(axis: Axes, found: ImportantPast, frames: Sequence[int]) -> None:
    """Draws a line from each thumbnail to its time."""
    edges = _slots(found, len(frames))
    for left, right, frame in zip(edges, edges[1:], frames):
        axis.plot([(left + right) / 2, found.pts_seconds[frame]], [1, 0], color="#999999", lw=0.7)
    axis.set_ylim(0, 1)
    axis.axis("off")


def _draw_curves(axis: Axes, found: ImportantPast) -> None:
    num_frames = len(found.pts_seconds)
    edges = np.append(found.pts_seconds, _span_seconds(found)[1])
    labels = []
    for width, alpha in zip(shown_widths(found), (1.0, 0.6, 0.35)):
        losses = 100 * frame_losses(found.levels[width], num_frames)
        axis.stairs(losses, edges, color=_LOSS, alpha=alpha, lw=1.6, baseline=None)
        name = "one frame" if width == 1 else f"{width * found.frame_seconds:.3g} s blocks"
        labels.append((float(np.nanmax(losses)), name, alpha))
    axis.axhline(0, color="#BBBBBB", lw=0.8, zorder=0)
    low, high = min(0.0, axis.get_ylim()[0]), max(_MIN_HEIGHT, axis.get_ylim()[1])
    axis.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    peak = found.peak
    if peak is not None:
        middle = float(found.pts_seconds[(peak.start + peak.stop - 1) // 2])
        axis.plot([middle], [axis.get_ylim()[1]], marker="v", color=_LOSS, ms=7, clip_on=False, zorder=4)
    axis.text(1.015, 0.97, "most lost by deleting", transform=axis.transAxes, va="top", fontsize=8, color=_GREY)
    for position, (most, name, alpha) in enumerate(labels):
        axis.text(
            1.015, 0.80 - 0.15 * position, f"{name}: {most:.0f}", transform=axis.transAxes, va="top", fontsize=8,
            color=_LOSS, alpha=max(alpha, 0.65), fontweight="bold" if position == 0 else "normal",
        )  # fmt: skip
    axis.set_ylabel("probability lost\n(points)", fontsize=8)
    axis.tick_params(labelbottom=False, labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def shown_widths(found: ImportantPast) -> list[int]:
    """Returns at most three block widths, narrowest first: the finest, the peak's, and about an eighth of the past."""
    widths = sorted(found.levels)
    eighth = min(widths, key=lambda width: abs(width - len(found.pts_seconds) / 8))
    peak = found.peak
    return sorted({widths[0], eighth, *([] if peak is None else [peak.width])})


def _draw_bars(axis: Axes, found: ImportantPast, rows: Sequence[str]) -> None:
    frames = {"minimal set": found.sufficient, "true evidence": found.evidence}
    colors = {"minimal set": _SUFFICIENT, "true evidence": _EVIDENCE}
    least = 0.004 * (_span_seconds(found)[1] - _span_seconds(found)[0])
    for position, name in enumerate(rows):
        intervals = found.query.evidence if name == "true evidence" else found.intervals(found.sufficient)
        spans = [(start, max(least, end - start)) for start, end in intervals]
        axis.broken_barh(spans, (position + 0.18, 0.64), color=colors[name])
        text = count_frames(int(frames[name].sum()))
        axis.text(1.015, position + 0.5, text, transform=axis.get_yaxis_transform(), va="center", fontsize=8,
                  color=colors[name])  # fmt: skip
    axis.set_ylim(len(rows), 0)
    axis.set_yticks(np.arange(len(rows)) + 0.5, rows, fontsize=8.5)
    axis.tick_params(axis="y", length=0)
    for label, name in zip(axis.get_yticklabels(), rows):
        label.set_color(colors[name])
    axis.tick_params(axis="x", labelsize=8)
    axis.set_xlabel("time in the video (seconds); the question is asked at the right edge", fontsize=8)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def count_frames(count: int) -> str:
    """Returns "1 frame", "2 frames" and so on."""
    return f"{count} frame{'' if count == 1 else 's'}"


def _write(figure: Figure, found: ImportantPast, height: float) -> None:
    query = found.query
    question = query.question or "What happens next?"
    says = f"The model says “{found.prediction}” ({found.probability:.0%})."
    if query.answer:
        says += " It is right." if query.answer == found.prediction else f" The answer is “{query.answer}”."
    left = 0.12 / _WIDTH
    head = f"{textwrap.shorten(question, 110, placeholder=' …')}"
    figure.text(left, 1 - 0.08 / height, head, va="top", fontsize=12, fontweight="bold", parse_math=False)
    where = f"{query.video}, {query.time:.2f} s."
    figure.text(left, 1 - 0.32 / height, f"{says}  {where}", va="top", fontsize=9, color="#333333", parse_math=False)
    figure.text(left, 0.06 / height, small_print(found), va="bottom", fontsize=7.5, color=_GREY)


def small_print(found: ImportantPast) -> str:
    """Returns the note under the figure: what deleting means, and what the numbers mean."""
    deleted = {
        "remove": "Deleting: frames are removed; the others keep their times.",
        "mean": "Deleting: frames are replaced by the mean frame; all times stay.",
    }[found.deletion]
    blocks = "Blocks overlap by half; a frame's cost is the mean of its blocks'. Triangle: the narrowest costly block."
    if found.sufficient.any():
        kept = (
            f"Minimal set: alone, it keeps the prediction at {found.sufficient_probability:.0%} "
            f"(asked for: {found.share:.0%} of {found.probability:.0%}); found greedily, another may exist."
        )
    else:
        kept = f"Minimal set: empty. The question alone gives the prediction, at {found.sufficient_probability:.0%}."
    return f"{deleted} {blocks}\n{kept} {found.num_answers:,} answers of the model."
