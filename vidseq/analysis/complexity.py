"""The table of "Attention is all you need" (cost, sequential steps, longest path) for every head, and measured.

Source: Vaswani et al., arXiv:1706.03762, table 1.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from vidseq.analysis.memory import peak_memory
from vidseq.heads import TemporalHead, make_head


@dataclass(frozen=True)
class Complexity:
    """What theory says of one layer of a head that reads n frames of width d."""

    cost: str
    """Operations, O(...)."""
    sequential: str
    """Operations that must wait for one another, O(...)."""
    path: str
    """Steps, or layers, that a signal takes from the furthest frame to the last, O(...)."""


#: n: frames; d: width; k: taps; w: window; m: slots, features or memories; g: global tokens; r: random blocks, rank or
#: hash rounds; c: frames a chunk; s: state or stages; h: hops.
THEORY: dict[str, Complexity] = {
    "conv": Complexity("k n d^2", "1", "log n"),
    "conv_encoder": Complexity("k n d^2", "1", "n / 2^s"),
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
    "dilated": Complexity("n w d", "1", "n / (w 2^s)"),
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
"""What theory says of each head; every head has its row."""


def measure_complexity(
    heads: Sequence[str],
    frames: Sequence[int] = (1024, 4096, 16384),
    *,
    dim: int = 64,
    options: Mapping[str, Mapping[str, object]] | None = None,
    runs: int = 3,
) -> pd.DataFrame:
    """Times reading videos of several lengths, on one thread, and sets it beside the theory.

    Args:
        heads: their names.
        frames: lengths, rising.
        dim: width.
        options: of each head, where they are not the defaults.
        runs: the best of so many counts.

    Returns:
        a row a head and length: head, frames, milliseconds, exponent (of the time in the length, since the last
        length; nan for the first), state_bytes, context_frames, cost, sequential, path.
    """
    rows = []
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name in heads:
            head = make_head(name, dim, (options or {}).get(name)).eval()
            times = [_milliseconds(head, length, runs) for length in frames]
            growth = np.diff(np.log(times)) / np.diff(np.log(frames))
            for length, taken, exponent in zip(frames, times, [float("nan"), *growth]):
                rows.append(
                    {
                        "head": name,
                        "frames": length,
                        "milliseconds": taken,
                        "exponent": exponent,
                        "state_bytes": head.state_bytes(1, length),
                        "context_frames": head.context_frames,
                        **vars(THEORY[name]),
                    }
                )
    finally:
        torch.set_num_threads(before)
    return pd.DataFrame(rows)


def frames_within(
    head: str, gigabytes: float, *, dim: int = 64, options: Mapping[str, object] | None = None, most: int = 2**18
) -> tuple[int, int]:
    """Finds how far back a head can learn from within a memory: the longest clip whose gradients fit, and its reach.

    Lengths are doubled until one does not fit; between the last two, memory is taken to grow in a straight line.

    Args:
        head: its name.
        gigabytes: memory beyond what the process has before (10^9 bytes).
        dim: width.
        options: of the head.
        most: longest clip to try.

    Returns:
        frames of that clip (`most` if all fit), and how far back its last output can see, current frame included.
    """
    limit, length, fitting, used_before = int(gigabytes * 1e9), 1024, 0, 0
    while length <= most:
        used = peak_memory(head, length, dim, options or {})
        if used > limit:
            share = (limit - used_before) / (used - used_before)
            fitting = round(fitting + share * (length - fitting))
            break
        fitting, used_before, length = length, used, 2 * length
    reach = make_head(head, dim, options).context_frames
    return fitting, fitting if reach is None else min(fitting, reach)


def _milliseconds(head: TemporalHead, length: int, runs: int) -> float:
    """The best time of reading one video."""
    x = torch.randn(1, length, head.dim)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(runs):
            start = time.perf_counter()
            head(x)
            best = min(best, 1000 * (time.perf_counter() - start))
    return best
