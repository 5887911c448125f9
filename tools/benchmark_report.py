"""Rows of `benchmark_heads.py` on disk, and what they say: ratios to peers, targets, growth with T, a figure."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from benchmark_peers import CALLS, OURS, STREAMED
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.files import atomic_write
from vidseq.reporting import COLORS, save_figure, to_markdown, write_table

AT = 16_384
"""The length T that targets are set for."""
INSTALLED = "glibc"
"""The allocator as it is installed."""
GROWTH = 1.15
"""What four times as many frames may cost, beside four times as much."""
TRAINED_BYTES = 4e9
"""What training a head as it is by default may take at T = 16,384."""
QUADRATIC = ("attention", "memory_network")
MIB = 2**20


class Row(NamedTuple):
    """One measurement: a head or peer (`subject`) in the comparison of `head`."""

    head: str
    frames: int
    threads: int
    allocator: str
    job: str
    subject: str
    ms: float | None
    peak_bytes: int | None
    error: str
    matrix_rate: float | None
    state_bytes: int | None


def read_rows(path: Path) -> list[Row]:
    """All rows so far; half a line, where a run was broken off, does not count."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(Row(**json.loads(line)))
        except json.JSONDecodeError:
            continue
    return rows


class Times:
    """Milliseconds by what was measured."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = {(*row[:3], row.job, row.subject, row.allocator): row for row in rows}

    def rows_of(self, place: Sequence[Any], job: str, subject: str) -> list[Row]:
        """Under every allocator, from (head, T, threads)."""
        return [row for key, row in self.rows.items() if key[:5] == (*place, job, subject)]

    def ms(self, place: Sequence[Any], job: str, subject: str, allocator: str | None = INSTALLED) -> float:
        """Under one allocator, or under the best (None); NaN where nothing was measured."""
        rows = self.rows_of(place, job, subject)
        times = [row.ms for row in rows if row.ms is not None and allocator in (None, row.allocator)]
        return min(times, default=math.nan)

    def ratio(self, place: Sequence[Any], job: str, peer: str, allocator: str | None = INSTALLED) -> float:
        """How many times faster the head is than its peer."""
        return self.ms(place, job, peer, allocator) / self.ms(place, job, place[0], allocator)

    def peak(self, place: Sequence[Any], job: str, subject: str) -> float:
        """MiB under the allocator as installed."""
        rows = self.rows_of(place, job, subject)
        peaks = [row.peak_bytes for row in rows if row.peak_bytes is not None and row.allocator == INSTALLED]
        return min(peaks, default=math.nan) / MIB

    def error(self, place: Sequence[Any], job: str, subject: str) -> str:
        """Why there is no time, if there is none."""
        rows = self.rows_of(place, job, subject)
        return "" if any(row.ms is not None for row in rows) else next((row.error for row in rows), "")

    def places(self) -> list[tuple[str, int, int]]:
        """Every (head, T, threads), in the order of `OURS`."""
        found = {(str(key[0]), int(key[1]), int(key[2])) for key in self.rows}
        return sorted(found, key=lambda place: (list(OURS).index(place[0]), place[2], place[1]))


def ratio_table(times: Times) -> pd.DataFrame:
    """One line a head, peer and T: how many times faster, as installed and each at its best; memory; what failed."""
    lines = []
    for place in times.places():
        for peer in () if OURS[place[0]].live_only else OURS[place[0]].peers:
            errors = {job: times.error(place, job, peer.name) for job in ("forward", "both")}
            lines.append(
                {
                    "head": place[0],
                    "T": place[1],
                    "threads": place[2],
                    "peer": peer.name,
                    "forward": times.ratio(place, "forward", peer.name),
                    "forward, at best": times.ratio(place, "forward", peer.name, None),
                    "both": times.ratio(place, "both", peer.name),
                    "both, at best": times.ratio(place, "both", peer.name, None),
                    "MiB": times.peak(place, "forward", place[0]),
                    "peer's MiB": times.peak(place, "forward", peer.name),
                    "MiB, both": times.peak(place, "both", place[0]),
                    "peer's MiB, both": times.peak(place, "both", peer.name),
                    "failed": "; ".join(f"{job}: {error}" for job, error in errors.items() if error),
                }
            )
    return pd.DataFrame(lines)


def stream_table(times: Times) -> pd.DataFrame:
    """One line a causal head and T: microseconds a live frame, late in a stream, of the peer; state in bytes."""
    lines = []
    for place in times.places():
        ours = OURS[place[0]]
        if not ours.causal or not times.rows_of(place, "step", place[0]):
            continue
        peers = [times.ms(place, "step", peer.name, None) for peer in ours.peers if peer.name in STREAMED]
        ours_alone, peer = times.ms(place, "step", place[0], None), min(peers, default=math.nan)
        state = next((row.state_bytes for row in times.rows_of(place, "step", place[0])), None)
        lines.append(
            {
                "head": place[0],
                "frames before": place[1],
                "threads": place[2],
                "microseconds": 1000 * ours_alone / CALLS,
                "a million frames later": 1000 * times.ms(place, "far", place[0], None) / CALLS,
                "peer": 1000 * peer / CALLS,
                "times faster": peer / ours_alone,
                "state bytes": state,
            }
        )
    return pd.DataFrame(lines)


def training_table(times: Times) -> pd.DataFrame:
    """One line a head and T: memory of forward and backward, as the head is by default."""
    lines = []
    for place in times.places():
        if times.rows_of(place, "train", place[0]):
            peak, error = times.peak(place, "train", place[0]), times.error(place, "train", place[0])
            lines.append({"head": place[0], "T": place[1], "threads": place[2], "MiB": peak, "failed": error})
    return pd.DataFrame(lines)


def targets(times: Times) -> pd.DataFrame:
    """What was aimed at, what was measured, and whether that is enough; each side at its best allocator."""
    lines = []
    for place in times.places():
        lines += [{"threads": place[2], **line} for line in _targets_at(times, place)]
    table = pd.DataFrame(lines, columns=["head", "threads", "target", "aim", "measured"])
    table["reached"] = [
        "–" if math.isnan(line.measured) else "yes" if _reached(line) else "no" for line in table.itertuples()
    ]
    return table


def _reached(line: Any) -> bool:
    at_most = line.target.startswith(("MiB", "times", "cost"))
    return bool(line.measured <= line.aim if at_most else line.measured >= line.aim)


def _targets_at(times: Times, place: tuple[str, int, int]) -> Iterator[dict[str, object]]:
    name, frames, threads = place
    ours = OURS[name]
    if frames == AT:
        for peer in ours.peers:
            for job in ("forward", "both", "step"):
                aim = getattr(peer, job)
                if aim is not None:
                    what = f"faster than {peer.name}, {job}"
                    yield _line(name, what, aim, times.ratio(place, job, peer.name, None))
        if ours.forward_mib is not None:
            yield _line(name, "MiB of forward", ours.forward_mib, times.peak(place, "forward", name))
        if times.rows_of(place, "train", name):
            trained = times.peak(place, "train", name)
            yield _line(name, "MiB of training", TRAINED_BYTES / MIB, trained)
        if ours.floor is not None:
            rates = [row.matrix_rate for row in times.rows_of(place, "forward", name) if row.matrix_rate]
            floor = 1000 * ours.floor(AT, 256) / max(rates, default=math.nan)
            yield _line(name, "times the arithmetic floor", 1.5, times.ms(place, "forward", name, None) / floor)
    if frames == 4 * AT and ours.head not in QUADRATIC:
        for job in ("forward", "both"):
            before = times.ms((name, AT, threads), job, name, None)
            cost = times.ms(place, job, name, None) / (4 * before)
            yield _line(name, f"cost of 4 T over 4 times that of T, {job}", GROWTH, cost)


def _line(head: str, target: str, aim: float, measured: float) -> dict[str, object]:
    return {"head": head, "target": target, "aim": aim, "measured": measured}


def draw(times: Times) -> Figure:
    """Microseconds a frame against T, a panel a head, peers in other colours, all named where their lines end."""
    threads = min(place[2] for place in times.places())
    names = list(dict.fromkeys(place[0] for place in times.places() if place[2] == threads))
    names = [name for name in names if not OURS[name].live_only] or names
    columns = min(5, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.3 * lines + 0.6), layout="constrained")
    for axis, name in zip(figure.subplots(lines, columns, squeeze=False).ravel(), names):
        _draw_head(axis, times, name, threads)
    for axis in figure.axes[len(names) :]:
        axis.set_visible(False)
    figure.suptitle(f"Forward, microseconds a frame against T; {threads} thread(s)", x=0.01, ha="left")
    return figure


def _draw_head(axis: Axes, times: Times, name: str, threads: int) -> None:
    lengths = sorted(place[1] for place in times.places() if (place[0], place[2]) == (name, threads))
    ends: list[tuple[float, str, str]] = []
    for subject, color in zip((name, *(peer.name for peer in OURS[name].peers)), COLORS):
        points = [(T, 1000 * times.ms((name, T, threads), "forward", subject, None) / T) for T in lengths]
        points = [(T, cost) for T, cost in points if not math.isnan(cost)]
        if points:
            axis.plot(*zip(*points), color=color, marker="o", ms=3, lw=2 if subject == name else 1.2)
            ends.append((points[-1][1], subject, color))
    axis.set(xscale="log", yscale="log", title=name)
    axis.title.set_fontsize(9)
    axis.tick_params(labelsize=7)
    axis.tick_params(which="minor", labelleft=False, labelbottom=False)
    axis.set_xticks(lengths, [f"{T // 1024}k" if T % 1024 == 0 else str(T) for T in lengths])
    axis.margins(y=0.25)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for place, (height, subject, color) in enumerate(sorted(ends, reverse=True)):
        above = place == 0 and len(ends) > 1
        axis.annotate(
            subject,
            (lengths[-1], height),
            xytext=(0, 5 if above else -5),
            textcoords="offset points",
            ha="right",
            va="bottom" if above else "top",
            color=color,
            fontsize=7,
        )


def write_report(rows: Sequence[Row], folder: Path) -> str:
    """Writes rows.csv, the tables report.md and the figure; returns what stands in report.md."""
    if not rows:
        return "Nothing was measured."
    times = Times(rows)
    write_table(pd.DataFrame(rows), folder / "rows.csv")
    parts = {
        "Times faster than a peer": ratio_table(times),
        "A live frame": stream_table(times),
        "Training a head as it is by default": training_table(times),
        "Targets": targets(times),
    }
    rates = [row.matrix_rate for row in rows if row.matrix_rate]
    allocators = "; ".join(sorted({row.allocator for row in rows}))
    text = f"Matrix products: {max(rates, default=math.nan) / 1e9:.0f} GFLOP/s. Allocators: {allocators}.\n"
    text += "".join(f"\n## {title}\n\n{to_markdown(table, digits=2)}" for title, table in parts.items() if len(table))
    atomic_write(folder / "report.md", text)
    save_figure(draw(times), folder / "times")
    return text
