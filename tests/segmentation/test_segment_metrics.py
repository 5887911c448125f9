"""Frame-label metrics: by hand, against slow references, and on the published predictions that they must score."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.segmentation.segment_metrics import (
    OVERLAPS,
    UNLABELLED,
    Counts,
    edit_distance,
    edit_score,
    frame_accuracy,
    pooled_f1,
    runs_of,
    segment_counts,
    segment_f1,
)

A, B, C = 1, 2, 3
label_lists = st.lists(st.integers(0, 3), min_size=0, max_size=24)


def pairs_of_videos():
    return st.integers(1, 24).flatmap(
        lambda n: st.tuples(*[st.lists(st.integers(0, 3), min_size=n, max_size=n) for _ in range(2)])
    )


def slow_edit_distance(one, other):
    if not one or not other:
        return len(one) + len(other)
    table = [[max(i, j) if not (i and j) else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            swap = table[i - 1][j - 1] + (one[i - 1] != other[j - 1])
            table[i][j] = min(swap, table[i - 1][j] + 1, table[i][j - 1] + 1)
    return table[-1][-1]


def slow_runs(labels, background):
    runs = []
    for position, label in enumerate(labels):
        if position and labels[position - 1] == label:
            runs[-1][1].add(position)
        else:
            runs.append((label, {position}))
    return [run for run in runs if run[0] != background]


def slow_counts(predicted, true, overlap, background):
    """Sets of frames, one pair at a time."""
    theirs = slow_runs(true, background)
    found, right, wrong = set(), 0, 0
    for label, frames in slow_runs(predicted, background):
        scores = [len(frames & other) / len(frames | other) * (label == name) for name, other in theirs]
        best = max(range(len(scores)), key=lambda position: (scores[position], -position)) if scores else None
        if best is not None and scores[best] >= overlap and best not in found:
            found.add(best)
            right += 1
        else:
            wrong += 1
    return Counts(right, wrong, len(theirs) - right)


def test_by_hand():
    true = np.array([0, A, A, A, A, B, B, 0, C, C])
    predicted = np.array([A, A, A, 0, 0, B, B, B, 0, 0])
    assert frame_accuracy(predicted, true) == pytest.approx(4 / 10)
    assert edit_score(predicted, true, background=0) == pytest.approx(2 / 3)  # A B against A B C
    assert edit_score(predicted, true) == pytest.approx(1 - 3 / 5)  # A 0 B 0 against 0 A B 0 C
    # A: 2 of 5 frames shared; B: 2 of 3; C: missed.
    assert segment_counts(predicted, true, 0.4, background=0) == Counts(2, 0, 1)
    assert segment_counts(predicted, true, 0.5, background=0) == Counts(1, 1, 2)
    assert segment_counts(predicted, true, 0.5, background=0).f1 == pytest.approx(0.4)


def test_a_true_segment_is_found_once():
    true, predicted = np.array([A] * 6), np.array([A, A, A, B, A, A])
    assert segment_counts(predicted, true, 0.3) == Counts(1, 2, 0)


def test_per_video_and_pooled_differ():
    true = [np.array([A, A]), np.array([A, B, A, B])]
    predicted = [np.array([B, B]), np.array([A, B, A, B])]
    assert segment_f1(predicted, true, 0.5) == pytest.approx(0.5)
    assert segment_f1(predicted, true, 0.5, average="pooled") == pytest.approx(4 / 5)


def test_frames_without_a_label_are_cut_out():
    true, predicted = np.array([A, UNLABELLED, A, B]), np.array([A, C, A, B])
    assert frame_accuracy(predicted, true) == 1
    assert edit_score(predicted, true) == 1
    assert segment_counts(predicted, true, 1.0) == Counts(2, 0, 0)
    assert np.isnan(frame_accuracy(predicted[:1], np.array([UNLABELLED])))


def test_nothing_there():
    empty = np.array([], int)
    background = np.zeros(3, int)
    assert np.isnan(edit_score(background, background, background=0))
    assert np.isnan(segment_counts(background, background, 0.5, background=0).f1)
    assert segment_counts(np.array([A]), np.array([0]), 0.5, background=0) == Counts(0, 1, 0)
    assert [len(part) for part in runs_of(empty)] == [0, 0, 0]


@given(label_lists, label_lists)
def test_edit_distance_is_the_slow_one(one, other):
    assert edit_distance(np.array(one, int), np.array(other, int)) == slow_edit_distance(one, other)


@given(pairs_of_videos(), st.sampled_from([*OVERLAPS, 1.0]), st.sampled_from([None, 0]))
def test_counts_are_the_slow_ones(videos, overlap, background):
    predicted, true = videos
    assert segment_counts(np.array(predicted), np.array(true), overlap, background) == slow_counts(
        predicted, true, overlap, background
    )


@given(pairs_of_videos(), st.permutations([0, 1, 2, 3]))
def test_names_of_classes_do_not_matter(videos, names):
    predicted, true = (np.array(video) for video in videos)
    renamed = [np.array(names)[video] for video in (predicted, true)]
    np.testing.assert_equal(edit_score(*renamed, background=names[0]), edit_score(predicted, true, background=0))
    assert segment_counts(*renamed, 0.5, names[0]) == segment_counts(predicted, true, 0.5, 0)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=24))
def test_the_truth_is_perfect(labels):
    video = np.array(labels)
    assert frame_accuracy(video, video) == edit_score(video, video) == segment_f1([video], [video], 1.0) == 1


@given(pairs_of_videos())
def test_more_overlap_finds_no_more(videos):
    predicted, true = (np.array(video) for video in videos)
    found = [segment_counts(predicted, true, overlap).true_positives for overlap in (0.1, 0.25, 0.5, 1.0)]
    assert found == sorted(found, reverse=True)


def test_errors():
    with pytest.raises(UserError, match=r"expect a predicted label for each true one \(T,\), got \(2,\) and \(3,\)"):
        frame_accuracy(np.zeros(2), np.zeros(3))
    with pytest.raises(UserError, match="average among per_video, pooled, got 'mean'"):
        segment_f1([np.zeros(2)], [np.zeros(2)], 0.5, average="mean")
    with pytest.raises(UserError, match="at least one, got 0, 0"):
        segment_f1([], [], 0.5)


#: Lea et al. (2017): accuracy, edit, F1@10, 25, 50, in percent, means over the five splits.
PUBLISHED = {"ed_tcn": (64.7, 59.8, 68.0, 63.9, 52.6), "dilated_tcn": (59.3, 43.1, 52.2, 47.6, 37.4)}


def published_predictions(method):
    data = os.environ.get("VIDSEQ_DATA")
    if not data:
        pytest.skip("VIDSEQ_DATA names no folder with the real data sets")
    for split in range(1, 6):
        with np.load(Path(data) / "50salads" / "published_predictions" / f"{method}.split{split}.npz") as file:
            numbers = range(sum(name.startswith("true_") for name in file))
            yield [file[f"predicted_{n}"] for n in numbers], [file[f"true_{n}"] for n in numbers]


@pytest.mark.real_data
@pytest.mark.parametrize("method", PUBLISHED)
def test_published_predictions_score_what_was_published(method):
    table = []
    for predicted, true in published_predictions(method):
        videos = list(zip(predicted, true))
        scores = [np.mean([frame_accuracy(*video) for video in videos]), np.mean([edit_score(*v, 0) for v in videos])]
        table.append(scores + [segment_f1(predicted, true, overlap, background=0) for overlap in OVERLAPS])
    assert 100 * np.mean(table, axis=0) == pytest.approx(PUBLISHED[method], abs=0.06)


@pytest.mark.real_data
def test_the_variants_of_f1_on_published_predictions():
    splits = list(published_predictions("ed_tcn"))
    pooled = [segment_f1(predicted, true, 0.10, background=0, average="pooled") for predicted, true in splits]
    with_background = [segment_f1(predicted, true, 0.10) for predicted, true in splits]
    assert 100 * np.mean(pooled) == pytest.approx(67.2, abs=0.06)
    assert 100 * np.mean(with_background) == pytest.approx(58.8, abs=0.06)


def test_pooled_counts_add_up():
    assert pooled_f1([Counts(1, 0, 0), Counts(0, 1, 1)]) == pytest.approx(0.5)
