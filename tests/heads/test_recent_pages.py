"""Heads whose states keep the latest frames in a long part and a page: live frames go to the page."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.heads import TemporalHead, make_head
from vidseq.ops.recent import page_frames

WINDOW = 20
PAGE = page_frames(WINDOW)
OPTIONS: dict[str, dict[str, object]] = {
    "window": {"window": WINDOW, "layers": 2, "heads": 2},
    "dilated": {"window": WINDOW, "layers": 2, "heads": 2, "dilation": 2, "growth": 3},
}
every_head = pytest.mark.parametrize("name", OPTIONS)


def make(name: str) -> TemporalHead:
    torch.manual_seed(0)
    return make_head(name, 8, OPTIONS[name]).double().eval().requires_grad_(False)


def frames(count: int, rows: int = 1, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, count, 8, generator=generator, dtype=torch.float64)


@every_head
@settings(max_examples=15, deadline=None)
@given(takes=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 7)), min_size=1, max_size=30))
def test_rows_in_and_out_of_step_read_as_whole_videos(name: str, takes: list[tuple[int, int]]) -> None:
    """Both rows take as many frames, so that a page fills, or the second fewer, so that it is put away."""
    head, videos = make(name), frames(220, rows=2)
    whole, query = head(videos), frames(1, rows=2, seed=2)
    state, done = head.init_state(2), [0, 0]
    for most, other in takes:
        counts = [most, min(most, other) if other < 5 else most]
        mask = torch.arange(most) < torch.tensor(counts)[:, None]
        x = torch.stack([video[start : start + most] for video, start in zip(videos, done)])
        y, state = head.step(x, state, mask)
        for row, count in enumerate(counts):
            torch.testing.assert_close(y[row, :count], whole[row, done[row] : done[row] + count], rtol=1e-9, atol=1e-9)
            done[row] += count
        answer, (next_frame, _) = head.ask(query, state), head.step(query, state)
        torch.testing.assert_close(answer, next_frame, rtol=1e-9, atol=1e-9)


@every_head
def test_two_streams_go_on_from_one_state(name: str) -> None:
    head, past, ways = make(name), frames(90), (frames(60, seed=2), frames(60, seed=3))
    _, state = head.step(past, head.init_state(1))
    for end in range(3):  # some frames are on the page
        _, state = head.step(past[:, end : end + 1], state)
    kept, ends = copy.deepcopy(state), []
    for way in ways:
        on = state
        for end in range(60):
            y, on = head.step(way[:, end : end + 1], on)
        ends.append(y)
        whole = torch.cat([past, past[:, :3], way], dim=1)
        torch.testing.assert_close(y, head(whole)[:, -1:], rtol=1e-9, atol=1e-9)
    assert all(torch.equal(part, old) for part, old in zip(state, kept))
    assert not torch.equal(*ends)


@every_head
def test_a_live_frame_copies_no_more_than_a_page(name: str) -> None:
    head, x = make(name), frames(300)
    _, state = head.step(x, head.init_state(1))
    shared, page = 0, 0
    for frame in range(40):
        _, new = head.step(x[:, frame : frame + 1], state)
        shared += new.keys is state.keys and new.values is state.values
        page, state = max(page, new.page_keys.shape[3]), new
    assert page == PAGE and shared == sum((frame + 1) % (PAGE + 1) != 0 for frame in range(40))
