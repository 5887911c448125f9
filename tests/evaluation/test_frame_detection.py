"""Average precision of frames: by hand, against slow independent computations, and against scikit-learn's."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from vidseq.errors import UserError
from vidseq.evaluation import (
    Stages,
    action_stages,
    average_precision,
    frame_average_precision,
    stage_average_precision,
)

CLOSE = {"abs": 1e-12, "rel": 0, "nan_ok": True}


@st.composite
def frames(draw, max_frames=30, max_classes=4):
    """Scores with many ties, targets with several classes a frame and some of none, and a mask."""
    shape = (draw(st.integers(0, max_frames)), draw(st.integers(1, max_classes)))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    levels = draw(st.sampled_from([1, 3, 10, 10_000]))
    scores = random.integers(0, levels, shape) / levels
    return scores, random.random(shape) < draw(st.sampled_from([0.1, 0.5, 1.0])), random.random(shape[0]) < 0.8


def slow_average_precision(scores, positives, calibrated=False):
    """Counts, for each positive frame, what has at least its score; in exact fractions."""
    num_positives = sum(positives)
    if not num_positives:
        return float("nan")
    weight = Fraction(len(positives) - int(num_positives), int(num_positives)) if calibrated else Fraction(1)
    total = Fraction(0)
    for score in [score for score, positive in zip(scores, positives) if positive]:
        true = sum(bool(positive) for other, positive in zip(scores, positives) if other >= score)
        false = sum(not positive for other, positive in zip(scores, positives) if other >= score)
        total += weight * true / (weight * true + false) if false else 1
    return float(total / int(num_positives))


def slow_stage(position, length, stage, num_stages):
    start = length * stage // num_stages
    return start <= position < max(start + 1, length * (stage + 1) // num_stages)


def slow_stages(column, num_stages):
    """The set of stages of each frame of one class."""
    found, position = [set() for _ in column], 0
    while position < len(column):
        length = 0
        while position + length < len(column) and column[position + length]:
            length += 1
        for frame in range(length):
            found[position + frame] = {s for s in range(num_stages) if slow_stage(frame, length, s, num_stages)}
        position += max(length, 1)
    return found


def test_by_hand():
    scores, positives = np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 0, 1, 0])
    assert average_precision(scores, positives) == pytest.approx((1 + 2 / 3) / 2)
    # two negatives for one positive: w is 2, so that the second positive is found at 4 / (4 + 2)
    scores, positives = np.array([6, 5, 4, 3, 2, 1.0]), np.array([1, 0, 0, 1, 0, 0])
    assert average_precision(scores, positives, calibrated=True) == pytest.approx((1 + 4 / 6) / 2)


def test_equal_scores_are_one_threshold():
    for order in ([1, 0, 0, 0], [0, 0, 0, 1]):
        assert average_precision(np.ones(4), np.array(order)) == pytest.approx(1 / 4)
        assert average_precision(np.ones(4), np.array(order), calibrated=True) == pytest.approx(1 / 2)


def test_calibration_takes_the_class_share_out():
    random = np.random.default_rng(0)
    for share in (0.02, 0.5):
        positives = random.random(20_000) < share
        scores = random.random(20_000)
        assert average_precision(scores, positives) == pytest.approx(share, abs=0.05)
        assert average_precision(scores, positives, calibrated=True) == pytest.approx(0.5, abs=0.05)


@given(frames(), st.booleans())
def test_average_precision_is_the_slow_one(made, calibrated):
    scores, targets, _ = made
    found = average_precision(scores[:, 0], targets[:, 0], calibrated=calibrated)
    assert found == pytest.approx(slow_average_precision(scores[:, 0], targets[:, 0], calibrated), **CLOSE)


@given(frames())
def test_average_precision_is_scikit_learn_s(made):
    scores, targets, _ = made
    if targets[:, 0].any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = average_precision_score(targets[:, 0], scores[:, 0])
        assert average_precision(scores[:, 0], targets[:, 0]) == pytest.approx(expected, **CLOSE)


@given(frames(), st.booleans(), st.sampled_from([None, 0]), st.booleans())
def test_frames_are_the_slow_ones(made, calibrated, left_out, masked):
    scores, targets, mask = made
    found = frame_average_precision(
        scores, targets, mask=mask if masked else None, left_out=left_out, calibrated=calibrated
    )
    keep = [not masked or bool(counts) for counts in mask]
    counted = [index for index in range(scores.shape[1]) if index != left_out]
    expected = {
        index: slow_average_precision(scores[keep, index].tolist(), targets[keep, index].tolist(), calibrated)
        for index in counted
    }
    known = [value for value in expected.values() if value == value]
    assert found.of_class == pytest.approx([expected.get(i, np.nan) for i in range(scores.shape[1])], **CLOSE)
    assert found.mean == pytest.approx(sum(known) / len(known) if known else np.nan, **CLOSE)
    assert found.num_empty == len(counted) - len(known)


@given(frames(), st.permutations(range(30)), st.booleans())
def test_the_order_of_frames_does_not_matter(made, order, calibrated):
    scores, targets, _ = made
    order = [index for index in order if index < len(scores)]
    assert frame_average_precision(scores[order], targets[order], calibrated=calibrated).of_class == pytest.approx(
        frame_average_precision(scores, targets, calibrated=calibrated).of_class, **CLOSE
    )


@given(frames(), st.integers(1, 12))
def test_stages_are_the_slow_ones(made, num_stages):
    _, targets, _ = made
    first, last = action_stages(targets, num_stages)
    for column in range(targets.shape[1]):
        expected = slow_stages(targets[:, column], num_stages)
        for frame, stages in enumerate(expected):
            bounds = (min(stages), max(stages)) if stages else (-1, -1)
            assert (first[frame, column], last[frame, column]) == bounds
            assert len(stages) == bounds[1] - bounds[0] + bool(stages)


@given(frames(), st.booleans(), st.booleans())
def test_precision_by_stage_is_the_slow_one(made, calibrated, masked):
    scores, targets, mask = made
    videos = np.split(targets, [len(targets) // 2])
    parts = [action_stages(video) for video in videos]
    stages = Stages(*(np.concatenate(columns) for columns in zip(*parts)))
    found = stage_average_precision(scores, targets, stages, mask=mask if masked else None, calibrated=calibrated)
    assert len(found) == 10
    for column in range(targets.shape[1]):
        of_frames = [stages for video in videos for stages in slow_stages(video[:, column], 10)]
        for stage in range(10):
            kept = [
                frame
                for frame in range(len(targets))
                if (mask[frame] or not masked) and (not targets[frame, column] or stage in of_frames[frame])
            ]
            expected = slow_average_precision(scores[kept, column], targets[kept, column], calibrated)
            assert found[stage].of_class[column] == pytest.approx(expected, **CLOSE)


def test_stages_by_hand():
    long, short = np.ones((20, 1)), np.ones((2, 1))
    assert action_stages(long).first[:, 0].tolist() == action_stages(long).last[:, 0].tolist()
    assert action_stages(long).first[:, 0].tolist() == [stage for stage in range(10) for _ in range(2)]
    assert [part[:, 0].tolist() for part in action_stages(short)] == [[0, 5], [4, 9]]


def test_a_late_detector_is_poor_at_early_stages():
    targets = np.zeros((60, 2), bool)
    targets[10:30, 1] = targets[40:60, 1] = True
    scores = np.zeros(targets.shape)
    scores[20:30, 1] = scores[50:60, 1] = 1.0
    means = [stage.mean for stage in stage_average_precision(scores, targets, action_stages(targets), left_out=0)]
    assert means[5:] == [1.0] * 5
    assert max(means[:5]) < 0.2


def test_errors():
    with pytest.raises(UserError, match=r"got \(2,\) scores, 1 of them NaN, and \(2,\) labels"):
        average_precision(np.array([np.nan, 1]), np.array([0, 1]))
    with pytest.raises(UserError, match=r"scores and targets \(N, C\), got \(2, 3\) and \(2, 2\)"):
        frame_average_precision(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(UserError, match=r"a mask \(2,\), got \(3,\)"):
        frame_average_precision(np.zeros((2, 3)), np.zeros((2, 3)), mask=np.ones(3))
    with pytest.raises(UserError, match=r"expects stages \(2, 3\), got \(2, 2\) and \(2, 2\)"):
        stage_average_precision(np.zeros((2, 3)), np.zeros((2, 3)), action_stages(np.zeros((2, 2))))
