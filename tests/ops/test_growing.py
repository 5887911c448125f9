import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.ops.growing import append_frames


@given(takes=st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=6))
def test_each_row_holds_its_frames_in_order_and_zeros_behind_them(takes: list[tuple[int, ...]]) -> None:
    store, count, rows = torch.zeros(3, 2, 0), torch.zeros(3, dtype=torch.int64), [[], [], []]
    for step, take in enumerate(takes):
        new = torch.arange(1, 25).view(3, 2, 4) + 100.0 * step
        mask = torch.arange(4) < torch.tensor(take)[:, None]
        store = append_frames(store, count, new, mask, dim=2)
        count = count + mask.sum(dim=1)
        for row, some in enumerate(take):
            rows[row] += new[row, :, :some].T.tolist()
        assert store.shape == (3, 2, max(map(len, rows)))
        for row, frames in enumerate(rows):
            assert store[row, :, : len(frames)].T.tolist() == frames and not store[row, :, len(frames) :].any()
