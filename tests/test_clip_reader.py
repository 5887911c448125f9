import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.clip_reader import QueryBatch, plan_pieces, plan_together, read_clips, read_projected
from vidseq.heads import HEADS
from vidseq.model import ModelConfig, VideoReasoner

clips_and_stops = st.lists(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), max_size=7))),
    min_size=1,
    max_size=5,
)


@given(clips_and_stops, st.booleans())
@settings(deadline=None)
def test_pieces_read_every_frame_once_and_stop_where_asked(clips: list[tuple[int, list[int]]], whole: bool) -> None:
    lengths, stops = zip(*clips)
    plan = plan_pieces(lengths, stops, whole=whole)
    assert plan.frames.shape[1] == sum(piece.length for piece in plan.pieces)
    for row, (length, asked) in enumerate(clips):
        read = plan.frames[row][plan.mask[row]].tolist()
        assert read == list(range(length if whole else max([0, *asked])))
        assert {n for piece in plan.pieces for r, n in piece.stops if r == row} == set(asked) - {0}
    start = 0
    for piece in plan.pieces:
        valid = plan.mask[:, start : start + piece.length]
        start += piece.length
        assert not bool((valid[:, 1:] & ~valid[:, :-1]).any())
        for row, seen in piece.stops:
            assert int(plan.mask[row, :start].sum()) == seen


@given(st.integers(1, 300), st.integers(1, 12), st.integers(0, 1000))
@settings(deadline=None)
def test_pieces_are_few_however_the_stops_lie(length: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stops = [rng.integers(1, length + 1, size=most).tolist() for _ in range(8)]
    plan = plan_pieces([length] * 8, stops, whole=False)
    assert len(plan.pieces) <= 2 * most + 1
    assert plan.frames.shape[1] <= 2 * length + 2 * most


def test_a_stop_beyond_the_clip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"A clip of 5 frames expects queries after 0 to 5 frames, got 6\."):
        plan_pieces([5], [[6]], whole=False)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_reading_in_pieces_is_asking_each_query_on_its_own_prefix(head: str, toy_config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = VideoReasoner(ModelConfig(**{**vars(toy_config), "head": head})).eval().double()
    features = torch.randn(3, 20, 6, dtype=torch.float64)
    mask = torch.arange(20) < torch.tensor([[20], [11], [1]])
    features[~mask] = float("nan")
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, size=14)
    frames = [int(rng.integers(0, n + 1)) for n in np.array([20, 11, 1])[rows]]
    asked = {
        "question": QueryBatch(rows[:10], frames[:10], torch.randint(1, 6, (10, 4))),
        "next_action": QueryBatch(rows[10:], frames[10:], torch.zeros(4, 1, dtype=torch.long)),
    }
    reading = read_clips(model, features, mask, asked, whole=True)
    for task, queries in asked.items():
        for number, (row, seen) in enumerate(zip(queries.rows, queries.frames)):
            _, state = model.step(features[[row], :seen], model.init_state(1))
            alone = model.ask(queries.tokens[None, [number]], state, task)[0, 0]
            torch.testing.assert_close(reading.logits[task][number], alone, atol=1e-9, rtol=1e-9)
    expected = model(features, mask).gather(1, reading.frames[..., None].expand(-1, -1, 8))
    torch.testing.assert_close(reading.y[reading.mask], expected[reading.mask], atol=1e-9, rtol=1e-9)
    assert int(reading.mask.sum()) == int(mask.sum())


def test_gradients_are_those_of_asking_one_at_a_time(toy_model: VideoReasoner) -> None:
    model = toy_model.double()
    features = torch.randn(2, 12, 6, dtype=torch.float64)
    tokens = torch.randint(1, 6, (3, 4))
    rows, frames = [0, 0, 1], [3, 12, 7]
    asked = {"question": QueryBatch(rows, frames, tokens)}
    mask = torch.ones(2, 12, dtype=torch.bool)
    read_clips(model, features, mask, asked).logits["question"].square().sum().backward()
    together = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    for row, seen, text in zip(rows, frames, tokens):
        _, state = model.step(features[[row], :seen], model.init_state(1))
        model.ask(text[None, None], state, "question").square().sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(together[name], parameter.grad, atol=1e-9, rtol=1e-9)


def test_a_clip_without_queries_or_frames_is_no_trouble(toy_model: VideoReasoner) -> None:
    features = torch.randn(2, 0, 6)
    mask = torch.ones(2, 0, dtype=torch.bool)
    tokens = torch.ones(2, 1, dtype=torch.long)
    reading = read_clips(toy_model, features, mask, {"question": QueryBatch([0, 1], [0, 0], tokens)})
    torch.testing.assert_close(reading.logits["question"], toy_model.blind(tokens[:, None], "question")[:, 0])
    assert read_clips(toy_model, features, mask, {}).logits == {}


@given(clips_and_stops)
@settings(deadline=None)
def test_reading_together_is_no_longer_than_the_longest_clip(clips: list[tuple[int, list[int]]]) -> None:
    lengths, stops = zip(*clips)
    plan = plan_together(lengths, stops)
    assert plan.frames.shape[1] == max((stop for row in stops for stop in row), default=0)
    start = 0
    for row, asked in enumerate(stops):
        assert plan.frames[row][plan.mask[row]].tolist() == list(range(max(asked, default=0)))
        assert {n for piece in plan.pieces for r, n in piece.stops if r == row} == set(asked) - {0}
    for piece in plan.pieces:
        start += piece.length
        assert all(int(plan.mask[row, :start].sum()) == seen for row, seen in piece.stops)


@pytest.mark.parametrize("together", [True, False])
def test_projected_clips_give_the_same(toy_config: ModelConfig, together: bool) -> None:
    torch.manual_seed(0)
    model = VideoReasoner(toy_config).eval()
    features, mask = torch.randn(3, 20, 6), torch.arange(20) < torch.tensor([20, 7, 13])[:, None]
    stops = [4, 4, 4, 7] if together else [20, 3, 5, 12]
    asked = {"question": QueryBatch([0, 1, 2, 0], stops, torch.ones(4, 2, dtype=torch.long))}
    with torch.no_grad():
        whole = read_clips(model, features, mask, asked).logits["question"]
        projected = read_projected(model, model.project(features, mask), mask, asked)["question"]
    torch.testing.assert_close(projected, whole)


@given(clips_and_stops, st.booleans())
@settings(deadline=None)
def test_clips_that_have_come_to_their_end_are_left_behind(clips: list[tuple[int, list[int]]], together: bool) -> None:
    lengths, stops = zip(*clips)
    plan = plan_together(lengths, stops) if together else plan_pieces(lengths, stops, whole=False)
    goings, start = [*plan.going()], 0
    assert len(goings) == len(plan.pieces)
    for piece, going in zip(plan.pieces, goings):
        ahead = plan.mask[:, start:].any(dim=1)
        assert going == ahead.nonzero()[:, 0].tolist() and going
        assert {row for row, _ in piece.stops} <= set(going)
        start += piece.length


def test_states_of_all_rows_in_order_are_no_copy(toy_model: VideoReasoner) -> None:
    _, state = toy_model.step(torch.randn(3, 4, 6), toy_model.init_state(3))
    assert state.rows(torch.arange(3)) is state
    for numbers in ([0, 1], [2, 1, 0], [0, 1, 2, 2]):
        some = state.rows(torch.tensor(numbers))
        assert torch.equal(some.present, state.present[numbers])
        assert all(torch.equal(part, whole[numbers]) for part, whole in zip(some.memory, state.memory))
