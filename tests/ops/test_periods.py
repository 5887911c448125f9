import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.ops.periods import Periods, shift


@settings(max_examples=40, deadline=None)
@given(by=st.lists(st.integers(-6, 6), min_size=1, max_size=3), size=st.integers(1, 8))
def test_frames_move_and_zeros_fill_the_gaps(by: list[int], size: int) -> None:
    x = torch.arange(1.0, 1 + len(by) * 5).view(len(by), 1, 5, 1)
    moved = shift(x, torch.tensor(by), size)
    for row, ahead in enumerate(by):
        expected = [float(x[row, 0, t - ahead, 0]) if 0 <= t - ahead < 5 else 0.0 for t in range(size)]
        assert moved[row, 0, :, 0].tolist() == expected


@settings(max_examples=40, deadline=None)
@given(
    before=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 7)), min_size=1, max_size=3), period=st.integers(1, 5)
)
def test_periods_are_counted_from_the_first_frame_of_each_row(before: list[tuple[int, int]], period: int) -> None:
    position, lengths = (torch.tensor(part) for part in zip(*before))
    mask = torch.arange(7) < lengths[:, None]
    x = torch.arange(1.0, 1 + len(before) * 7).view(len(before), 1, 7, 1).masked_fill(~mask[:, None, :, None], 0)
    periods = Periods(position, mask, period)
    cut = periods.cut(x)
    for row, (start, length) in enumerate(before):
        for t in range(length):
            where = (start + t) // period - start // period
            assert x[row, 0, t, 0] in cut[row, 0, where] and int(periods.next[row]) >= where
        assert int(periods.next[row]) == (start + length) // period - start // period
        assert int(periods.valid[row].sum()) == length
    assert torch.equal(periods.glue(cut).masked_fill(~mask[:, None, :, None], 0), x)
