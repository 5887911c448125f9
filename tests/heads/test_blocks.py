import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.heads.blocks import latest


@given(
    past=st.integers(0, 5),
    num_new=st.integers(1, 5),
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    most=st.integers(0, 12),
    dim=st.integers(1, 2),
)
def test_the_latest_frames_of_each_row_are_kept(
    past: int, num_new: int, counts: list[int], most: int, dim: int
) -> None:
    mask = torch.arange(num_new) < torch.tensor(counts)[:, None]
    numbers = torch.arange(past + num_new).expand(len(counts), -1)
    frames = numbers[:, :, None] if dim == 1 else numbers[:, None, :]
    kept = latest(frames, mask, most, dim)
    assert kept.shape[dim] == min(most, past + num_new) and kept.shape[0] == len(counts)
    for row, count in enumerate(mask.sum(dim=1).tolist()):
        expected = [*range(past + count)][-kept.shape[dim] :] if kept.shape[dim] else []
        assert kept[row].flatten().tolist()[kept.shape[dim] - len(expected) :] == expected
