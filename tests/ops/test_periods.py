import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.ops.periods import Periods


@given(position=st.lists(st.integers(0, 20), min_size=1, max_size=3), num_frames=st.integers(1, 20), data=st.data())
def test_every_frame_is_in_its_period(position: list[int], num_frames: int, data: st.DataObject) -> None:
    period = data.draw(st.integers(1, 7))
    taken = data.draw(st.lists(st.integers(0, num_frames), min_size=len(position), max_size=len(position)))
    mask = torch.arange(num_frames) < torch.tensor(taken)[:, None]
    periods = Periods(torch.tensor(position), mask, period)
    x = 1.0 + torch.arange(len(position) * num_frames).view(-1, 1, num_frames, 1)
    cut, steps = periods.split(x), periods.offsets.expand(len(position), -1)
    assert periods.join(cut).equal(x) and cut.shape[2] == periods.count and periods.count - periods.num_ends in (0, 1)
    assert int(periods.next.max()) <= periods.num_ends
    for row, (start, count) in enumerate(zip(position, taken)):
        first = start // period
        assert periods.next[row] == (start + count) // period - first
        for index in range(num_frames):
            (found,) = (cut[row, 0, ..., 0] == x[row, 0, index, 0]).nonzero().tolist()
            at = (start + index) // period - first
            assert found[0] == at and steps[row, found[1]] == (start + index) % period
            assert bool(periods.valid[row, at, found[1]]) == (index < count)
        assert int(periods.valid[row].sum()) == count


@pytest.mark.parametrize("position", [0, 3, 6])
def test_a_live_frame_is_not_padded(position: int) -> None:
    periods = Periods(torch.tensor([position]), torch.ones(1, 1, dtype=torch.bool), 7)
    assert periods.split(torch.ones(1, 2, 1, 3)).shape == (1, 2, 1, 1, 3)
    assert (periods.count, periods.num_ends) == (1, position == 6)
