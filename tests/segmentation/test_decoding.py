"""Segment decoding: against all segmentations of tiny videos, online against offline, and what it is for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.segmentation.decoding import SegmentDecoder, SegmentModel, decode_segments

TRAINING = [np.array([0, 0, 0, 1, 1, 2, 2, 2, 2]), np.array([0, 0, 1, 1, 1, 1, 2, 2]), np.array([1, 1, 0, 0, 2])]


def model():
    return SegmentModel.fit(TRAINING, 3)


def log_probabilities(seed, frames):
    scores = np.random.default_rng(seed).normal(size=(frames, 3)) * 3
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def all_segmentations(frames):
    """Every way to cut frames into labelled segments, neighbours with different labels."""
    for labels in itertools.product(range(3), repeat=frames):
        yield np.array(labels)


def slow_score(labels, scores, known, score_weight, follow_weight, open_end=False):
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1), len(labels)]
    total = score_weight * scores[np.arange(len(labels)), labels].sum() + follow_weight * known.log_start[labels[0]]
    for first, last in itertools.pairwise(edges):
        lengths = known.log_survival if open_end and last == len(labels) else known.log_length
        total += lengths[last - first - 1, labels[first]]
        if last < len(labels):
            total += follow_weight * known.log_follow[labels[first], labels[last]]
    return total


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.1, 0.5, 2.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_best_of_all_segmentations(seed, frames, score_weight, follow_weight):
    scores, known = log_probabilities(seed, frames), model()
    best = max(
        all_segmentations(frames), key=lambda labels: slow_score(labels, scores, known, score_weight, follow_weight)
    )
    found = decode_segments(scores, known, score_weight=score_weight, follow_weight=follow_weight)
    assert found.tolist() == best.tolist()


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_online_gives_the_newest_label_of_the_best_so_far(seed, frames):
    scores, known = log_probabilities(seed, frames), model()
    expected = []
    for end in range(1, frames + 1):
        best = max(
            all_segmentations(end), key=lambda labels: slow_score(labels, scores[:end], known, 0.2, 0.5, open_end=True)
        )
        expected.append(int(best[-1]))
    assert SegmentDecoder(known).step(scores).tolist() == expected


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_chunks_do_not_matter(sizes):
    scores = log_probabilities(0, sum(sizes))
    decoder = SegmentDecoder(model())
    pieces = np.split(scores, np.cumsum(sizes)[:-1])
    found = [label for piece in pieces for label in decoder.step(piece)]
    assert found == SegmentDecoder(model()).step(scores).tolist()


def test_the_future_does_not_change_online_labels():
    scores = log_probabilities(3, 40)
    changed = scores.copy()
    changed[20:] = log_probabilities(4, 20)
    labels = [SegmentDecoder(model()).step(version)[:20].tolist() for version in (scores, changed)]
    assert labels[0] == labels[1]


def test_flicker_goes():
    random = np.random.default_rng(0)
    true = np.repeat([0, 1, 2, 1, 0], [30, 20, 40, 25, 35])
    known = SegmentModel.fit([true], 3)
    scores = np.log(np.where(np.eye(3)[true] > 0, 0.5, 0.25)) + random.normal(size=(len(true), 3))
    flickering = scores.argmax(axis=1)
    assert (np.diff(flickering) != 0).sum() > 40
    steady = decode_segments(scores, known, score_weight=1.0)
    assert (np.diff(steady) != 0).sum() == 4
    assert (steady == true).mean() > 0.95


def test_what_is_counted():
    known = model()
    assert np.exp(known.log_start) == pytest.approx(np.array([2.5, 1.5, 0.5]) / 4.5)
    assert np.exp(known.log_follow[0]) == pytest.approx([0, 2.5 / 4, 1.5 / 4])  # 0 to 1 twice, 0 to 2 once
    assert known.log_length.shape == known.log_survival.shape == (8, 3)
    assert (np.diff(known.log_survival, axis=0) < 0).all()
    assert known.log_length[:, 0].argmax() == 1  # lengths 3, 2, 2


def test_frames_without_a_label_end_a_segment():
    known = SegmentModel.fit([np.array([0, 0, -100, 0, 0, 1])], 2)
    assert np.exp(known.log_start) == pytest.approx([1.5 / 2, 0.5 / 2])
    assert known.log_length[:, 0].argmax() == 1
    assert np.isneginf(known.log_follow[0, 0])


def test_a_single_class_and_no_frames():
    known = SegmentModel.fit([np.zeros(3, int)], 1)
    assert decode_segments(np.zeros((4, 1)), known).tolist() == [0, 0, 0, 0]
    assert decode_segments(np.zeros((0, 1)), known).tolist() == []


def test_errors():
    with pytest.raises(UserError, match="training videos with labels, got none"):
        SegmentModel.fit([np.array([-100])], 2)
    with pytest.raises(UserError, match="classes below 2, got 2"):
        SegmentModel.fit([np.array([0, 2])], 2)
    with pytest.raises(UserError, match=r"log-probabilities \(T, 3\) without NaN, got \(4, 2\)"):
        decode_segments(np.zeros((4, 2)), model())
    with pytest.raises(UserError, match=r"got \(4, 3\) with 12 NaN"):
        decode_segments(np.full((4, 3), np.nan), model())
    with pytest.raises(UserError, match="score_weight above 0 and follow_weight of at least 0, got 0 and -1"):
        SegmentDecoder(model(), score_weight=0, follow_weight=-1)
