"""Weights that ship in a quarter of their bytes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.compact_weights import SMALLEST_MATRIX, pack, unpack


@given(st.integers(1, 40), st.integers(1, 60), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_weights_come_back_within_half_a_step_of_their_row(rows: int, columns: int, size: float, seed: int) -> None:
    weight = torch.from_numpy(np.random.default_rng(seed).normal(0, size, (rows, columns))).float()
    weight[0] = 0
    back = unpack(pack({"a": weight}))["a"]
    step = weight.abs().amax(dim=1, keepdim=True) / (127 if weight.numel() >= SMALLEST_MATRIX else 1024)
    assert ((back.float() - weight).abs() <= 0.5001 * step + 1e-7).all()


def test_small_tensors_and_whole_numbers_are_kept() -> None:
    weights = {"bias": torch.tensor([1.5, -2.0]), "scale": torch.ones(2, 3), "count": torch.tensor(3)}
    back = unpack(pack(weights))
    assert all(torch.equal(back[name].to(part.dtype), part) for name, part in weights.items())
    assert unpack(weights) == weights


def test_matrices_take_a_byte_a_weight() -> None:
    packed = pack({"a": torch.randn(64, 256), "kernel": torch.randn(32, 8, 5)})
    assert sum(part.nbytes for part in packed.values()) == 64 * 256 + 64 * 4 + 32 * 8 * 5 + 32 * 4
    assert packed["kernel.scale"].shape == (32, 1, 1)


def test_a_scale_that_is_missing_is_told() -> None:
    packed = pack({"a": torch.randn(64, 256)})
    with pytest.raises(ValueError, match="a expects a scale for each of its 64 rows"):
        unpack({"a": packed["a"]})
