"""Decoding learnt from labels: steps against frames, the file, weights by rate, and what it is for."""

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from vidseq.errors import UserError
from vidseq.segmentation.action_order import ActionOrder
from vidseq.segmentation.coarse import pool_scores, refine_edges, spread_labels
from vidseq.segmentation.decoding import decode_segments
from vidseq.segmentation.order_gain import order_helps
from vidseq.segmentation.ordered_decoding import decode_ordered
from vidseq.segmentation.segmenter import (
    FRAMES,
    ORDER_EVIDENCE,
    ORDERED,
    PAIRS_EVIDENCE,
    PRIOR_WEIGHT,
    SEGMENTS,
    Segmenter,
)


def videos(rng, count, num_classes, frames):
    """Each class once, in an order with a rule: class 0 first."""
    found = []
    for _ in range(count):
        order = [0, *(1 + rng.permutation(num_classes - 1))]
        lengths = (frames * rng.uniform(0.6, 1.4, num_classes)).astype(int)
        found.append(np.repeat(order, lengths))
    return found


def noisy(labels, num_classes, rng, noise=2.0):
    scores = np.eye(num_classes)[labels] * 2 + rng.normal(size=(len(labels), num_classes)) * noise
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def test_at_one_frame_a_step_it_is_the_decoders_themselves():
    rng = np.random.default_rng(0)
    training = videos(rng, 6, 4, 12)
    segmenter = Segmenter.fit(training, 4)
    assert segmenter.stride == 1 and segmenter.default == ORDERED
    scores = noisy(videos(rng, 1, 4, 12)[0], 4, rng)
    usual = np.median([count for labels in training for count in np.bincount(labels)])
    pairs = decode_segments(scores, segmenter.lengths, score_weight=min(1, PAIRS_EVIDENCE / usual))
    weight = min(1, ORDER_EVIDENCE / usual)
    prior = np.log(np.bincount(np.concatenate(training)) / sum(map(len, training)) + 1e-3)
    ordered = decode_ordered(scores - PRIOR_WEIGHT * prior, segmenter.lengths, segmenter.order, score_weight=weight)
    assert segmenter.decode(scores, SEGMENTS).tolist() == pairs.tolist()
    assert segmenter.decode(scores).tolist() == ordered.tolist()
    assert segmenter.decode(scores, FRAMES).tolist() == scores.argmax(axis=1).tolist()


@pytest.mark.parametrize("decoding", [SEGMENTS, ORDERED])
def test_more_frames_a_second_give_the_same_segments(decoding):
    rng = np.random.default_rng(1)
    training, test = videos(rng, 8, 5, 20), videos(rng, 1, 5, 20)[0]
    scores = noisy(test, 5, rng)
    slow = Segmenter.fit(training, 5).decode(scores, decoding)
    fast_model = Segmenter.fit([np.repeat(labels, 40) for labels in training], 5)
    fast = fast_model.decode(np.repeat(scores, 40, axis=0), decoding)
    assert fast_model.stride > 1
    assert (fast[20::40] == slow).mean() > 0.95
    assert (slow == test).mean() > (scores.argmax(axis=1) == test).mean() + 0.1


