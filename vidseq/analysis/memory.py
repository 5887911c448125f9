"""Memory that a head takes in training, measured in a process of its own."""

import multiprocessing
import re
import resource
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from vidseq.heads import make_head


def peak_memory(head: str, frames: int, dim: int, options: Mapping[str, object]) -> int:
    """Measures the bytes that reading a clip and making all gradients takes at its peak, beyond what was there before.

    Args:
        head: its name.
        frames: of the clip, one at a time (B = 1).
        dim: width.
        options: of the head.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, head, frames, dim, dict(options)).result()


def _measure(name: str, frames: int, dim: int, options: Mapping[str, object]) -> int:
    torch.set_num_threads(1)
    head = make_head(name, dim, options)
    head(torch.randn(1, 8, dim)).sum().backward()  # what libraries set up once is not counted
    before = _peak()
    head(torch.randn(1, frames, dim, requires_grad=True)).sum().backward()
    return _peak() - before


def _peak() -> int:
    """Peak resident memory so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts what the parent took into ru_maxrss
        (kilobytes,) = re.findall(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        return 1024 * int(kilobytes)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
