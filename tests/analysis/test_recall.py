"""The recall tasks: what is asked was shown, nothing else gives it away, and what counts as solved."""

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.analysis.recall import CHANNELS, NOISE, SYMBOLS, TASKS
from vidseq.analysis.recall_training import OPTIONS, WIDTH_STEP, Stage, longest_solved, score_recall
from vidseq.errors import UserError
from vidseq.heads import HEADS, make_head, num_parameters

FLAG = 2 * SYMBOLS


def solve(task, frames, question):
    """The answer by the rules of a task, from one clip alone."""
    marked = frames[frames[:, FLAG] == 1]
    shown = marked[:, :SYMBOLS].argmax(dim=1)
    if task == "adding":
        return int(shown.sum())
    if task == "associative":
        key = question[:SYMBOLS].argmax()
        return int(marked[shown == key][0, SYMBOLS:FLAG].argmax())
    return int(shown[question[SYMBOLS:FLAG].argmax()])


@pytest.mark.parametrize("task", TASKS)
@given(lag=st.integers(2, 30), seed=st.integers(0, 1000))
def test_the_answer_follows_from_what_was_shown(task, lag, seed):
    clips = TASKS[task](torch.Generator().manual_seed(seed), 5, lag)
    assert clips.frames.shape[::2] == (5, CHANNELS)
    assert clips.questions.shape == (*clips.answers.shape, CHANNELS)
    for frames, questions, answers in zip(clips.frames, clips.questions, clips.answers, strict=True):
        assert [solve(task, frames, question) for question in questions] == answers.tolist()
        assert len(questions.unique(dim=0)) == len(questions), "nothing is asked twice"
        assert answers.max() < SYMBOLS


@pytest.mark.parametrize("task", [task for task in TASKS if task != "adding"])
def test_nothing_is_shown_during_the_lag(task):
    clips = TASKS[task](torch.Generator().manual_seed(0), 64, 20)
    assert (clips.frames[:, -20:, : CHANNELS - NOISE] == 0).all()
    assert clips.frames[:, -20:, CHANNELS - NOISE :].std() > 0.9
    assert set(clips.answers.flatten().tolist()) == set(range(SYMBOLS))


def test_one_seed_gives_one_set_of_clips():
    first, again = (TASKS["copy"](torch.Generator().manual_seed(3), 4, 9) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again))


def test_a_head_learns_and_is_scored_the_same_twice():
    options = {"window": 8, "layers": 1, "heads": 2}
    plan = {
        "options": options,
        "stages": (Stage(1, 150, 32),),
        "lags": (1, 200, 300),
        "clips": 128,
        "parameters": 3000,
        "lr": 2e-2,
    }
    rows = score_recall("window", "frank", **plan)
    assert rows["accuracy"][0] > 0.9
    assert rows["accuracy"][1] < 0.4, "the name has left the window"
    assert (rows["parameters"] <= 3000).all()
    assert rows["lag"].tolist() == [1, 200], "once lost, a head is not asked after longer lags"
    pd.testing.assert_frame_equal(rows, score_recall("window", "frank", **plan))


def test_solved_means_at_every_lag_up_to_it():
    accuracy = {
        ("a", "frank"): {10: 1.0, 100: 0.5, 1000: 0.95},
        ("b", "frank"): {10: 0.2},
        ("a", "copy"): {10: 0.9, 100: 0.8},
        ("b", "copy"): {10: 0.91, 100: 1.0},
    }
    rows = [(*key, lag, value) for key, values in accuracy.items() for lag, value in values.items()]
    table = longest_solved(pd.DataFrame(rows, columns=["head", "task", "lag", "accuracy"]))
    assert table.to_dict() == {"frank": {"a": 10, "b": 0}, "copy": {"a": 10, "b": 100}}


@pytest.mark.parametrize("head", HEADS)
def test_every_head_can_be_small_enough(head):
    assert num_parameters(make_head(head, 2 * WIDTH_STEP, OPTIONS.get(head))) <= 20_000


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"Unknown task 'frnk'\. Did you mean 'frank'"):
        score_recall("lstm", "frnk")
    with pytest.raises(UserError, match=r"lstm head expects at least \d+ parameters, got 10"):
        score_recall("lstm", "frank", parameters=10)
