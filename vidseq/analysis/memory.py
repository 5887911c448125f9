"""Measures the memory that a head needs to read and to train, in a separate process."""

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
    """Measures the peak memory of reading a clip, beyond that of the process before.

    Args:
        head: name of the head.
        lengths: frames of the clips, in ascending order; each clip is read alone (B = 1).
        dim: width.
        options: options of the head.
        backward: True: gradients are computed too, as in training. False: the clip is only read.
        limit: largest memory in bytes; after the first clip that needs more, longer clips are not tried.

    Returns:
        bytes for each clip that was tried. Freed memory is reused before the process asks the system for more, so
        differences below a few hundred kilobytes are not meaningful.
    """
    measure = partial(
        _measure, lengths=tuple(lengths), dim=dim, options=dict(options or {}), backward=backward, limit=limit
    )
    results = run_jobs(measure, {head: head}, 1, threads=1, isolated=True)  # a new process has its own peak
    return all_values(results, "A measurement of memory")[head]


def frames_within(lengths: Sequence[int], taken: Sequence[float], limit: float) -> int:
    """Estimates the longest clip that fits into some memory, from measurements.

    Between two neighbouring clips, and beyond the last two, memory is taken to grow with a power of the length. The
    power is at least 1, because a long enough video always needs more memory.

    Args:
        lengths: frames of the measured clips, in ascending order, at least two.
        taken: memory of each clip, in bytes.
        limit: available memory, in bytes.

    Returns:
        number of frames.
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
    _read(head, torch.randn(1, 8, dim), backward)  # leaves the one-time setup of libraries out
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
    """Returns the peak resident memory so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, ru_maxrss includes the memory of the parent process
        (kilobytes,) = re.findall(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        return 1024 * int(kilobytes)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
