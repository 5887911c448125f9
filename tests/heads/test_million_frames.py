"""Hours of video: a head of constant state is after a million frames what it was after a thousand.

A million frames are 69 hours at 4 a second. What could go wrong is a state that grows, a sum that overflows or
freezes, and a position that loses digits: float32 holds all whole numbers up to 16.8 million, but knows an angle of
a million radians to 0.03 only.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from heads.test_contract import DIM, SMALL
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vidseq.heads import HEADS, TemporalHead, make_head

MILLION = 1_000_000
PIECE = 4000
GROWTH = 16 * 2**20
"""Bytes by which resident memory may waver; a million frames of this width are 32 MB, and states have two layers."""


def make(name: str) -> TemporalHead:
    torch.manual_seed(0)
    options = SMALL.get(name, {}) | ({"capacity": 8} if name == "memory_network" else {})
    return make_head(name, DIM, options).eval().requires_grad_(False)


def is_constant(name: str) -> bool:
    head = make(name)
    return head.state_bytes(1, 3000) == head.state_bytes(1, 4000)


CONSTANT = sorted(name for name in HEADS if is_constant(name))
KEEPS_EVERYTHING = {"attention", "retro"}
SHIFTED = [name for name in CONSTANT if "position" in make(name).init_state(1)._fields]
"""They count frames; outputs must not depend on the count, except for where blocks and pairs begin."""
MOVED_BY_POSITION = {"performer"}
"""The random error of its features is that of q and k as they are turned, so it changes with the position."""


def test_only_heads_that_keep_every_frame_grow() -> None:
    assert set(HEADS) - set(CONSTANT) == KEEPS_EVERYTHING


def frames(count: int, seed: int, batch: int = 1) -> Tensor:
    return torch.randn(batch, count, DIM, generator=torch.Generator().manual_seed(seed))


def at(head: TemporalHead, position: int) -> Any:
    """A state in which so many frames of nothing have gone by."""
    state = head.init_state(1)
    return state._replace(position=torch.full_like(state.position, position))


@pytest.mark.parametrize("name", [name for name in SHIFTED if name not in MOVED_BY_POSITION])
def test_the_millionth_frame_is_read_like_the_thousandth(name: str) -> None:
    head, x = make(name), frames(50, seed=1)
    (early, _), (late, state) = (head.step(x, at(head, start)) for start in (1000, MILLION))
    torch.testing.assert_close(late, early, rtol=1e-4, atol=1e-5)
    assert state.position.tolist() == [MILLION + 50]


@pytest.mark.parametrize("name", SHIFTED)
def test_the_millionth_frame_is_read_as_exactly_in_float32_as_in_float64(name: str) -> None:
    head, x = make(name), frames(50, seed=1)
    y, _ = head.step(x, at(head, MILLION))
    head.double()
    exact, _ = head.step(x.double(), at(head, MILLION))
    torch.testing.assert_close(y.double(), exact, rtol=1e-4, atol=1e-4)


class Work(TorchDispatchMode):
    """Counts the operations of torch that are called, and the numbers that they make."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += 1
        for part in result if isinstance(result, (tuple, list)) else [result]:
            self.numbers += part.numel() if isinstance(part, Tensor) else 0
        return result


def work_of_a_step(head: TemporalHead, state: Any) -> tuple[int, int]:
    with Work() as work:
        head.step(frames(1, seed=2), state)
    return work.calls, work.numbers


@pytest.mark.parametrize("name", SHIFTED)
def test_the_millionth_step_is_as_much_work_as_the_hundredth(name: str) -> None:
    head = make(name)
    assert work_of_a_step(head, at(head, MILLION)) == work_of_a_step(head, at(head, 100))


def resident() -> int:
    """Bytes of memory that this process holds now."""
    (kilobytes,) = re.findall(r"^VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(kilobytes)


def run_on(head: TemporalHead, state: Any, count: int, piece: int) -> Any:
    """The state after `count` frames of noise more, which are made and forgotten piece by piece."""
    for start in range(0, count, piece):
        _, state = head.step(frames(min(piece, count - start), seed=start), state)
    return state


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory of a process")
@pytest.mark.parametrize("name", CONSTANT)
def test_a_million_frames(name: str) -> None:
    head = make(name)
    early = run_on(head, head.init_state(1), 2000, PIECE)
    state = run_on(head, early, 98_000, PIECE)
    before = resident()
    state = run_on(head, state, MILLION - 102_000, PIECE)
    late = run_on(head, state, 2000, piece=1)
    assert resident() < before + GROWTH

    early = run_on(head, early, 2000, piece=1)  # live frames are kept apart until there are some
    assert [part.shape for part in late] == [part.shape for part in early]
    assert all(bool(part.isfinite().all()) for part in late)
    if name in SHIFTED:
        assert late.position.tolist() == [MILLION]
    assert work_of_a_step(head, late) == work_of_a_step(head, early)

    probe = frames(200, seed=-1)
    (soon, _), (now, _) = (head.step(probe, old) for old in (early, late))
    assert bool(now.isfinite().all())
    if head.context_frames is not None and head.context_frames < 100:
        torch.testing.assert_close(now[:, 100:], soon[:, 100:], rtol=1e-4, atol=1e-5)
