"""Scores that count every class alike, against what Bayes' rule says of classes that are equally frequent."""

import numpy as np
import pytest

from vidseq.data.schema import Query
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.logit_adjustment import TAUS, LogitAdjustment, choose_tau
from vidseq.evaluation.metrics import class_mean_recall, top_k_accuracy

PRIOR = np.array([0.7, 0.2, 0.1])


def test_with_tau_1_it_is_the_posterior_of_equally_frequent_classes():
    likelihood = np.array([0.2, 0.5, 0.3])
    scores = np.log(PRIOR * likelihood / (PRIOR * likelihood).sum())
    adjusted = LogitAdjustment(np.log(PRIOR), 1.0)(scores)
    assert np.exp(adjusted) / np.exp(adjusted).sum() == pytest.approx(likelihood)
    assert LogitAdjustment(np.log(PRIOR), 0.0)(scores) == pytest.approx(scores)


def test_the_prior_is_what_training_answers():
    learnt = LogitAdjustment.learnt(["a", "a", "b", "no class"], ["a", "b", "c"], 0.5)
    assert np.exp(learnt.log_prior) == pytest.approx(np.array([3, 2, 1]) / 6)


def ask(video, number, answer):
    return Query(video=video, time=1.0 + 0.001 * number, kind="question", question="What?", answer=answer)


@pytest.fixture(scope="module")
def asked(toy_world):
    """Queries of three classes, the first far more frequent, and a model that knows the right posterior of a poor
    sight of the answer."""
    dataset, store = toy_world
    random, classes = np.random.default_rng(0), dataset.answer_labels[:3]
    videos = sorted(video.video for video in dataset.split("test"))
    answers = random.choice(3, p=PRIOR, size=600)
    queries = [ask(videos[n % len(videos)], n, classes[answer]) for n, answer in enumerate(answers)]
    likelihood = np.full((3, 3), 0.2) + 0.4 * np.eye(3)
    sights = [random.choice(3, p=likelihood[answer]) for answer in answers]
    seen = {query.time: sight for query, sight in zip(queries, sights)}

    def predict(features, pts_seconds, queries):
        scores = np.full((len(queries), len(dataset.answer_labels)), -30.0)
        for row, query in enumerate(queries):
            scores[row, :3] = np.log(PRIOR * likelihood[:, seen[query.time]])
        return scores

    def rows_at(tau):
        adjust = LogitAdjustment.learnt([query.answer for query in queries], dataset.answer_labels, tau)
        return evaluate(predict, dataset, store, "test", queries=queries, adjust=adjust)

    return rows_at, predict, queries


def test_it_recalls_rare_classes_and_is_right_less_often(asked):
    rows_at, _, _ = asked
    plain, adjusted = rows_at(0.0), rows_at(1.0)
    assert class_mean_recall(adjusted, 1) > class_mean_recall(plain, 1) + 0.15
    assert top_k_accuracy(adjusted, 1) < top_k_accuracy(plain, 1)


def test_the_tau_with_the_best_recall_is_chosen_the_smallest_of_equals(asked):
    rows_at, _, _ = asked
    recall = [class_mean_recall(rows_at(tau), 1) for tau in TAUS]
    assert choose_tau(rows_at, 1) == TAUS[int(np.argmax(recall))] > 0.3
    assert choose_tau(rows_at, 3) == 0.0  # of three classes all are among the first three


def test_baselines_are_adjusted_too(asked, toy_world):
    _, predict, queries = asked
    dataset, store = toy_world
    training = [video.video for video in dataset.split("train")][:2]
    known = [ask(training[n % 2], n, dataset.answer_labels[n > 7]) for n in range(12)]
    options = {"queries": [*queries, *known], "contexts": [], "controls": ["majority"]}
    plain = evaluate(predict, dataset, store, "test", **options)
    adjust = LogitAdjustment.learnt([query.answer for query in known], dataset.answer_labels, 2.0)
    turned = evaluate(predict, dataset, store, "test", **options, adjust=adjust)
    assert set(plain["prediction"]) == {dataset.answer_labels[0]}
    assert dataset.answer_labels[0] not in set(turned["prediction"])
