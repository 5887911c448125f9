"""Controls that ask no model, by hand on tiny cases; and what "all" stands for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.baselines.bag import bag_of_frames, bag_of_labels
from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.chain import LabelChain, ngram, parse_order
from vidseq.baselines.counts import time_only
from vidseq.data.schema import Query, Segment
from vidseq.data.visible import Past
from vidseq.errors import UserError
from vidseq.evaluation.answering import one_at_a_time
from vidseq.evaluation.controls import choose_controls
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.input_controls import shuffled

CLASSES = ("cut", "mix", "serve")


def asked(video, time, answer, question=None):
    return Query(video=video, time=time, kind="next_action", answer=answer, question=question)


def study(training, queries, segments=None, past=None, classes=CLASSES):
    return BaselineData(training, queries, classes, segments or {}, past or (lambda query: None), "nothing")


def video_of(labels, name="v"):
    """Segments of a second each, and a query before every one but the first."""
    segments = [Segment(video=name, start=t, end=t + 1, label=label) for t, label in enumerate(labels)]
    return segments, [asked(name, t + 0.5, label) for t, label in enumerate(labels[1:])]


def test_a_chain_by_hand():
    chain = LabelChain([(("a",), 0), (("a",), 0), (("a",), 1), (("b",), 2)], 1, 3)
    # After a: three times, two different; the rest is shared by (2 + 1, 1 + 1, 1 + 1) / 7.
    bottom = np.array([3, 2, 2]) / 7
    np.testing.assert_allclose(chain.probabilities(["b", "a"]), (np.array([2, 1, 0]) + 2 * bottom) / 5)
    np.testing.assert_allclose(chain.probabilities(["never seen"]), bottom)
    np.testing.assert_allclose(chain.probabilities([]), bottom)


@given(
    st.lists(st.tuples(st.lists(st.sampled_from("ab"), max_size=4), st.integers(0, 2)), max_size=20),
    st.lists(st.sampled_from("abc"), max_size=5),
    st.integers(1, 4),
)
def test_a_chain_gives_probabilities(examples, history, order):
    shares = LabelChain(examples, order, 3).probabilities(history)
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).all()


def test_longer_chains_know_more():
    told = [video_of(["cut", "mix", "cut", "serve"] * 5, f"t{n}") for n in range(3)]
    segments, queries = video_of(["cut", "mix", "cut", "serve", "cut", "mix"])
    known = {"v": segments} | {f"t{n}": parts for n, (parts, _) in enumerate(told)}
    training = [query for _, part in told for query in part]
    right = {}
    for order in (1, 2):
        scores = ngram(study(training, queries, known), order)
        said = [CLASSES[row.argmax()] for row in scores]
        right[order] = [one == query.answer for one, query in zip(said, queries)]
    assert right[2] == [True] * 5 or right[2][1:] == [True] * 4
    assert not all(right[1])  # after cut come mix and serve alike


def test_labels_before_leave_out_background_and_the_future():
    segments, _ = video_of(["cut", "nothing", "mix", "serve"])
    assert study([], [], {"v": segments}).labels_before(asked("v", 2.5, "serve")) == ["cut", "mix"]


def test_a_bag_knows_what_was_done_but_not_when():
    """What is missing comes next, whatever the order was: a set knows, a chain of two does not."""
    random, training, segments = np.random.default_rng(0), [], {}
    for number in range(60):
        order = random.permutation(CLASSES).tolist()
        parts, queries = video_of(order, f"v{number}")
        segments[f"v{number}"] = parts
        training.append(queries[-1])
    held_out = training[40:]
    scores = bag_of_labels(study(training[:40], held_out, segments))
    assert [CLASSES[row.argmax()] for row in scores] == [query.answer for query in held_out]
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1)


def test_a_bag_of_frames_reads_the_mean_and_the_newest():
    random = np.random.default_rng(0)
    pasts, queries = {}, []
    for number in range(90):
        answer = int(random.integers(3))
        features = random.normal(0, 0.3, (20, 4))
        features[int(random.integers(15)), answer] += 20  # seen once, somewhere
        pasts[f"v{number}"] = Past(features, np.arange(20.0))
        queries.append(asked(f"v{number}", 20.0, CLASSES[answer]))
    given_study = study(queries[:60], queries[60:], past=lambda query: pasts[query.video])
    said = bag_of_frames(given_study).argmax(axis=1)
    assert np.mean([CLASSES[one] == query.answer for one, query in zip(said, queries[60:])]) > 0.9
    few = study(queries[:10], queries[60:], past=None)
    assert len(np.unique(bag_of_frames(few), axis=0)) == 1  # too few to learn from: the majority


def test_time_alone():
    training = [asked(f"v{n}", t, label) for n in range(9) for t, label in ((1.0, "cut"), (9.0, "serve"))]
    scores = time_only(study(training, [asked("w", 2.0, "cut"), asked("w", 8.0, "cut")]))
    assert [CLASSES[row.argmax()] for row in scores] == ["cut", "serve"]
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1)
    assert time_only(study([], [asked("w", 2.0, "cut")])).shape == (1, 3)


def test_queries_at_one_time_share_one_order():
    past = Past(np.arange(30)[:, None], np.arange(30.0))
    one, other, later = (asked("v", time, "cut", text) for time, text in ((9.0, "a"), (9.0, "b"), (9.5, "a")))
    assert shuffled(past, one).features.tolist() == shuffled(past, other).features.tolist()
    assert shuffled(past, one).features.tolist() != shuffled(past, later).features.tolist()


def test_best_frame_asks_single_frames_and_takes_the_surest(query_set, planted_model):
    def sure_of_red(features, pts_seconds, queries):
        assert all(len(frames) == 1 for frames in features)
        return planted_model(features, pts_seconds, queries)

    dataset, store = query_set
    rows = evaluate(sure_of_red, dataset, store, "test", contexts=["1f"], controls=["best_frame"])
    best = rows[rows["control"] == "best_frame"]
    assert len(best) == best["query"].nunique() == 60
    assert (best["context_frames"] == 1).all()
    # 32 of some 70 frames are asked: where the one with the evidence is among them, the answer is right.
    sure = best["score"] > 0.9
    assert best[sure]["correct"].all() and 0.2 < sure.mean() < 0.9


def test_all_controls(query_set):
    dataset, _ = query_set
    questions, nexts = dataset.queries, dataset.next_action_queries(1.0)
    options = {"num_groups": 12, "has_segments": True}
    assert choose_controls(["all"], questions, **options) == [
        *("blind", "last_frame", "shuffled", "evidence_only", "swapped_past", "best_frame", "majority", "time_only"),
        "bag_of_frames",
    ]
    forecast = choose_controls(["all", "ngram:1", "blind"], nexts, **options)
    assert {"ngram", "ngram:1", "repeat_last_label", "bag_of_labels"} < set(forecast)
    assert "evidence_only" not in forecast and forecast.count("blind") == 1
    with pytest.raises(UserError, match="bag_of_labels expects next actions, and segments of the past, got none"):
        choose_controls(["bag_of_labels"], questions, **options)
    with pytest.raises(UserError, match="how many labels to look back, as in ngram:2, got 'ngram:x'"):
        choose_controls(["ngram:x"], nexts, **options)
    assert parse_order("ngram:4") == 4


def test_one_query_at_a_time(query_set, planted_model):
    dataset, store = query_set

    def alone(features, pts_seconds, query):
        return planted_model([features], [pts_seconds], [query])[0]

    options = {"contexts": "1f,8s,full", "controls": ["blind"]}
    assert evaluate(one_at_a_time(alone), dataset, store, "test", **options).equals(
        evaluate(planted_model, dataset, store, "test", **options)
    )
    with pytest.raises(UserError, match=r"scores \(C,\) for each query, got \(1, 4\) for the one of 'v04' at 35\.000"):
        evaluate(one_at_a_time(lambda f, p, q: np.zeros((1, 4))), dataset, store, "test")
    sizes = iter(range(3, 99))
    with pytest.raises(UserError, match=r"scores \(3,\) as before for each query, got \(4,\) for the one of"):
        evaluate(one_at_a_time(lambda f, p, q: np.zeros(next(sizes))), dataset, store, "test")
    with pytest.raises(UserError, match="finite scores from the model, got NaN or infinity for 60 of 60"):
        evaluate(one_at_a_time(lambda f, p, q: np.full(4, np.nan)), dataset, store, "test")
