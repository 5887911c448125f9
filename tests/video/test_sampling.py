"""Which times are looked at, and which frame is on screen then."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.video.sampling import exact_rate, frame_indices, sample_times


def test_rates_of_broadcasting_are_exact() -> None:
    assert exact_rate(29.97) == Fraction(30000, 1001)
    assert exact_rate(23.976) == Fraction(24000, 1001)
    assert exact_rate(59.94) == Fraction(60000, 1001)
    assert exact_rate(30.0) == 30
    assert exact_rate(0.5) == Fraction(1, 2)
    assert exact_rate(Fraction(2997, 100)) == Fraction(2997, 100)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_must_be_positive(fps: float) -> None:
    with pytest.raises(UserError, match=r"rate expects a positive number, got .*\. Give frames a second"):
        exact_rate(fps)


def test_times_by_hand() -> None:
    np.testing.assert_allclose(sample_times(1.0, 4), [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(sample_times(1.01, 4), [0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(sample_times(10, 2, start=3.2, end=4.4), [3.2, 3.7, 4.2])
    np.testing.assert_allclose(sample_times(0.1, 1), [0])
    assert len(sample_times(3600.0, 30)) == 108_000


@given(
    duration=st.floats(0.01, 1e4),
    part=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    fps=st.one_of(st.fractions(Fraction(1, 10), 60, max_denominator=1001), st.floats(0.1, 60)),
)
def test_times_are_steady_and_inside(duration: float, part: tuple[float, float], fps: float | Fraction) -> None:
    start, end = sorted(share * duration for share in part)
    if start >= end:
        return
    times = sample_times(duration, fps, start, end)
    rate = float(exact_rate(fps))
    assert times[0] == start
    assert times[-1] < end
    assert times[-1] + 1 / rate >= end - 1e-6
    np.testing.assert_allclose(times, start + np.arange(len(times)) / rate, rtol=0, atol=1e-9 * max(1, duration))


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 2), (0, 11), (float("nan"), 2)])
def test_ranges_must_lie_inside(start: float, end: float) -> None:
    with pytest.raises(UserError, match=r"Sampling expects 0 <= start < end <= 10 s"):
        sample_times(10.0, 1, start, end)


@given(
    gaps=st.lists(st.floats(0.002, 3), min_size=1, max_size=30),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=10),
)
def test_the_frame_on_screen(gaps: list[float], shares: list[float]) -> None:
    edges = np.concatenate([[0.0], np.cumsum(gaps)])
    starts, duration = edges[:-1], float(edges[-1])
    times = [share * duration for share in shares]
    numbers = frame_indices(starts, duration, times, tick_seconds=1e-9)
    for time, number in zip(times, numbers):
        assert starts[number] <= time + 2e-9
        assert number == len(starts) - 1 or time < starts[number + 1]


def test_half_a_tick_early_counts_as_reached() -> None:
    starts = np.array([0, 0.033, 0.067, 0.1])
    assert frame_indices(starts, 0.133, [1 / 30, 2 / 30, 0.0664], 1e-3).tolist() == [1, 2, 1]
    assert frame_indices(starts, 0.133, [0.133, 0.0], 1e-3).tolist() == [3, 0]
    # a clock that ticks once a frame must not make frames early
    assert frame_indices(np.array([0, 0.04]), 0.08, [0.03, 0.0394], 0.04).tolist() == [0, 0]
