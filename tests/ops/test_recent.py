import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.ops.recent import every, fits_page, last_frames, latest


def numbered(sizes: list[int], rows: int, dim: int) -> list[torch.Tensor]:
    """Parts of so many frames, each frame its number."""
    numbers = torch.arange(sum(sizes)).expand(rows, -1)
    return [*(numbers[:, :, None] if dim == 1 else numbers[:, None, :]).split(sizes, dim)]


@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4), count=st.integers(0, 12), dim=st.integers(1, 2))
def test_the_last_frames_of_all_parts(sizes: list[int], count: int, dim: int) -> None:
    views = last_frames(numbered(sizes, 2, dim), count, dim)
    assert len(views) == len(sizes)
    assert torch.cat(views, dim)[1].flatten().tolist() == [*range(sum(sizes))][max(0, sum(sizes) - count) :]


@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4), stride=st.integers(1, 5), dim=st.integers(1, 2))
def test_every_nth_frame_of_all_parts(sizes: list[int], stride: int, dim: int) -> None:
    views = every(numbered(sizes, 2, dim), stride, dim)
    assert len(views) == len(sizes)
    assert torch.cat(views, dim)[1].flatten().tolist() == [*range(sum(sizes))][::stride]


@given(
    past=st.lists(st.integers(0, 5), max_size=2),
    num_new=st.integers(1, 5),
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    most=st.integers(0, 12),
    dim=st.integers(1, 2),
)
def test_the_latest_frames_of_each_row_are_kept(
    past: list[int], num_new: int, counts: list[int], most: int, dim: int
) -> None:
    mask = torch.arange(num_new) < torch.tensor(counts)[:, None]
    kept = latest(numbered([*past, num_new], len(counts), dim), mask, most, dim)
    size = min(most, sum(past) + num_new)
    assert kept.shape[dim] == size and kept.shape[0] == len(counts)
    for row, count in enumerate(mask.sum(dim=1).tolist()):
        expected = [*range(sum(past) + count)][-size:] if size else []
        assert kept[row].flatten().tolist()[size - len(expected) :] == expected


def test_a_page_takes_what_fits_and_is_valid_in_every_row() -> None:
    page, mask = torch.zeros(2, 3, 4), torch.ones(2, 2, dtype=torch.bool)
    assert fits_page(page, mask, 5) and not fits_page(page, mask, 4)
    assert not fits_page(page, mask & torch.tensor([[True, False], [True, True]]), 9)
