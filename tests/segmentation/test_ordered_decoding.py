"""Ordered decoding: against all segmentations of tiny videos, online against offline, and what it is for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.segmentation.action_order import ActionOrder
from vidseq.segmentation.decoding import SegmentDecoder, SegmentModel, decode_segments
from vidseq.segmentation.ordered_decoding import OrderedDecoder, decode_ordered

TRAINING = [np.array([0, 0, 0, 1, 1, 0, 2, 2, 2]), np.array([2, 2, 1, 1, 1, 1, 0, 2]), np.array([1, 1, 0, 0, 2, 1])]
WEIGHTS = {"score_weight": 0.5, "order_weight": 0.8, "length_weight": 0.6}


def models(background=0):
    return SegmentModel.fit(TRAINING, 3), ActionOrder.fit(TRAINING, 3, background)


def log_probabilities(seed, frames, classes=3):
    scores = np.random.default_rng(seed).normal(size=(frames, classes)) * 3
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def slow_score(labels, scores, lengths, order, *, open_end=False):
    """The score of one segmentation, from its definition."""
    total = WEIGHTS["score_weight"] * scores[np.arange(len(labels)), labels].sum()
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1), len(labels)]
    actions, behind_background = [], False
    for first, last in itertools.pairwise(edges):
        law = lengths.log_survival if open_end and last == len(labels) else lengths.log_length
        total += WEIGHTS["length_weight"] * law[last - first - 1, labels[first]]
        total += WEIGHTS["order_weight"] * slow_next(order, actions, behind_background, labels[first])
        behind_background = labels[first] == order.background
        actions += [] if behind_background else [labels[first]]
    return total if open_end else total + WEIGHTS["order_weight"] * slow_next(order, actions, behind_background, 3)


def slow_next(order, actions, behind_background, label):
    last = actions[-1] if actions else 3
    if label == order.background:
        return order.log_background[last, 1]
    done = np.array([[min(actions.count(name), 2) for name in range(3)]])
    waiting = 0 if behind_background else order.log_background[last, 0]
    return waiting + order.log_next(done, np.array([last]))[0, label]


def best_of_all(scores, lengths, order, **how):
    every = (np.array(labels) for labels in itertools.product(range(3), repeat=len(scores)))
    return max(every, key=lambda labels: slow_score(labels, scores, lengths, order, **how))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([None, 0, 1]))
def test_the_best_of_all_segmentations(seed, frames, background):
    scores, (lengths, order) = log_probabilities(seed, frames), models(background)
    found = decode_ordered(scores, lengths, order, beam=100, **WEIGHTS)
    assert found.tolist() == best_of_all(scores, lengths, order).tolist()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([None, 0]))
def test_online_gives_the_newest_label_of_the_best_so_far(seed, frames, background):
    scores, (lengths, order) = log_probabilities(seed, frames), models(background)
    expected = [int(best_of_all(scores[:end], lengths, order, open_end=True)[-1]) for end in range(1, frames + 1)]
    assert OrderedDecoder(lengths, order, beam=100, **WEIGHTS).step(scores).tolist() == expected


def test_chunks_do_not_matter():
    scores, known = log_probabilities(0, 30), models()
    decoder = OrderedDecoder(*known)
    found = [label for piece in np.split(scores, [1, 1, 8, 20]) for label in decoder.step(piece)]
    assert found == OrderedDecoder(*known).step(scores).tolist()


def test_the_future_does_not_change_online_labels():
    scores = log_probabilities(3, 40)
    changed = np.concatenate([scores[:20], log_probabilities(4, 20)])
    labels = [OrderedDecoder(*models()).step(version)[:20].tolist() for version in (scores, changed)]
    assert labels[0] == labels[1]


def test_a_narrow_beam_finds_nearly_the_best():
    lengths, order = models()
    for seed in range(5):
        scores = log_probabilities(seed, 60)
        wide, narrow = (
            slow_score(decode_ordered(scores, lengths, order, beam=beam, **WEIGHTS), scores, lengths, order)
            for beam in (100, 2)
        )
        assert wide - 2 < narrow <= wide + 1e-9


def test_a_done_action_is_not_repeated():
    """Three things in any order, then a fourth: where two look alike, the one is meant that has not been done."""
    training = [np.repeat([*order, 3], 20) for order in itertools.permutations(range(3))] * 5
    true = training[0]
    lengths, order = SegmentModel.fit(training, 4), ActionOrder.fit(training, 4)
    scores = np.log(np.where(np.eye(4)[true] > 0, 0.7, 0.1))
    scores[40:60] = np.log([0.44, 0.08, 0.42, 0.06])  # looks a little more like 0, which came first
    assert decode_ordered(scores, lengths, order).tolist() == true.tolist()
    assert decode_segments(scores, lengths)[50] == 0  # pairs of labels cannot know
    assert OrderedDecoder(lengths, order).step(scores)[50] == 2
    assert SegmentDecoder(lengths).step(scores)[50] == 0


def test_no_frames_and_a_single_class():
    known = models()
    assert decode_ordered(np.zeros((0, 3)), *known).tolist() == []
    lengths, order = SegmentModel.fit([np.zeros(3, int)], 1), ActionOrder.fit([np.zeros(3, int)], 1)
    assert decode_ordered(np.zeros((4, 1)), lengths, order).tolist() == [0, 0, 0, 0]


def test_errors():
    lengths, order = models()
    for wrong in ({"score_weight": 0}, {"order_weight": 0}, {"length_weight": -1}, {"beam": 0}):
        with pytest.raises(UserError, match="An ordered decoder expects score_weight and order_weight above 0"):
            OrderedDecoder(lengths, order, **wrong)
    with pytest.raises(UserError, match="lengths and order of the same classes, got 3 and 4"):
        OrderedDecoder(lengths, ActionOrder.fit(TRAINING, 4))
    with pytest.raises(UserError, match=r"log-probabilities \(T, 3\) without NaN"):
        decode_ordered(np.full((2, 3), np.nan), lengths, order)
