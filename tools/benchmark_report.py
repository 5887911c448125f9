"""Reports the rows of `benchmark_heads.py`: ratios to peers, targets, growth with T, a figure."""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from benchmark_peers import BENCHMARKED_HEADS, CALLS, STREAMED
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidseq.files import atomic_write
from vidseq.reporting import COLORS, save_figure, to_markdown, write_table

AT = 16_384
"""The length T of the targets."""
INSTALLED = "glibc"
"""The allocator as installed."""
GROWTH = 1.15
"""Target for the time of 4 T frames, divided by four times the time of T frames."""
TRAINED_BYTES = 4e9
"""Target for the memory of training a head with default options at T = 16,384."""
QUADRATIC = ("attention", "memory_network")
COMPARED_JOBS = ("forward", "both", "step")
"""The jobs that are compared with other checkouts."""
BEFORE = "before: "
"""Begins the name of a head of another checkout, which ends with the name of that checkout's folder."""
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
    """Reads all rows; the incomplete line of an interrupted run is skipped."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(Row(**json.loads(line)))
        except json.JSONDecodeError:
            continue
    return rows


class Times:
    """The measurements by setting, job, subject and allocator. A setting is (head, T, threads)."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = {(*row[:3], row.job, row.subject, row.allocator): row for row in rows}

    def rows_of(self, setting: Sequence[Any], job: str, subject: str) -> list[Row]:
        """Returns the rows of a subject under every allocator."""
        return [row for key, row in self.rows.items() if key[:5] == (*setting, job, subject)]

    def ms(self, setting: Sequence[Any], job: str, subject: str, allocator: str | None = INSTALLED) -> float:
        """Returns milliseconds under one allocator, or under the best (None); NaN without a measurement."""
        rows = self.rows_of(setting, job, subject)
        times = [row.ms for row in rows if row.ms is not None and allocator in (None, row.allocator)]
        return min(times, default=math.nan)

    def ratio(self, setting: Sequence[Any], job: str, peer: str, allocator: str | None = INSTALLED) -> float:
        """Returns the factor by which the head is faster than its peer."""
        return self.ms(setting, job, peer, allocator) / self.ms(setting, job, setting[0], allocator)

    def peak(self, setting: Sequence[Any], job: str, subject: str) -> float:
        """Returns the peak memory in MiB under the allocator as installed."""
        rows = self.rows_of(setting, job, subject)
        peaks = [row.peak_bytes for row in rows if row.peak_bytes is not None and row.allocator == INSTALLED]
        return min(peaks, default=math.nan) / MIB

    def error(self, setting: Sequence[Any], job: str, subject: str) -> str:
        """Returns the error if there is no time, else an empty text."""
        rows = self.rows_of(setting, job, subject)
        return "" if any(row.ms is not None for row in rows) else next((row.error for row in rows), "")

    def settings(self) -> list[tuple[str, int, int]]:
        """Returns every (head, T, threads), in the order of `BENCHMARKED_HEADS`."""
        found = {(str(key[0]), int(key[1]), int(key[2])) for key in self.rows}
        return sorted(found, key=lambda setting: (list(BENCHMARKED_HEADS).index(setting[0]), setting[2], setting[1]))


def ratio_table(times: Times) -> pd.DataFrame:
    """Makes a line per head, peer and T: ratios as installed and each at its best, memory, and errors."""
    lines = []
    for setting in times.settings():
        for peer in () if BENCHMARKED_HEADS[setting[0]].live_only else BENCHMARKED_HEADS[setting[0]].peers:
            errors = {job: times.error(setting, job, peer.name) for job in ("forward", "both")}
            lines.append(
                {
                    "head": setting[0],
                    "T": setting[1],
                    "threads": setting[2],
                    "peer": peer.name,
                    "forward": times.ratio(setting, "forward", peer.name),
                    "forward, at best": times.ratio(setting, "forward", peer.name, None),
                    "both": times.ratio(setting, "both", peer.name),
                    "both, at best": times.ratio(setting, "both", peer.name, None),
                    "MiB": times.peak(setting, "forward", setting[0]),
                    "peer's MiB": times.peak(setting, "forward", peer.name),
                    "MiB, both": times.peak(setting, "both", setting[0]),
                    "peer's MiB, both": times.peak(setting, "both", peer.name),
                    "failed": "; ".join(f"{job}: {error}" for job, error in errors.items() if error),
                }
            )
    return pd.DataFrame(lines)


def checkout_table(times: Times) -> pd.DataFrame:
    """Makes a line per head, T and other checkout: the factors by which the head is faster here than there."""
    names = list(dict.fromkeys(row.subject for row in times.rows.values() if row.subject.startswith(BEFORE)))
    lines = []
    for setting, name in itertools.product(times.settings(), names):
        jobs = [job for job in COMPARED_JOBS if times.rows_of(setting, job, name)]
        ratios = {job: times.ratio(setting, job, name, None) for job in jobs}
        failed = "; ".join(f"{job}: {error}" for job in jobs if (error := times.error(setting, job, name)))
        line = {"head": setting[0], "T": setting[1], "threads": setting[2], "checkout": name.removeprefix(BEFORE)}
        lines.append({**line, **{job: ratios.get(job, math.nan) for job in COMPARED_JOBS}, "failed": failed})
    return pd.DataFrame(lines)


