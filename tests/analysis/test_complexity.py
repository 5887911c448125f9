"""The complexity table: a row for every head, and measurements that have the shape that theory gives them."""

import numpy as np
import pytest

from vidseq.analysis import complexity
from vidseq.analysis.complexity import THEORY, frames_within, measure_complexity
from vidseq.analysis.memory import peak_memory
from vidseq.heads import HEADS


def test_every_head_has_its_row():
    assert set(THEORY) >= set(HEADS)


def test_the_table():
    table = measure_complexity(["rnn", "window"], (64, 128), dim=16, options={"window": {"window": 8}}, runs=1)
    assert table["head"].tolist() == ["rnn", "rnn", "window", "window"]
    assert table["path"].tolist() == ["n", "n", "n / w", "n / w"]
    assert (table["milliseconds"] > 0).all()
    assert np.isnan(table["exponent"][0]) and np.isfinite(table["exponent"][1])
    assert table["context_frames"].tolist()[2:] == [15, 15]


def test_memory_grows_with_the_clip():
    short, long = (peak_memory("window", frames, 32, {"window": 16}) for frames in (512, 16384))
    assert long > short + 16384 * 32 * 4 * 8, "at least a few activations a frame are kept for the gradients"


@pytest.mark.parametrize("gigabytes, expected", [(1.0, 1000), (4.0, 4000), (99.0, 8192)])
def test_how_far_back_within_a_memory(gigabytes, expected, monkeypatch):
    monkeypatch.setattr(complexity, "peak_memory", lambda head, frames, dim, options: frames * 1_000_000)
    assert frames_within("lstm", gigabytes, most=8192) == (expected, expected)
    assert frames_within("window", gigabytes, options={"window": 11, "layers": 2}, most=8192) == (expected, 21)
