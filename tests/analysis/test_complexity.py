"""The complexity table: a row for every head, and measurements that have the shape that theory gives them."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vidseq.analysis import complexity
from vidseq.analysis.complexity import THEORY, complexity_table, growth, measure_complexity
from vidseq.analysis.memory import frames_within, peak_memory
from vidseq.analysis.paths import first_reaches_last, layers_needed
from vidseq.heads import HEADS, make_head


def test_every_head_has_its_row():
    assert set(THEORY) >= set(HEADS)


def test_measurements_and_the_table_made_of_them(monkeypatch):
    def weighed(head, lengths, *, backward, limit, **_):
        return [length * (3000 if backward else 1000) for length in lengths if length * 3000 <= limit or not backward]

    monkeypatch.setattr(complexity, "peak_memory", weighed)
    plan = {"frames": (64, 128, 256, 512), "dim": 16, "runs": 1, "limit": 1e6, "path_frames": (9, 17)}
    rows = measure_complexity("window", options={"window": 9}, **plan)
    counts = rows.groupby("quantity")["frames"].agg(list).to_dict()
    assert counts["learn_bytes"] == [64, 128, 256], "512 frames take more than the limit"
    assert counts["milliseconds"] == counts["read_bytes"] == counts["state_bytes"] == [64, 128, 256, 512]
    assert (rows["value"] > 0).all()
    (line,) = complexity_table(rows, 0.006).to_dict("records")
    assert line["path"] == "n / w" and line["layers"] == "1, 2"
    assert [line[word] for word in ("read", "learn", "state")] == pytest.approx([1, 1, 0])
    assert line["time_low"] < line["time"] < line["time_high"]
    assert (line["read_frames"], line["learn_frames"]) == pytest.approx((6000, 2000), abs=1)


def test_a_signal_that_never_arrives_is_told(monkeypatch):
    monkeypatch.setattr(complexity, "peak_memory", lambda head, lengths, **_: list(lengths))
    monkeypatch.setattr(complexity, "layers_needed", lambda *_, **__: None)
    rows = measure_complexity("rnn", frames=(8, 16, 32), dim=8, runs=1)
    assert complexity_table(rows)["layers"].tolist() == ["never"]


@given(st.floats(-1, 3), st.floats(0.1, 1e6), st.lists(st.floats(-0.1, 0.1), min_size=5, max_size=5))
def test_growth_finds_the_power_within_its_interval(power, factor, noise):
    lengths = np.array([10, 20, 40, 80, 160])
    exact, low, high = growth(lengths, factor * lengths**power)
    assert exact == pytest.approx(power, abs=1e-9) and high - low < 1e-6
    slope, low, high = growth(lengths, factor * lengths**power * np.exp(noise))
    assert low <= slope <= high
    reference = stats.linregress(np.log(lengths), power * np.log(lengths) + noise)
    assert slope == pytest.approx(reference.slope, abs=1e-6)
    if np.ptp(noise) > 1e-3:
        half = stats.t.ppf(0.975, 3) * reference.stderr
        assert (low, high) == pytest.approx((slope - half, slope + half), abs=1e-6)


def test_memory_grows_with_the_clip_and_learning_takes_more():
    activations = 16384 * 32 * 4 * 8
    reading, learning = (
        peak_memory("window", (512, 16384, 99999), dim=32, options={"window": 16}, backward=backward, limit=limit)
        for backward, limit in ((False, 8e6), (True, activations))
    )
    assert len(reading) == len(learning) == 2, "beyond the limit none is tried"
    assert learning[1] > learning[0] + activations, "at least a few activations a frame are kept for the gradients"
    assert reading[1] < learning[1]


@pytest.mark.parametrize("limit, expected", [(1e3, 10), (5e4, 500), (3e5, 1732), (4e8, 63245), (2e6, 4472)])
def test_how_far_back_within_a_memory(limit, expected):
    """100 bytes a frame up to 1,000 frames, then growing with the square."""
    assert frames_within((100, 1000, 10_000), (1e4, 1e5, 1e7), limit) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("limit, expected", [(2.5, 5), (10, 40)])
def test_memory_that_does_not_grow_yet_will_grow_in_proportion(limit, expected):
    assert frames_within((10, 20), (5, 5), limit) == expected


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("attention", {}, [1, 1, 1]),
        ("lstm", {}, [1, 1, 1]),
        ("window", {"window": 5}, [2, 4, 8]),
        ("conv", {"channels": 4}, [3, 4, 5]),
        ("dilated", {"window": 3}, [3, 4, 5]),
        ("memorizing", {"window": 5, "memory_layer": 1}, [1, 1, 1]),
        ("memory_network", {}, [1, 1, 1]),
        ("transformer_xl", {"memory": 4}, [2, 4, 8]),
    ],
)
def test_layers_follow_theory(name, options, expected):
    assert [layers_needed(name, frames, dim=8, options=options) for frames in (9, 17, 33)] == expected


def test_layers_that_are_never_enough():
    assert layers_needed("window", 30, dim=8, options={"window": 5}, most=3) is None
    assert layers_needed("memory_network", 30, dim=8, options={"capacity": 5}) is None


def test_the_first_frame_reaches_the_last_output_of_a_window_as_far_as_it_declares():
    torch.manual_seed(0)
    head = make_head("window", 8, {"window": 4}).double()
    assert first_reaches_last(head, head.context_frames)
    assert not first_reaches_last(head, head.context_frames + 1)


def test_rows_survive_a_file(tmp_path):
    rows = pd.DataFrame(
        {"head": "rnn", "quantity": quantity, "frames": n, "value": float(n)}
        for quantity in ("milliseconds", "read_bytes", "learn_bytes", "state_bytes", "layers")
        for n in (10, 20, 40)
    )
    rows.to_csv(tmp_path / "rows.csv", index=False)
    pd.testing.assert_frame_equal(complexity_table(pd.read_csv(tmp_path / "rows.csv")), complexity_table(rows))