def stream_table(times: Times) -> pd.DataFrame:
    """Makes a line per causal head and T: microseconds per live frame, also late in a stream; state in bytes."""
    lines = []
    for setting in times.settings():
        benchmarked = BENCHMARKED_HEADS[setting[0]]
        if not benchmarked.causal or not times.rows_of(setting, "step", setting[0]):
            continue
        peers = [times.ms(setting, "step", peer.name, None) for peer in benchmarked.peers if peer.name in STREAMED]
        head_ms, peer_ms = times.ms(setting, "step", setting[0], None), min(peers, default=math.nan)
        state = next((row.state_bytes for row in times.rows_of(setting, "step", setting[0])), None)
        lines.append(
            {
                "head": setting[0],
                "frames before": setting[1],
                "threads": setting[2],
                "microseconds": 1000 * head_ms / CALLS,
                "a million frames later": 1000 * times.ms(setting, "far", setting[0], None) / CALLS,
                "peer": 1000 * peer_ms / CALLS,
                "times faster": peer_ms / head_ms,
                "state bytes": state,
            }
        )
    return pd.DataFrame(lines)


def training_table(times: Times) -> pd.DataFrame:
    """Makes a line per head and T: memory of forward and backward with default options."""
    lines = []
    for setting in times.settings():
        if times.rows_of(setting, "train", setting[0]):
            peak, error = times.peak(setting, "train", setting[0]), times.error(setting, "train", setting[0])
            lines.append({"head": setting[0], "T": setting[1], "threads": setting[2], "MiB": peak, "failed": error})
    return pd.DataFrame(lines)


def targets(times: Times) -> pd.DataFrame:
    """Makes a table of targets and measurements; each side has its best allocator."""
    lines = []
    for setting in times.settings():
        lines += [{"threads": setting[2], **line} for line in _targets_at(times, setting)]
    table = pd.DataFrame(lines, columns=["head", "threads", "target", "aim", "measured"])
    table["reached"] = [
        "–" if math.isnan(line.measured) else "yes" if _reached(line) else "no" for line in table.itertuples()
    ]
    return table


def _reached(line: Any) -> bool:
    at_most = line.target.startswith(("MiB", "times", "cost"))
    return bool(line.measured <= line.aim if at_most else line.measured >= line.aim)


def _targets_at(times: Times, setting: tuple[str, int, int]) -> Iterator[dict[str, object]]:
    name, frames, threads = setting
    benchmarked = BENCHMARKED_HEADS[name]
    if frames == AT:
        for peer in benchmarked.peers:
            for job in ("forward", "both", "step"):
                aim = getattr(peer, job)
                if aim is not None:
                    what = f"faster than {peer.name}, {job}"
                    yield _line(name, what, aim, times.ratio(setting, job, peer.name, None))
        if benchmarked.forward_mib is not None:
            yield _line(name, "MiB of forward", benchmarked.forward_mib, times.peak(setting, "forward", name))
        if times.rows_of(setting, "train", name):
            trained = times.peak(setting, "train", name)
            yield _line(name, "MiB of training", TRAINED_BYTES / MIB, trained)
        if benchmarked.floor is not None:
            rates = [row.matrix_rate for row in times.rows_of(setting, "forward", name) if row.matrix_rate]
            floor = 1000 * benchmarked.floor(AT, 256) / max(rates, default=math.nan)
            yield _line(name, "times the arithmetic floor", 1.5, times.ms(setting, "forward", name, None) / floor)
    if frames == 4 * AT and benchmarked.head not in QUADRATIC:
        for job in ("forward", "both"):
            before = times.ms((name, AT, threads), job, name, None)
            cost = times.ms(setting, job, name, None) / (4 * before)
            yield _line(name, f"cost of 4 T over 4 times that of T, {job}", GROWTH, cost)


def _line(head: str, target: str, aim: float, measured: float) -> dict[str, object]:
    return {"head": head, "target": target, "aim": aim, "measured": measured}


def draw(times: Times) -> Figure:
    """Draws microseconds per frame against T: one panel per head, with its peers in other colours."""
    threads = min(setting[2] for setting in times.settings())
    names = list(dict.fromkeys(setting[0] for setting in times.settings() if setting[2] == threads))
    names = [name for name in names if not BENCHMARKED_HEADS[name].live_only] or names
    columns = min(5, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.3 * lines + 0.6), layout="constrained")
    for axis, name in zip(figure.subplots(lines, columns, squeeze=False).ravel(), names):
        _draw_head(axis, times, name, threads)
    for axis in figure.axes[len(names) :]:
        axis.set_visible(False)
    figure.suptitle(f"Forward, microseconds per frame against T; {threads} thread(s)", x=0.01, ha="left")
    return figure


def _draw_head(axis: Axes, times: Times, name: str, threads: int) -> None:
    lengths = sorted(setting[1] for setting in times.settings() if (setting[0], setting[2]) == (name, threads))
    ends: list[tuple[float, str, str]] = []
    for subject, color in zip((name, *(peer.name for peer in BENCHMARKED_HEADS[name].peers)), COLORS):
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
    for setting, (height, subject, color) in enumerate(sorted(ends, reverse=True)):
        above = setting == 0 and len(ends) > 1
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
    """Writes rows.csv, the tables report.md and the figure; returns the text of report.md."""
    if not rows:
        return "Nothing was measured."
    times = Times(rows)
    write_table(pd.DataFrame(rows), folder / "rows.csv")
    parts = {
        "Times faster than a peer": ratio_table(times),
        "Times faster than in another checkout": checkout_table(times),
        "A live frame": stream_table(times),
        "Training a head with default options": training_table(times),
        "Targets": targets(times),
    }
    rates = [row.matrix_rate for row in rows if row.matrix_rate]
    allocators = "; ".join(sorted({row.allocator for row in rows}))
    text = f"Matrix products: {max(rates, default=math.nan) / 1e9:.0f} GFLOP/s. Allocators: {allocators}.\n"
    text += "".join(f"\n## {title}\n\n{to_markdown(table, digits=2)}" for title, table in parts.items() if len(table))
    atomic_write(folder / "report.md", text)
    save_figure(draw(times), folder / "times")
    return text