@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 60))
def test_edges_move_at_most_a_step_and_keep_the_segments(seed, stride, frames):
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, 3, -(-frames // stride))
    labels, scores = np.repeat(steps, stride)[:frames], rng.normal(size=(frames, 3))
    refined = refine_edges(labels, scores, stride)

    def runs(row):
        return row[np.flatnonzero(np.diff(row, prepend=-1))].tolist()

    assert runs(refined) == runs(labels)
    moved = np.flatnonzero(np.diff(refined)) - np.flatnonzero(np.diff(labels))
    assert (np.abs(moved) <= stride).all()
    total = scores[np.arange(frames), refined].sum()
    assert total >= scores[np.arange(frames), labels].sum() - 1e-9


def test_an_edge_goes_to_the_frame_where_the_scores_change():
    scores = np.zeros((20, 2))
    scores[:7, 0], scores[7:, 1] = 1, 1
    assert refine_edges(np.repeat([0, 1], [5, 15]), scores, 5).tolist() == [0] * 7 + [1] * 13


@given(st.integers(0, 40), st.integers(1, 7))
def test_steps_cover_all_frames(frames, stride):
    scores = np.arange(2.0 * frames).reshape(frames, 2)
    pooled = pool_scores(scores, stride)
    assert len(pooled) == -(-frames // stride) == len(spread_labels(np.zeros(frames, int), stride))
    assert np.allclose(pooled.sum(axis=0), scores.sum(axis=0))


@pytest.mark.parametrize("background", [None, 1])
def test_its_file_gives_it_back(background):
    rng = np.random.default_rng(2)
    segmenter = Segmenter.fit(videos(rng, 4, 3, 15), 3, background)
    again = Segmenter.from_bytes(segmenter.to_bytes())
    scores = noisy(videos(rng, 1, 3, 15)[0], 3, rng)
    for decoding in segmenter.decodings:
        for causal in (False, True):
            wanted = segmenter.decode(scores, decoding, causal=causal)
            assert again.decode(scores, decoding, causal=causal).tolist() == wanted.tolist()
    assert again.to_bytes() == segmenter.to_bytes()
    for damaged in (b"", b"nonsense", segmenter.to_bytes()[:-9]):
        with pytest.raises(ValueError, match="no segmenter"):
            Segmenter.from_bytes(damaged)


def test_a_file_without_evidence_has_the_usual_one():
    segmenter = Segmenter.fit(videos(np.random.default_rng(2), 4, 3, 15), 3)
    tuned = dataclasses.replace(segmenter, pairs_evidence=16.0, order_evidence=4.0)
    assert (Segmenter.from_bytes(tuned.to_bytes()).pairs_evidence, tuned.order_evidence) == (16, 4)
    older = {name: value for name, value in load(tuned.to_bytes()).items() if name != "evidence"}
    assert Segmenter.from_bytes(save(older)).to_bytes() == segmenter.to_bytes()


def test_short_actions_keep_steps_and_no_more_than_they_need():
    found = [Segmenter.fit([np.repeat([0, 1, 2, 0], length)] * 3, 3).stride for length in (3, 16, 160)]
    assert found == [1, 2, 20]
    with_a_long_one = [np.repeat([0, 1, 2, 1, 0], [20, 20, 20, 20, 20000])] * 3
    assert Segmenter.fit(with_a_long_one, 3).stride == 10


def test_a_stream_sees_nothing_later():
    rng = np.random.default_rng(3)
    segmenter = Segmenter.fit(videos(rng, 5, 4, 12), 4)
    scores = noisy(videos(rng, 1, 4, 12)[0], 4, rng)
    for decoding in segmenter.decodings:
        whole = segmenter.decode(scores, decoding, causal=True)
        assert segmenter.decode(scores[:20], decoding, causal=True).tolist() == whole[:20].tolist()


def test_an_hour_at_fifteen_labels_a_second_takes_seconds():
    rng = np.random.default_rng(4)
    training = [np.repeat(labels, 15) for labels in videos(rng, 6, 12, 40)]
    segmenter = Segmenter.fit(training, 12)
    scores = noisy(np.resize(training[0], 15 * 3600), 12, rng)
    begin = time.process_time()
    segmenter.decode(scores, SEGMENTS)
    assert time.process_time() - begin < 8


def test_order_is_used_where_it_says_more_than_the_last_action():
    rng = np.random.default_rng(5)
    once = [np.repeat(rng.permutation(6), 4) for _ in range(30)]  # each thing once: what was done says what is left
    chain = np.eye(6)[[1, 2, 3, 4, 5, 0]] * 0.7 + 0.3 / 5 * (1 - np.eye(6)[[1, 2, 3, 4, 5, 0]])
    circles = []
    for _ in range(30):
        sequence = [int(rng.integers(6))]
        for _ in range(12):
            sequence.append(int(rng.choice(6, p=chain[sequence[-1]])))
        circles.append(np.repeat(sequence, 4))
    assert order_helps(once, 6) and not order_helps(circles, 6)
    assert not order_helps(once[:1], 6)
    padded = [np.stack([labels, np.full_like(labels, 6)], axis=1).ravel() for labels in once]
    assert order_helps(padded, 7, background=6)


def test_what_it_cannot_do_is_refused():
    with pytest.raises(UserError, match="Decoding expects training videos with labels, got none"):
        Segmenter.fit([np.full(5, -100)], 3)
    segmenter = Segmenter.fit([np.array([0, 0, 1, 1])], 2)
    with pytest.raises(UserError, match="decoding"):
        segmenter.decode(np.zeros((3, 2)), "viterbi")
    many = Segmenter.fit([np.repeat(np.arange(101), 2)] * 3, 101)
    assert many.default == SEGMENTS and ORDERED not in many.decodings


def test_a_large_data_set_costs_no_more_than_a_small_one():
    rng = np.random.default_rng(6)
    training = [np.repeat(rng.permutation(5), 3) for _ in range(400)]
    order = Segmenter.fit(training, 5).order
    assert order is not None and np.array_equal(order.weights, ActionOrder.fit(training[:300], 5).weights)
    many = Segmenter.fit([np.repeat(np.arange(101), 2)] * 3, 101)
    assert many.order is None and Segmenter.from_bytes(many.to_bytes()).decodings == many.decodings
