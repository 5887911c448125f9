"""Baselines by hand on tiny cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.baselines.bag_of_labels import BagOfLabels
from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.chain import LabelChain, NGram
from vidseq.baselines.label_probes import LabelBagProbe, LabelChainProbe
from vidseq.baselines.last_label import RepeatLastLabel
from vidseq.baselines.majority import Majority
from vidseq.baselines.probes import BagOfFrames, BestFrameProbe, LastFrameProbe, QuestionOnly, TimeOnly
from vidseq.data.schema import Query, Segment
from vidseq.data.visible import Past

CLASSES = ("cut", "mix", "serve")


def asked(video, time, answer, question=None):
    return Query(video=video, time=time, kind="next_action", answer=answer, question=question)


def data_of(training, queries, segments=None, past=None, classes=CLASSES):
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
        scores = NGram(order).answer(data_of(training, queries, known))
        said = [CLASSES[row.argmax()] for row in scores]
        right[order] = [one == query.answer for one, query in zip(said, queries)]
    assert right[2] == [True] * 5 or right[2][1:] == [True] * 4
    assert not all(right[1])  # after cut come mix and serve alike


def test_labels_before_leave_out_background_and_the_future():
    segments, _ = video_of(["cut", "nothing", "mix", "serve"])
    assert data_of([], [], {"v": segments}).labels_before(asked("v", 2.5, "serve")) == ["cut", "mix"]


def test_a_bag_knows_what_was_done_but_not_when():
    """What is missing comes next, whatever the order was: a set knows, a chain of two does not."""
    rng, training, segments = np.random.default_rng(0), [], {}
    for number in range(60):
        order = rng.permutation(CLASSES).tolist()
        parts, queries = video_of(order, f"v{number}")
        segments[f"v{number}"] = parts
        training.append(queries[-1])
    held_out = training[40:]
    scores = BagOfLabels().answer(data_of(training[:40], held_out, segments))
    assert [CLASSES[row.argmax()] for row in scores] == [query.answer for query in held_out]
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1)


def seen_once(rng, number):
    """A past in which one of the first frames shows the answer, and a query at its end."""
    answer = int(rng.integers(3))
    features = rng.normal(0, 0.3, (20, 4))
    features[int(rng.integers(15)), answer] += 20
    return Past(features, np.arange(20.0)), asked(f"v{number}", 20.0, CLASSES[answer])


@pytest.mark.parametrize(
    ("baseline", "knows"),
    [(BagOfFrames(), True), (BestFrameProbe(), True), (LastFrameProbe(), False), (BagOfFrames(4.0), False)],
    ids=str,
)
def test_probes_know_what_they_see(baseline, knows):
    rng = np.random.default_rng(0)
    pasts, queries = zip(*(seen_once(rng, number) for number in range(150)))
    of_video = {query.video: past for past, query in zip(pasts, queries)}
    scores = baseline.answer(data_of(queries[:100], queries[100:], past=lambda query: of_video[query.video]))
    right = np.mean([CLASSES[row.argmax()] == query.answer for row, query in zip(scores, queries[100:])])
    assert right > 0.75 if knows else right < 0.55


def test_a_short_bag_sees_the_samples_after_its_start_and_the_newest_always():
    past = Past(np.arange(10.0)[:, None], np.arange(10.0))
    query = asked("v", 9.5, "cut")
    assert BagOfFrames(2.5).inputs(past, query).tolist() == [[9.0], [8.5]]  # 7.0 is not in (7.0, 9.5]
    assert BagOfFrames(0.1).inputs(past, query).tolist() == [[9.0], [9.0]]
    assert BagOfFrames().inputs(past, query).tolist() == [[9.0], [4.5]]


def test_training_queries_before_the_first_frame_are_left_out():
    rng = np.random.default_rng(0)
    pasts, queries = zip(*(seen_once(rng, number) for number in range(40)))
    of_video = {query.video: past for past, query in zip(pasts, queries)}
    early = [asked(f"e{number}", 0.0, "cut") for number in range(40)]

    def past(query):
        return of_video.get(query.video, Past(np.zeros((0, 4)), np.zeros(0)))

    both, alone = (
        BagOfFrames().answer(data_of([*first, *queries[:30]], queries[30:], past=past)) for first in (early, [])
    )
    np.testing.assert_array_equal(both, alone)


def test_time_alone():
    training = [asked(f"v{n}", t, label) for n in range(9) for t, label in ((1.0, "cut"), (9.0, "serve"))]
    scores = TimeOnly().answer(data_of(training, [asked("w", 2.0, "cut"), asked("w", 8.0, "cut")]))
    assert [CLASSES[row.argmax()] for row in scores] == ["cut", "serve"]
    assert np.isfinite(scores).all()
    assert TimeOnly().answer(data_of([], [asked("w", 2.0, "cut")])).shape == (1, 3)


def test_the_question_alone():
    words = {"cut": "with a knife", "mix": "in a bowl", "serve": "on a plate"}
    training = [asked(f"v{n}", 1.0, label, f"what is done {words[label]}") for n in range(9) for label in CLASSES]
    queries = [asked("w", 1.0, label, f"what is done {words[label]}") for label in CLASSES]
    scores = QuestionOnly().answer(data_of(training, queries))
    assert [CLASSES[row.argmax()] for row in scores] == list(CLASSES)


def test_the_last_label_goes_on():
    segments, queries = video_of(["cut", "mix", "serve"])
    scores = RepeatLastLabel().answer(data_of([], queries, {"v": segments}))
    assert [CLASSES[row.argmax()] for row in scores] == ["cut", "mix"]
    assert RepeatLastLabel.forecast(np.array([1, 2]), 3).tolist() == [2, 2, 2]


def test_majority_counts_among_the_answers_that_such_a_question_has():
    """A family that asks two things: no question about the one is answered with the other."""
    kinds = {"which knife": ["cut", "mix", "mix"], "which plate": ["serve", "serve", "serve"]}
    training = [asked("v", 1.0, answer, text) for text, answers in kinds.items() for answer in answers]
    queries = [asked("w", 1.0, "cut", text) for text in (*kinds, "never asked", None)]
    shares = np.exp(Majority().answer(data_of(training, queries)))
    family = np.array([2, 3, 4]) / 9
    np.testing.assert_allclose(shares[0], [0.99 * 2 / 5, 0.99 * 3 / 5, 0.01])
    for row in shares[1:]:  # one answer in training is no choice: its wording alone would tell it
        np.testing.assert_allclose(row, family)


@given(
    st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from(CLASSES)), max_size=20),
    st.sampled_from(["p", "q", "r", None]),
)
def test_majority_gives_probabilities(known, text):
    training = [asked("v", 1.0, answer, question) for question, answer in known]
    shares = np.exp(Majority().answer(data_of(training, [asked("w", 1.0, "cut", text)])))
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).all()


def test_label_probes_see_what_has_begun():
    segments, _ = video_of(["mix", "nothing", "cut", "mix", "serve"])
    query = Query(video="v", time=3.5, kind="question", question="What?", answer="cut")
    data = data_of([query], [query], {"v": segments})
    assert list(data.label_indices) == ["cut", "mix", "serve"]
    assert LabelBagProbe().inputs_of(data, query).tolist() == [[1, 2, 0], [0, 1, 0]]
    assert LabelChainProbe(2).inputs_of(data, query).tolist() == [[0, 1, 0], [1, 0, 0]]
    early = Query(video="v", time=0.5, kind="question", question="What?", answer="cut")
    assert LabelChainProbe(2).inputs_of(data, early).tolist() == [[0, 1, 0], [0, 0, 0]]
    never = Query(video="w", time=0.5, kind="question", question="What?", answer="cut")
    assert LabelBagProbe().inputs_of(data, never).tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize(
    ("probe", "right"), [(LabelBagProbe(), 1), (LabelChainProbe(2), 1), (LabelChainProbe(1), 0.5)], ids=str
)
def test_label_probes_answer_by_what_they_see(probe, right):
    """Either cutting or mixing came before serving, which is the last label in all videos."""
    segments, queries = {}, []
    for number in range(80):
        name, first = f"v{number}", ("cut", "mix")[number % 2]
        segments[name], _ = video_of([first, "serve", "mix"], name)
        answer = "yes" if first == "cut" else "no"
        queries.append(Query(video=name, time=1.5, kind="question", question="Was it cut?", answer=answer))
    classes = ("no", "yes")
    scores = probe.answer(data_of(queries[:40], queries[40:], segments, classes=classes))
    assert np.mean([classes[row.argmax()] == query.answer for row, query in zip(scores, queries[40:])]) == (
        pytest.approx(right, abs=0.2 if right < 1 else 0)
    )
