"""Makes the table of "Attention is all you need" (cost, sequential steps, longest path) for each head, and measures
it.

Measurements are rows of head, quantity, frames, value. The quantities are `milliseconds` (reading one clip on one
thread), `read_bytes` and `learn_bytes` (peak memory without and with gradients), `state_bytes` (size of the streaming
state) and `layers` (the least number of layers through which the first frame reaches the last output).

Source: Vaswani et al., arXiv:1706.03762, table 1.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import stats

from vidseq.analysis.memory import frames_within, peak_memory
from vidseq.analysis.paths import layers_needed
from vidseq.heads import TemporalHead, make_head


@dataclass(frozen=True)
class Complexity:
    """Theoretical complexity of one layer of a head that reads n frames of width d."""

    cost: str
    """Operations, O(...)."""
    sequential: str
    """Operations that must run one after another, O(...)."""
    path: str
    """Steps or layers that a signal takes from the first frame to the last, O(...)."""


#: n: frames; d: width; k: taps; w: window; m: slots, features or memories; g: global tokens; r: random blocks, rank or
#: hash rounds; c: frames per chunk; s: state or stages; h: hops.
THEORY: dict[str, Complexity] = {
    "conv": Complexity("k n d^2", "1", "log n"),
    "conv_encoder": Complexity("k n d^2", "1", "log n"),
    "ms_tcn": Complexity("s n d^2", "1", "log n"),
    "rnn": Complexity("n d^2", "n", "n"),
    "lstm": Complexity("n d^2", "n", "n"),
    "gru": Complexity("n d^2", "n", "n"),
    "hyper": Complexity("n d^2", "n", "n"),
    "entity": Complexity("n m d^2", "n", "n"),
    "min_gru": Complexity("n d^2", "log n", "log n"),
    "ssm": Complexity("n d^2 + n d s", "log n", "log n"),
    "associative": Complexity("n d^2", "n / c", "n / c"),
    "memory": Complexity("n m d + n d^2", "n / c", "n / c"),
    "memory_network": Complexity("h n^2 d", "h", "1"),
    "codebook": Complexity("n m d", "1", "1"),
    "attention": Complexity("n^2 d", "1", "1"),
    "window": Complexity("n w d", "1", "n / w"),
    "dilated": Complexity("n w d", "1", "log n / w"),
    "longformer": Complexity("n (w + g) d", "1", "1"),
    "big_bird": Complexity("n (w + g + r) d", "1", "1"),
    "reformer": Complexity("r n log n d", "log n", "1"),
    "performer": Complexity("n m d", "n / c", "1"),
    "linformer": Complexity("n r d", "1", "1"),
    "transformer_xl": Complexity("n (w + m) d", "n / w", "n / m"),
    "compressive": Complexity("n (w + m) d", "n / w", "n / (m c)"),
    "memorizing": Complexity("n (w + m) d", "1", "1"),
    "retro": Complexity("n (w + n / c) d", "1", "1"),
}
"""The theoretical complexity of every head."""


#: Options for counting layers, with contexts so short that a few dozen frames show the growth.
SHORT_CONTEXT_OPTIONS: dict[str, dict[str, object]] = {
    "conv": {"channels": 8},
    "conv_encoder": {"channels": 8, "kernel_size": 3},
    "ms_tcn": {"channels": 8, "stages": 1, "labels": 8},
    "window": {"window": 9},
    "dilated": {"window": 3},
    "longformer": {"window": 9},
    "big_bird": {"block": 4, "window": 2, "random": 1, "capacity": 4},
    "reformer": {"window": 8, "buckets": 4},
    "performer": {"features": 16},
    "linformer": {"block": 8, "rows": 4, "rank": 256},
    "transformer_xl": {"memory": 8},
    "compressive": {"block": 4, "memory": 4, "compressed": 4, "rate": 2},
    "memorizing": {"window": 9, "memory_layer": 1},
    "retro": {"window": 9, "chunk": 4},
}
PATH_DIM = 8


def measure_complexity(
    head: str,
    *,
    frames: Sequence[int] = (1024, 2048, 4096, 8192),
    path_frames: Sequence[int] = (17, 33, 65, 129),
    dim: int = 64,
    options: Mapping[str, object] | None = None,
    runs: int = 3,
    limit: float = 4e9,
) -> pd.DataFrame:
    """Measures time and memory of a head on clips of several lengths, and counts the layers that a signal passes.

    Args:
        head: name of the head.
        frames: lengths for time and memory, in ascending order.
        path_frames: lengths for counting layers, at a width of 8 and with contexts of a few frames.
        dim: width for time and memory.
        options: options of the head for time and memory; None: the defaults.
        runs: number of timed runs, of which the fastest counts.
        limit: largest memory in bytes; after the first clip that needs more, longer clips are not measured.

    Returns:
        rows of head, quantity, frames, value, see above; no `layers` row if the signal never arrives.
    """
    made = make_head(head, dim, options).eval()
    with _one_thread():
        times = [_milliseconds(made, length, runs) for length in frames]
        layers = [layers_needed(head, n, dim=PATH_DIM, options=SHORT_CONTEXT_OPTIONS.get(head)) for n in path_frames]
    weigh = {"dim": dim, "options": options, "limit": limit}
    measured = {
        "milliseconds": zip(frames, times),
        "read_bytes": zip(frames, peak_memory(head, frames, backward=False, **weigh)),  # type: ignore[arg-type]
        "learn_bytes": zip(frames, peak_memory(head, frames, backward=True, **weigh)),  # type: ignore[arg-type]
        "state_bytes": ((length, made.state_bytes(1, length)) for length in frames),
        "layers": ((length, count) for length, count in zip(path_frames, layers) if count is not None),
    }
    return pd.DataFrame(
        {"head": head, "quantity": quantity, "frames": length, "value": float(value)}
        for quantity, values in measured.items()
        for length, value in values
    )


def growth(frames: Sequence[float], values: Sequence[float]) -> tuple[float, float, float]:
    """Fits the exponent with which values grow with the length: the slope of a line through the logarithms.

    Args:
        frames: lengths, at least three.
        values: values above 0, one per length.

    Returns:
        the exponent, and the ends of its 95% interval (Student's t).
    """
    x, y = (np.log(part) - np.mean(np.log(part)) for part in (frames, values))
    slope = float(x @ y / (x @ x))
    rest, freedom = y - slope * x, len(x) - 2
    half = float(stats.t.ppf(0.975, freedom) * np.sqrt(rest @ rest / freedom / (x @ x)))
    return slope, slope - half, slope + half


def complexity_table(rows: pd.DataFrame, gigabytes: float = 4.0) -> pd.DataFrame:
    """Compares measurements with the theory.

    Args:
        rows: rows of `measure_complexity`, of any heads.
        gigabytes: memory (10^9 bytes) for which the longest clip is computed.

    Returns:
        a row per head: head; cost, sequential, path (theory); for time, read, learn and state the exponent, _low and
        _high; layers (counts at ascending lengths); read_frames, learn_frames (longest clips that fit without chunks).
    """
    lines = []
    for name, part in rows.groupby("head", sort=False):
        measured = {what: (some["frames"].tolist(), some["value"].tolist()) for what, some in part.groupby("quantity")}
        line: dict[str, object] = {"head": name, **vars(THEORY[str(name)])}
        for word, quantity in GROWING.items():
            line[word], line[f"{word}_low"], line[f"{word}_high"] = growth(*measured[quantity])
        line["layers"] = ", ".join(f"{count:.0f}" for count in measured.get("layers", ((), ()))[1]) or "never"
        for word in ("read", "learn"):
            line[f"{word}_frames"] = frames_within(*measured[f"{word}_bytes"], gigabytes * 1e9)
        lines.append(line)
    return pd.DataFrame(lines)


GROWING = {"time": "milliseconds", "read": "read_bytes", "learn": "learn_bytes", "state": "state_bytes"}
"""The quantities that have an exponent, by their names in the table."""


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _milliseconds(head: TemporalHead, length: int, runs: int) -> float:
    """Returns the shortest time of reading one clip."""
    x = torch.randn(1, length, head.dim)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(runs):
            start = time.perf_counter()
            head(x)
            best = min(best, 1000 * (time.perf_counter() - start))
    return best
