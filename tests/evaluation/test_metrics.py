"""Metrics of answered queries, by hand and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, top_k_accuracy_score

from vidseq.data.schema import Query
from vidseq.errors import DataError, UserError
from vidseq.evaluation.metrics import (
    class_mean_recall,
    exact_match,
    expected_calibration_error,
    nats_an_answer,
    negative_log_likelihood,
    perplexity,
    summary,
    token_f1,
    top_k_accuracy,
)
from vidseq.evaluation.scoring import Score, score_answer

CLASSES = [f"class{number}" for number in range(7)]


def query(answer, choices=()):
    return Query(video="v", time=1.0, kind="question", answer=answer, choices=choices)


def marked(scores, answers):
    marks = [score_answer(row, CLASSES, query(CLASSES[answer])) for row, answer in zip(scores, answers)]
    return pd.DataFrame(marks).assign(answer=[CLASSES[answer] for answer in answers])


def random_scores(seed, num=60):
    random = np.random.default_rng(seed)
    return random.normal(size=(num, len(CLASSES))) * 2, random.integers(0, len(CLASSES), num)


def test_by_hand():
    rows = pd.DataFrame(
        {
            "answer": ["a", "a", "a", "b"],
            "prediction": ["a", "a", "b", "a"],
            "rank": [1, 1, 2, 6],
            "correct": [True, True, False, False],
            "score": [0.9, 0.7, 0.7, 0.3],
            "answer_score": [0.9, 0.7, 0.2, 0.0],
        }
    )
    assert top_k_accuracy(rows, 1) == 0.5
    assert top_k_accuracy(rows, 5) == 0.75
    assert class_mean_recall(rows, 1) == pytest.approx(1 / 3)
    assert class_mean_recall(rows, 5) == 0.5
    # Bins of width 1/15: 0.9; 0.7 twice, right once; 0.3.
    assert expected_calibration_error(rows) == pytest.approx((0.1 + 2 * 0.2 + 0.3) / 4)
    assert negative_log_likelihood(rows) == pytest.approx(-np.log([0.9, 0.7, 0.2, 1e-12]).mean())


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_agrees(seed):
    scores, answers = random_scores(seed)
    rows = marked(scores, answers)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.arange(len(CLASSES))
    assert top_k_accuracy(rows, 1) == pytest.approx(top_k_accuracy_score(answers, scores, k=1, labels=labels))
    assert top_k_accuracy(rows, 5) == pytest.approx(top_k_accuracy_score(answers, scores, k=5, labels=labels))
    assert negative_log_likelihood(rows) == pytest.approx(log_loss(answers, probabilities, labels=labels))


def slow_calibration_error(scores, correct, bins):
    error = 0.0
    for low in range(bins):
        inside = [n for n, score in enumerate(scores) if low / bins < score <= (low + 1) / bins or (low == 0 == score)]
        if inside:
            gap = np.mean([scores[n] for n in inside]) - np.mean([correct[n] for n in inside])
            error += len(inside) / len(scores) * abs(gap)
    return error


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=40))
def test_calibration_is_the_slow_one(pairs):
    scores, correct = [score / 1000 for score, _ in pairs], [right for _, right in pairs]
    rows = pd.DataFrame({"score": scores, "correct": correct})
    assert expected_calibration_error(rows) == pytest.approx(slow_calibration_error(scores, correct, 15), abs=1e-9)


def test_a_bin_holds_its_upper_edge():
    rows = pd.DataFrame({"score": [0.2, 0.19], "correct": [False, True]})  # both in (2/15, 3/15]
    assert expected_calibration_error(rows) == pytest.approx((1 - 0.39) / 2)


def test_a_calibrated_model_has_no_error():
    random = np.random.default_rng(0)
    score = random.uniform(size=200_000)
    rows = pd.DataFrame({"score": score, "correct": random.uniform(size=len(score)) < score})
    assert expected_calibration_error(rows) < 0.01


def test_summary_names_every_metric():
    assert set(summary(marked(*random_scores(0)))) == {"top1", "top5", "class_mean_top5_recall", "ece", "nll"}


def test_no_rows():
    with pytest.raises(UserError, match="at least one row, got none"):
        top_k_accuracy(pd.DataFrame({"rank": []}), 1)


def test_of_equal_scores_the_first_class_wins():
    assert score_answer(np.zeros(3), ["a", "b", "c"], query("a"))[:3] == ("a", True, 1)
    assert score_answer(np.zeros(3), ["a", "b", "c"], query("c"))[:3] == ("a", False, 3)


def test_choices_compete_among_themselves():
    scores = np.log([0.7, 0.1, 0.2])
    result = score_answer(scores, ["a", "b", "c"], query("c", choices=("b", "c")))
    assert result == Score("c", True, 1, pytest.approx(2 / 3), pytest.approx(2 / 3))
    with pytest.raises(DataError, match="choices among the classes, got 'd'"):
        score_answer(scores, ["a", "b", "c"], query("c", choices=("c", "d")))


def test_an_answer_that_is_no_class_is_last():
    assert score_answer(np.log([0.6, 0.4]), ["a", "b"], query("z")) == Score("a", False, 3, pytest.approx(0.6), 0.0)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=7), st.integers(0, 6))
def test_rank_one_and_right_are_the_same(scores, answer):
    classes = CLASSES[: len(scores)]
    result = score_answer(np.array(scores), classes, query(CLASSES[answer % len(scores)]))
    assert result.correct == (result.rank == 1) == (result.prediction == CLASSES[answer % len(scores)])
    assert 0 <= result.answer_score <= result.score <= 1


def written_rows(*texts: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(texts, columns=["prediction", "answer"])


def test_words_match_whatever_case_and_spaces() -> None:
    rows = written_rows(("The  chair is red .", "the chair is red."), ("red", "Red"), ("a red", "red"), ("", "red"))
    assert exact_match(rows) == 0.5


def test_token_f1_by_hand() -> None:
    rows = written_rows(("the red red chair", "the red chair now"))
    assert token_f1(rows) == pytest.approx(3 / 4)  # shared: the, red, chair; four words each
    assert token_f1(written_rows(("", ""))) == 1
    assert token_f1(written_rows(("", "red"))) == 0
    assert token_f1(written_rows(("green", "red"), ("red", "red"))) == 0.5


def test_perplexity_counts_every_piece_alike() -> None:
    rows = pd.DataFrame({"answer_log_prob": [np.log(1 / 8), np.log(1 / 2)], "answer_tokens": [3.0, 1.0]})
    assert perplexity(rows) == pytest.approx(2)
    assert nats_an_answer(rows) == pytest.approx(2 * np.log(2))
    with pytest.raises(UserError, match=r"expects rows of answers in words, with answer_log_prob and answer_tokens"):
        perplexity(written_rows(("a", "a")))
