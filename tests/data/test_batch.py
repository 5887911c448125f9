import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.data.batch import lengths_to_mask, pad_features, pad_labels


@settings(deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=5), st.lists(st.integers(1, 4), min_size=1, max_size=2))
def test_padding_keeps_all_and_adds_zeros(lengths: list[int], sample: list[int]) -> None:
    features = [torch.rand(length, *sample) + 1 for length in lengths]
    x, mask = pad_features(features)
    assert x.shape == (len(lengths), max(lengths), *sample) and mask.shape == x.shape[:2] and mask.dtype == torch.bool
    for row, valid, original in zip(x, mask, features):
        assert torch.equal(row[valid], original)
        assert not row[~valid].any()
        assert valid.tolist() == [True] * len(original) + [False] * (len(row) - len(original))


def test_labels_are_padded_with_ignored() -> None:
    padded = pad_labels([torch.tensor([1, 2]), torch.tensor([3])])
    assert padded.tolist() == [[1, 2], [3, -100]]


def test_mask_of_lengths() -> None:
    assert lengths_to_mask(torch.tensor([0, 2]), 3).tolist() == [[False] * 3, [True, True, False]]


@pytest.mark.parametrize("lengths", [[4], [-1], [[1]]])
def test_bad_lengths(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match=r"lengths_to_mask expects lengths \(B,\) from 0 to 3, got"):
        lengths_to_mask(torch.tensor(lengths), 3)


def test_widths_must_agree() -> None:
    with pytest.raises(
        ValueError,
        match=r"pad_features expects sequences \(T, D\) or \(T, N, D\) of one width, got \(2, 3\), ",
    ):
        pad_features([torch.zeros(2, 3), torch.zeros(2, 4)])
    with pytest.raises(ValueError, match=r"got \(2, 3, 4\), \(2, 2, 4\)"):
        pad_features([torch.zeros(2, 3, 4), torch.zeros(2, 2, 4)])
    with pytest.raises(ValueError, match="got none"):
        pad_features([])
