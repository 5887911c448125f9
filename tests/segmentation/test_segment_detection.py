"""Average precision of segments at temporal IoU: by hand, and against a slow independent computation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.data.schema import Segment
from vidseq.errors import UserError
from vidseq.segmentation import ACTIVITYNET_OVERLAPS, segment_average_precision

times = st.integers(0, 12)
segments = st.builds(
    lambda video, start, length, label: Segment(video=video, start=start, end=start + length, label=label),
    st.sampled_from(["a", "b"]),
    times,
    st.integers(0, 6),
    st.sampled_from(["cut", "mix"]),
)
scored = st.lists(st.tuples(segments, st.integers(0, 4).map(lambda level: level / 4)), max_size=12)


def segment(video, start, end, label="cut"):
    return Segment(video=video, start=start, end=end, label=label)


def slow_overlap(one, other):
    shared = max(0.0, min(one.end, other.end) - max(one.start, other.start))
    union = (one.end - one.start) + (other.end - other.start) - shared
    return shared / union if union else 0.0


def slow_average_precision(detections, true, overlap):
    """One detection, one threshold and one point of the curve at a time."""
    taken, right = [], []
    for found, _ in detections:
        best = None
        for index, truth in enumerate(true):
            value = slow_overlap(found, truth) if truth.video == found.video and index not in taken else 0.0
            if value >= overlap and (best is None or value > slow_overlap(found, true[best])):
                best = index
        right.append(best is not None)
        taken += [best] if best is not None else []
    points = []
    for threshold in sorted({score for _, score in detections}, reverse=True):
        above = [hit for hit, (_, score) in zip(right, detections) if score >= threshold]
        points.append((sum(above) / len(true), sum(above) / len(above)))
    area, before = 0.0, 0.0
    for recall, _ in points:
        area += (recall - before) * max(precision for other, precision in points if other >= recall)
        before = recall
    return area


@given(scored, st.lists(segments, min_size=1, max_size=8), st.randoms())
def test_it_is_the_slow_one_in_any_order(detections, true, random):
    detections = sorted(detections, key=lambda item: (-item[1], item[0].start, item[0].end, item[0].video))
    given_order = random.sample(detections, len(detections))
    overlaps = (0.1, 0.5, 0.75, 1.0)
    found = segment_average_precision(
        [item for item, _ in given_order],
        [score for _, score in given_order],
        true,
        overlaps=overlaps,
        labels=("cut", "mix"),
    )
    for column, label in enumerate(("cut", "mix")):
        own = [item for item in detections if item[0].label == label]
        there = [item for item in true if item.label == label]
        expected = [slow_average_precision(own, there, overlap) if there else np.nan for overlap in overlaps]
        assert found.of_class[:, column] == pytest.approx(expected, abs=1e-12, rel=0, nan_ok=True)
    present = {item.label for item in true}
    assert found.num_empty == 2 - len(present)
    columns = [column for column, label in enumerate(("cut", "mix")) if label in present]
    assert found.means == pytest.approx(found.of_class[:, columns].mean(axis=1), abs=1e-12)


def test_by_hand():
    true = [segment("a", 0, 10), segment("a", 20, 30), segment("b", 0, 10)]
    detected = [segment("a", 0, 10), segment("a", 0, 8), segment("a", 21, 30), segment("b", 50, 60)]
    found = segment_average_precision(detected, [0.9, 0.8, 0.7, 0.6], true, overlaps=(0.5, 0.95))
    # right, wrong (taken), right, wrong: precision 1 up to a recall of 1/3, then 2/3 up to 2/3
    assert found.of_class[:, 0] == pytest.approx([(1 + 2 / 3) / 3, 1 / 3])
    assert found.labels == ("cut",)
    assert found.mean == pytest.approx(((1 + 2 / 3) / 3 + 1 / 3) / 2)


def test_a_detection_takes_the_next_best_segment_that_is_free():
    true = [segment("a", 0, 10), segment("a", 1, 11)]
    found = segment_average_precision([segment("a", 0, 10), segment("a", 0, 10)], [0.9, 0.8], true, overlaps=(0.5,))
    assert found.mean == 1.0


def test_equal_scores_are_one_threshold():
    true = [segment("a", 0, 10)]
    detected = [segment("b", 0, 10), segment("a", 0, 10)]
    for order in ([0, 1], [1, 0]):
        found = segment_average_precision([detected[place] for place in order], [0.5, 0.5], true, overlaps=(0.5,))
        assert found.mean == pytest.approx(0.5)


def test_labels_without_true_segments_are_left_out_and_counted():
    true = [segment("a", 0, 10)]
    detected = [segment("a", 0, 10), segment("a", 0, 10, "mix")]
    found = segment_average_precision(detected, [0.5, 0.9], true, labels=("cut", "mix", "stir"))
    assert (found.mean, found.num_empty) == (1.0, 2)
    assert found.overlaps == ACTIVITYNET_OVERLAPS == pytest.approx(np.linspace(0.5, 0.95, 10))
    assert np.isnan(segment_average_precision([], [], [], labels=("cut",)).mean)
    assert segment_average_precision([], [], true).mean == 0.0


def test_errors():
    with pytest.raises(UserError, match="for each of 1 segments, got 2, 1 of them NaN"):
        segment_average_precision([segment("a", 0, 1)], [0.5, float("nan")], [])
    with pytest.raises(UserError, match=r"above 0 and up to 1, got \[0\.5, 1\.5\]"):
        segment_average_precision([], [], [], overlaps=[0.5, 1.5])
