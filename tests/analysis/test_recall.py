"""The recall tasks: what is asked was shown, nothing else gives it away, and what counts as solved."""

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.analysis.recall import CHANNELS, NOISE, SYMBOLS, TASKS
from vidseq.analysis.recall_plot import recall_figure
from vidseq.analysis.recall_report import accuracy_by_lag, longest_solved, recall_table
from vidseq.analysis.recall_training import OPTIONS, WIDTH_STEP, Stage, score_recall
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
        "lags": (200, 1),
        "clips": 128,
        "parameters": 3000,
        "lr": 2e-2,
    }
    rows = score_recall("window", "frank", **plan)
    assert rows["lag"].tolist() == [1, 200]
    assert rows["accuracy"][0] > 0.9
    assert rows["accuracy"][1] < 0.4, "the name has left the window"
    assert (rows["parameters"] <= 3000).all() and (rows["context_frames"] == 8).all()
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


def rows_of(*parts):
    """Rows of (head, task, seed, context_frames, accuracies at lags of 10, 100 and 1,000)."""
    columns = ["head", "task", "seed", "context_frames", "lag", "accuracy", "parameters"]
    lines = [(*about, lag, value, 9) for *about, values in parts for lag, value in zip((10, 100, 1000), values)]
    return pd.DataFrame(lines, columns=columns)


def test_seeds_are_averaged_and_their_range_is_told():
    rows = rows_of(
        ("a", "frank", 0, 50, (1.0, 0.25, 0.1)),
        ("a", "frank", 1, 50, (0.75, 0.25, 0.15)),
        ("b", "frank", 0, None, (1.0, 1.0, 0.75)),
        ("b", "frank", 1, None, (1.0, 0.85, 1.0)),
        ("c", "frank", 0, None, (1.0, 1.0, 0.5)),
        ("b", "copy", 0, None, (0.5, 1.0, 1.0)),
    )
    table = recall_table(rows).astype(object).where(lambda cell: cell.notna(), None)
    assert table.to_numpy().tolist() == [
        ["b", 9, None, 100, 0],
        ["c", 9, None, 100, None],
        ["a", 9, 50, 0, None],
    ]
    assert table.columns.tolist() == ["head", "parameters", "sees", "frank", "copy"]
    shares = accuracy_by_lag(rows[rows["task"] == "frank"])
    assert shares.columns.tolist() == ["head", "seeds", 10, 100, 1000]
    assert shares.to_numpy().tolist() == [
        ["a", 2, "88 (75 to 100)", "25", "12 (10 to 15)"],
        ["b", 2, "100", "92 (85 to 100)", "88 (75 to 100)"],
        ["c", 1, "100", "100", "50"],
    ]


def test_the_figure_says_what_was_right_and_where_sight_ends():
    rows = rows_of(("a", "frank", 0, 101, (1.0, 0.3, 0.1)), ("b", "copy", 0, None, (0.5, 1.0, 1.0)))
    left, right = recall_figure(rows).axes
    assert [text.get_text() for text in left.texts] == ["100", "30", "10"]
    assert [text.get_weight() for text in left.texts] == ["bold", "normal", "normal"]
    assert [text.get_position() for text in right.texts] == [(0, 1), (1, 1), (2, 1)], "the second head's row"
    assert [line.get_xdata()[0] for line in left.lines] == [0.5], "the name of lag 100 stands 102 frames back"
    assert not right.lines, "nor is there sight where a head was not asked"
    assert [axes.get_title(loc="left") for axes in (left, right)] == ["frank", "copy"]


@pytest.mark.parametrize("head", HEADS)
def test_every_head_can_be_small_enough(head):
    assert num_parameters(make_head(head, 2 * WIDTH_STEP, OPTIONS.get(head))) <= 20_000


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"Unknown task 'frnk'\. Did you mean 'frank'"):
        score_recall("lstm", "frnk")
    with pytest.raises(UserError, match=r"lstm head expects at least \d+ parameters, got 10"):
        score_recall("lstm", "frank", parameters=10)
