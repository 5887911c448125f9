"""Measures one head or peer of `benchmark_heads.py` in its own process, which reads jobs from standard input.

Every input line is one of `JOBS`. Every output line is a JSON object: milliseconds and, the first time, the peak of
extra memory in bytes; or an error. The caller lets several of these processes take turns, and survives if one of them
crashes.
"""

import ctypes
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmark_peers import BENCHMARKED_HEADS, CALLS, FromScratch, WithTokens, make_subject
from torch import Tensor, nn

from vidseq.heads import TemporalHead, make_head

FAR = 1_000_000
"""Number of frames before a late step of a stream."""
WARM = 32
"""Number of frames that are read once before memory is measured."""


def forward(subject: nn.Module, x: Tensor) -> Callable[[], object]:
    """Reads x."""
    subject.eval()
    return torch.no_grad()(lambda: subject(x))


def both(subject: nn.Module, x: Tensor) -> Callable[[], object]:
    """Reads x and computes all gradients, including that of x."""
    subject.train()
    x = x.requires_grad_()

    def job() -> None:
        subject.zero_grad()
        x.grad = None
        subject(x).sum().backward()

    return job


def train(subject: nn.Module, x: Tensor) -> Callable[[], object]:
    """Runs `both` on the same head with default options: with all layers and feed-forward networks."""
    head = subject.head if isinstance(subject, WithTokens) else subject
    assert isinstance(head, TemporalHead)
    return both(make_head(head.name, head.dim, causal=head.config.causal), x)


def step(subject: nn.Module, x: Tensor, far: bool = False) -> Callable[[], object]:
    """Reads live frames after a video, one at a time; `FromScratch` reads only one frame, with its whole context."""
    subject.eval()
    if isinstance(subject, FromScratch):
        return torch.inference_mode()(lambda: subject(x))
    if not isinstance(subject, TemporalHead):
        return _step_torch(subject, x)
    with torch.inference_mode():
        _, state = subject.step(x, subject.init_state(1))
    if far and hasattr(state, "position"):
        state = state._replace(position=state.position + FAR)
    frame = x[:, -1:].detach().clone()

    @torch.inference_mode()
    def job() -> None:
        nonlocal state
        for _ in range(CALLS):
            _, state = subject.step(frame, state)

    return job


def _step_torch(subject: Any, x: Tensor) -> Callable[[], object]:
    """Reads live frames with a recurrence of torch in its slot, one frame per call."""
    frame = x[:, -1:].detach().clone()
    kernel = subject.layer.module
    _, state = kernel(frame)

    @torch.inference_mode()
    def job() -> None:
        nonlocal state
        for _ in range(CALLS):
            y, state = kernel(subject.norm(frame), state)
            subject.last_norm(frame + y)

    return job


def far(subject: nn.Module, x: Tensor) -> Callable[[], object]:
    """Like `step`, a million frames later."""
    return step(subject, x, far=True)


JOBS: dict[str, Callable[[nn.Module, Tensor], Callable[[], object]]] = {
    "forward": forward,
    "both": both,
    "step": step,
    "far": far,
    "train": train,
}


class Memory:
    """Measures the peak memory of this process from now on, on Linux."""

    def __init__(self) -> None:
        _trim()
        self.size = None
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5")
            self.size = _status("VmRSS")

    def extra(self) -> int | None:
        """Returns the bytes by which the process grew at its peak; None on other systems."""
        return None if self.size is None else max(0, _status("VmHWM") - self.size)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def _trim() -> None:
    """Returns free memory to the system, so that it counts when it is used again."""
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)


def matrix_rate(clock: Callable[[], float]) -> float:
    """Measures multiplications and additions per second in large matrix products, the fastest of ten."""
    a, b, times = torch.randn(4096, 512), torch.randn(512, 512), []
    for _ in range(12):
        start = clock()
        a @ b
        times.append(clock() - start)
    return 2 * a.numel() * b.shape[1] / min(times[2:])


def main() -> None:
    """Builds the subject, then runs the requested jobs."""
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(spec["threads"])
    used = 1024 * int(Path("/proc/self/statm").read_text().split()[0]) * 4 if Path("/proc/self/statm").exists() else 0
    limit = used + int(spec["limit_gb"] * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    subject = make_subject(spec["subject"], spec["head"], spec["dim"], spec["frames"])
    clock = time.process_time if spec["threads"] == 1 else time.perf_counter
    jobs: dict[str, Callable[[], object]] = {}
    facts = {"matrix_rate": matrix_rate(clock)}
    if spec["subject"] in BENCHMARKED_HEADS and BENCHMARKED_HEADS[spec["subject"]].causal:
        facts["state_bytes"] = subject.state_bytes(1, spec["frames"])
    _print(facts)
    for line in sys.stdin:
        name = line.strip()
        answer: dict[str, object] = {}
        if name not in jobs:
            jobs.clear()  # frees their memory
            small, x = torch.randn(1, WARM, spec["dim"]), torch.randn(1, spec["frames"], spec["dim"])
            if spec["subject"] in BENCHMARKED_HEADS:
                JOBS[name](subject, small)()  # peers may need a fixed length
            memory = Memory()
            jobs[name] = JOBS[name](subject, x)
            jobs[name]()
            answer["bytes"] = memory.extra()
        start = clock()
        jobs[name]()
        answer["ms"] = 1000 * (clock() - start) * (CALLS if isinstance(subject, FromScratch) else 1)
        _print(answer)


#: The stream of answers. Other output of packages goes to standard error.
_ANSWERS = os.fdopen(os.dup(1), "w")


def _print(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=_ANSWERS, flush=True)


def _run() -> None:
    os.dup2(2, 1)
    try:
        main()
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        scarce = isinstance(error, MemoryError) or "allocate memory" in text or "bad_alloc" in text
        _print({"error": "out of memory" if scarce else text.splitlines()[0][:200]})
    except ValueError as error:
        _print({"error": str(error).splitlines()[0][:200]})


if __name__ == "__main__":
    _run()
