"""Memory that a head takes to read, and to learn, measured in a process of its own."""

import math
import re
import resource
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from vidseq.heads import TemporalHead, make_head
from vidseq.processes import all_values, run_jobs


def peak_memory(
    head: str,
    lengths: Sequence[int],
    *,
    dim: int,
    options: Mapping[str, object] | None = None,
    backward: bool = True,
    limit: float = float("inf"),
) -> list[int]:
    """Measures the bytes that reading a clip takes at its peak, beyond what was there before.

    Args:
        head: its name.
        lengths: frames of the clips, rising; one clip at a time (B = 1).
        dim: width.
        options: of the head.
        backward: True: to make all gradients, too, as training does. False: to read alone.
        limit: bytes; longer clips than the first one that takes more are not tried.

    Returns:
        bytes of each clip that was tried. What is freed is taken again before the system is asked for more, so that
        differences of less than a few hundred kilobytes mean nothing.
    """
    measure = partial(
        _measure, lengths=tuple(lengths), dim=dim, options=dict(options or {}), backward=backward, limit=limit
    )
    results = run_jobs(measure, {head: head}, 1, threads=1, isolated=True)  # a fresh process has a peak of its own
    return all_values(results, "A measurement of memory")[head]


def frames_within(lengths: Sequence[int], taken: Sequence[float], limit: float) -> int:
    """How long a clip may be to fit into some memory, as the memory of measured clips tells.

    Args:
        lengths: frames of the clips, rising, at least two.
        taken: what each of them took.
        limit: what there is.

    Returns:
        frames: from one clip to the next and beyond the last two, memory grows with the power of the length that joins
        them; in proportion to the length where it seems to grow less, for in the end a longer video takes more.
    """
    upper = min(max(1, sum(some <= limit for some in taken)), len(taken) - 1)
    (short, long), (little, much) = lengths[upper - 1 : upper + 1], taken[upper - 1 : upper + 1]
    power = max(1.0, math.log(much / little) / math.log(long / short))
    frames, bytes_taken = (short, little) if much > limit else (long, much)
    return round(frames * (limit / bytes_taken) ** (1 / power))


def _measure(
    name: str, lengths: Sequence[int], dim: int, options: Mapping[str, object], backward: bool, limit: float
) -> list[int]:
    head = make_head(name, dim, options).requires_grad_(backward)
    _read(head, torch.randn(1, 8, dim), backward)  # what libraries set up once is not counted
    before, taken = _peak(), []
    for length in lengths:
        _read(head, torch.randn(1, length, dim), backward)
        taken.append(_peak() - before)
        if taken[-1] > limit:
            break
    return taken


def _read(head: TemporalHead, x: Tensor, backward: bool) -> None:
    y = head(x.requires_grad_(backward))
    if backward:
        y.sum().backward()


def _peak() -> int:
    """Peak resident memory so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts what the parent took into ru_maxrss
        (kilobytes,) = re.findall(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        return 1024 * int(kilobytes)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
