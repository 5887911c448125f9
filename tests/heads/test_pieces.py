import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.heads import make_head
from vidseq.heads.pieces import plan_pieces, plan_together, read_in_pieces
from vidseq.ops.places import PlacedQueries, Places

clips_and_stops = st.lists(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), max_size=7))),
    min_size=1,
    max_size=5,
)


@given(clips_and_stops)
def test_pieces_read_every_frame_once_and_stop_where_asked(clips: list[tuple[int, list[int]]]) -> None:
    lengths, stops = zip(*clips)
    plan = plan_pieces(lengths, stops)
    assert plan.frames.shape[1] == sum(piece.length for piece in plan.pieces)
    for row, (length, asked) in enumerate(clips):
        read = plan.frames[row][plan.mask[row]].tolist()
        assert read == list(range(length))
        assert {n for piece in plan.pieces for r, n in piece.stops if r == row} == set(asked) - {0}
    start = 0
    for piece in plan.pieces:
        valid = plan.mask[:, start : start + piece.length]
        start += piece.length
        assert not bool((valid[:, 1:] & ~valid[:, :-1]).any())
        for row, seen in piece.stops:
            assert int(plan.mask[row, :start].sum()) == seen


@given(st.integers(1, 300), st.integers(1, 12), st.integers(0, 1000))
def test_pieces_are_few_however_the_stops_lie(length: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stops = [rng.integers(1, length + 1, size=most).tolist() for _ in range(8)]
    plan = plan_pieces([length] * 8, stops)
    assert len(plan.pieces) <= 2 * most + 1
    assert plan.frames.shape[1] <= 2 * length + 2 * most


def test_a_stop_beyond_the_clip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"A clip of 5 frames expects queries after 0 to 5 frames, got 6\."):
        plan_pieces([5], [[6]])


@given(clips_and_stops)
def test_reading_together_is_no_longer_than_the_longest_clip(clips: list[tuple[int, list[int]]]) -> None:
    lengths, stops = zip(*clips)
    plan = plan_together(lengths, stops)
    assert plan.frames.shape[1] == max(lengths)
    start = 0
    for row, asked in enumerate(stops):
        assert plan.frames[row][plan.mask[row]].tolist() == list(range(lengths[row]))
        assert {n for piece in plan.pieces for r, n in piece.stops if r == row} == set(asked) - {0}
    for piece in plan.pieces:
        start += piece.length
        assert all(int(plan.mask[row, :start].sum()) == seen for row, seen in piece.stops)


@given(clips_and_stops, st.booleans())
def test_clips_that_have_come_to_their_end_are_left_behind(clips: list[tuple[int, list[int]]], together: bool) -> None:
    lengths, stops = zip(*clips)
    plan = plan_together(lengths, stops) if together else plan_pieces(lengths, stops)
    goings, start = [*plan.going()], 0
    assert len(goings) == len(plan.pieces)
    for piece, going in zip(plan.pieces, goings):
        ahead = plan.mask[:, start:].any(dim=1)
        assert going == ahead.nonzero()[:, 0].tolist() and going
        assert {row for row, _ in piece.stops} <= set(going)
        start += piece.length


@pytest.mark.parametrize(
    "places", [[(0, 4), (1, 4), (1, 0), (2, 4), (0, 4)], [(0, 9), (1, 2), (1, 3), (2, 1), (0, 1)]]
)
def test_reading_in_pieces_is_asking_each_query_alone(places: list[tuple[int, int]]) -> None:
    """At common places, which clips reach in step, and at others."""
    torch.manual_seed(0)
    head, x, vectors = make_head("performer", 8, {"heads": 2}), torch.randn(3, 9, 8), torch.randn(5, 8)
    rows, seen = torch.tensor(places).T
    mask = torch.arange(9) < torch.tensor([9, 7, 4])[:, None]
    y, answers = read_in_pieces(head, x, head.init_state(3), mask, PlacedQueries(vectors, Places(rows, seen)))
    torch.testing.assert_close(y, head(x, mask))
    for vector, row, count, answer in zip(vectors, rows, seen, answers):
        _, state = head.step(x[row, None, :count], head.init_state(1))
        torch.testing.assert_close(answer, head.ask(vector[None, None], state)[0, 0])
