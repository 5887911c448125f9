from collections.abc import Iterator

import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.ops.recent import every_nth, fits_page, last_frames, latest, with_surroundings


def numbered(sizes: list[int], rows: int, dim: int) -> list[torch.Tensor]:
    """Parts of so many frames, each frame its index."""
    numbers = torch.arange(sum(sizes)).expand(rows, -1)
    return [*(numbers[:, :, None] if dim == 1 else numbers[:, None, :]).split(sizes, dim)]


@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4), count=st.integers(0, 12), dim=st.integers(1, 2))
def test_the_last_frames_of_all_parts(sizes: list[int], count: int, dim: int) -> None:
    views = last_frames(numbered(sizes, 2, dim), count, dim)
    assert len(views) == len(sizes)
    assert torch.cat(views, dim)[1].flatten().tolist() == [*range(sum(sizes))][max(0, sum(sizes) - count) :]


@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4), stride=st.integers(1, 5), dim=st.integers(1, 2))
def test_every_nth_frame_of_all_parts(sizes: list[int], stride: int, dim: int) -> None:
    views = every_nth(numbered(sizes, 2, dim), stride, dim)
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


@given(
    size=st.integers(1, 5),
    whole_parts=st.integers(0, 4),
    left=st.integers(0, 4),
    side=st.integers(0, 5),
)
def test_every_part_comes_with_both_its_sides(size: int, whole_parts: int, left: int, side: int) -> None:
    size = max(size, side)
    sizes = [size] * whole_parts + [left] * (0 < left <= size)
    frames = torch.arange(1.0, sum(sizes) + 1).expand(2, -1)[:, None, :, None]
    around = torch.nn.functional.pad(frames, (0, 0, side, side))
    parts = ((index, (part, 2 * part)) for index, part in enumerate(frames.split(sizes, dim=2)))
    slabs = [*with_surroundings(parts, side)] if sizes else []
    assert [index for index, _ in slabs] == [*range(len(sizes))]
    for index, (one, other) in slabs:
        start = index * size
        assert torch.equal(one, around[:, :, start : start + sizes[index] + 2 * side])
        assert torch.equal(other, 2 * one)


def test_a_part_is_made_when_the_one_before_it_is_due() -> None:
    made = []

    def parts() -> Iterator[tuple[int, tuple[torch.Tensor]]]:
        for index in range(4):
            made.append(index)
            yield index, (torch.zeros(1, 1, 3, 1),)

    for index, _ in with_surroundings(parts(), 2):
        assert made == [*range(min(index + 2, 4))]
