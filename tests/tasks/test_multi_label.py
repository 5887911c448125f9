"""Many labels a frame: targets, loss, weights, thresholds, segments offline and live, and labels of tracks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vidseq.data.dataset import Dataset
from vidseq.data.examples import frame_classes_of, frame_labels_of
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import UserError
from vidseq.segmentation.found_segments import segments_above
from vidseq.segmentation.live_segments import LiveSegments
from vidseq.tasks import find_task
from vidseq.tasks.calibration import ScoredAnswers, calibrate
from vidseq.tasks.multi_label import _best_threshold

LABELS = ("background", "cut", "talk", "unclear")


def make_task(labels=LABELS, **options):
    options = {"multi_label": True, **options}
    return find_task("frame_labels").variant(options)(4, labels, options, 0.0)


def segment(start, end, label, track=""):
    return Segment(video="a", start=start, end=end, label=label, track=track)


def make_dataset(folder, segments, background="background"):
    info = DatasetInfo(name="talks", labels={"action": LABELS}, background=background, splits=("train",))
    return Dataset(folder, info, {"a": Video(video="a", split="train", duration=10.0)}, segments, [])


def test_the_option_chooses_the_class():
    task = find_task("frame_labels")
    assert task.variant({}) is task.variant({"multi_label": False}) is task
    assert make_task().many_labels and not task.many_labels
    with pytest.raises(UserError, match="multi_label: true where it has per_track: true"):
        task.variant({"per_track": True})


def test_targets_hold_all_labels_that_overlap(tmp_path):
    dataset = make_dataset(tmp_path, [segment(1, 4, "cut"), segment(2, 6, "talk"), segment(5, 7, "unclear")])
    times = np.arange(8.0)
    expected = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]]
    assert make_task().targets(dataset, "a", times, LABELS).tolist() == [*expected, [1, 0, 0, 0]]
    known = make_task(ambiguous="unclear").targets(dataset, "a", times, LABELS)
    assert known.tolist() == [*expected[:5], [-100] * 4, [-100] * 4, [1, 0, 0, 0]]
    assert known.dtype == torch.int8


starts = st.integers(0, 40).map(lambda tenths: tenths / 4)


@given(st.lists(st.builds(lambda a, n, x: segment(a, a + n / 4, x), starts, st.integers(1, 12),
                          st.sampled_from(LABELS[1:])), max_size=6))  # fmt: skip
def test_the_one_label_of_a_frame_is_among_its_many(segments):
    times = np.arange(48) / 4
    one = frame_labels_of(segments, times, LABELS, "background").numpy()
    many = frame_classes_of(segments, times, LABELS, "background").numpy()
    assert (many[np.arange(len(one)), one] == 1).all()
    for item in segments:
        inside = (times >= item.start) & (times < item.end)
        assert (many[inside, LABELS.index(item.label)] == 1).all()
    assert many[:, 1:].sum() == sum(
        np.any([(item.start <= time) & (time < item.end) for item in segments if item.label == label])
        for label in LABELS[1:]
        for time in times
    )


def test_loss_is_weighted_binary_cross_entropy_over_what_counts():
    task = make_task()
    task.class_weights.copy_(torch.tensor([1.0, 2.0, 3.0, 1.0]))
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 4, generator=random)
    targets = (torch.rand(2, 5, 4, generator=random) < 0.4).to(torch.int8)
    targets[0, 1] = -100
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    total, frames = 0.0, 0
    for row, frame in [(r, t) for r in range(2) for t in range(5) if mask[r, t] and (r, t) != (0, 1)]:
        frames += 1
        for column in range(4):
            p = torch.sigmoid(logits[row, frame, column].double())
            there = bool(targets[row, frame, column])
            total -= float(task.class_weights[column] * p.log() if there else (1 - p).log())
    assert float(task.loss(logits, targets, mask)) == pytest.approx(total / frames, rel=1e-5)
    targets[:] = -100
    assert float(task.loss(logits, targets, mask)) == 0.0


def test_weights_follow_the_counts_and_leave_the_answers():
    counts = torch.zeros(100, 4, dtype=torch.int8)
    counts[:, 0], counts[:4, 1], counts[0, 2] = 1, 1, 1
    counts = torch.cat([counts, torch.full((7, 4), -100, dtype=torch.int8)])
    task = make_task()
    task.fit_statistics([counts[:50], counts[50:]])
    assert task.class_weights.tolist() == pytest.approx([1.0, (96 / 4) ** 0.5, 99**0.5, 1.0])
    inverse = make_task(class_weighting="inverse")
    inverse.fit_statistics([counts])
    assert inverse.class_weights.tolist() == pytest.approx([1.0, 24.0, 99.0, 1.0])
    # where weighted training predicts odds of w p / (1 - p), the answer is p
    odds = (
        torch.log(torch.tensor([0.3, 0.2, 0.1, 0.4]) / torch.tensor([0.7, 0.8, 0.9, 0.6])) + task.class_weights.log()
    )
    assert task.log_probabilities(odds).exp().tolist() == pytest.approx([0.3, 0.2, 0.1, 0.4])


def test_right_asks_for_as_many_classes_as_are_there():
    task = make_task()
    logits = torch.tensor([[[3.0, 2, 1, -9], [3, 2, 1, -9], [-1, -2, -3, -4], [1, -2, -3, -4], [9, 9, 9, 9]]])
    targets = torch.tensor([[[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [-100] * 4]], dtype=torch.int8)
    right = task.right(logits, targets, torch.ones(1, 5, dtype=torch.bool))
    assert right.tolist() == [True, True, True, False, True, False]


@given(arrays(float, st.integers(1, 30), elements=st.integers(0, 8).map(lambda eighth: eighth / 8)), st.randoms())
def test_a_threshold_has_the_highest_f1(probabilities, random):
    there = np.array([random.random() < 0.3 for _ in probabilities])
    best = _best_threshold(probabilities, there)
    if not there.any():
        assert np.isnan(best)
        return

    def f1(threshold):
        found = probabilities >= threshold
        return 2 * (found & there).sum() / (found.sum() + there.sum())

    assert f1(best) == pytest.approx(max(f1(threshold) for threshold in np.unique(probabilities)))


def test_thresholds_come_from_validation():
    task = make_task()
    logits = torch.tensor([[[4.0, 1, -3, 0], [3, -1, -4, 0], [-2, -2, -9, 0], [-3, -4, -9, 0]]])
    targets = torch.tensor([[[1, 1, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]], dtype=torch.int8)
    answers = task.scored_answers(logits, targets, torch.ones(1, 4, dtype=torch.bool))
    assert isinstance(answers, ScoredAnswers) and answers.scores.shape == (16, 2)
    found = calibrate(answers)
    assert found.nll_after <= found.nll_before
    task.fit_decisions(answers)
    p = logits[0].double().sigmoid()
    expected = [(p[1, 0] + p[2, 0]) / 2, (p[2, 1] + p[3, 1]) / 2, (p[0, 2] + p[1, 2]) / 2]
    expected = [float(value) for value in expected]
    assert task.thresholds.tolist() == pytest.approx([*expected, np.median(expected)])


probabilities = arrays(
    np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=st.integers(0, 4).map(lambda n: n / 4)
)


@given(probabilities, st.sampled_from([None, 0]))
def test_live_segments_are_those_of_the_whole_video(scores, background):
    thresholds = np.array([0.5, 0.25, 0.75])
    live, times = LiveSegments(thresholds, background), np.arange(len(scores)) / 2
    closed = [item for row, time in zip(scores, times) for item in live.push(row, float(time))]
    closed += live.finish(len(scores) / 2)
    ends = [*times, len(scores) / 2]
    expected = segments_above(scores, thresholds, background)
    found = sorted(closed, key=lambda item: (item.start, item.label))
    assert [(item.label, item.start, item.end) for item in found] == [
        (item.label, ends[item.first], ends[item.stop]) for item in expected
    ]
    for item, whole in zip(found, expected):
        assert item.probabilities == pytest.approx(scores[whole.first : whole.stop].mean(axis=0))
        assert item.probabilities[item.label] == pytest.approx(whole.score)


@given(probabilities)
def test_segments_cover_exactly_what_reaches_the_threshold(scores):
    thresholds = np.array([0.5, 0.25, 0.75])
    there = np.zeros(scores.shape, int)
    for item in segments_above(scores, thresholds):
        there[item.first : item.stop, item.label] += 1
        assert item.first == 0 or scores[item.first - 1, item.label] < thresholds[item.label]
    assert (there == (scores >= thresholds)).all()


def test_rows_of_a_video_overlap_and_name_no_background():
    task = make_task()
    task.background_class.fill_(0)
    task.thresholds.copy_(torch.tensor([0.1, 0.5, 0.5, 0.5]))
    scores = np.array([[0.9, 0.1, 0.2, 0.0], [0.2, 0.8, 0.6, 0.0], [0.2, 0.6, 0.8, 0.0], [0.9, 0.1, 0.7, 0.0]])
    rows = task.label_segments(scores, np.arange(4.0), 4.5, video="a", top=2)
    assert [(row.time, row.end, row.answer) for row in rows] == [(1.0, 3.0, "cut"), (1.0, 4.5, "talk")]
    assert [row.probability for row in rows] == pytest.approx([0.7, 0.7])
    assert [label for label, _ in rows[0].ranking] == ["cut", "talk"]
    queries = [Query(video="a", time=time, kind="frame_labels", answer="") for time in (0.0, 1.0)]
    logits = torch.logit(torch.tensor(scores[[0, 1]]).clamp(1e-6, 1 - 1e-6)).float()
    nothing, both = task.predict(logits, queries, 3)
    assert nothing == [] and [row.answer for row in both] == ["cut", "talk"]
    assert both[1].probability == pytest.approx(0.6) and len(both[1].ranking) == 3


def test_labels_of_tracks(tmp_path):
    segments = [segment(1, 4, "cut", "Ann"), segment(2, 6, "cut", "Ben"), segment(5, 8, "talk", "Ben")]
    dataset = make_dataset(tmp_path, [*segments, segment(8, 9, "unclear", "Ann")])
    options = {"multi_label": True, "per_track": True, "ambiguous": "unclear"}
    kind = find_task("frame_labels").variant(options)
    labels = kind.find_labels(dataset, ["a"], options)
    assert labels == ("Ann: cut", "Ben: cut", "Ben: talk") and kind.label_kind != "action"
    with pytest.raises(UserError, match=r"training segments with a track where it has per_track: true, got none"):
        kind.find_labels(make_dataset(tmp_path, [segment(1, 4, "cut")]), ["a"], options)
    task = make_task(labels[:2], per_track=True, ambiguous="unclear")
    targets = task.targets(dataset, "a", np.arange(10.0), labels[:2])
    assert targets.tolist()[:7] == [[0, 0], [1, 0], [1, 1], [1, 1], [0, 1], [0, 1], [0, 0]]
    assert targets.tolist()[8] == [-100, -100]
    assert [item.label for item in task.true_segments(dataset, "a", np.arange(10.0))] == ["Ann: cut", "Ben: cut"]


def test_overlaps_are_named_where_a_frame_has_one_label(tmp_path):
    task = find_task("frame_labels")(4, LABELS, {}, 0.0)
    apart = make_dataset(tmp_path, [segment(1, 4, "cut"), segment(4, 6, "talk"), segment(5, 7, "talk")])
    assert task.notes(apart, ["a"]) == []
    (note,) = task.notes(make_dataset(tmp_path, [segment(1, 4, "cut"), segment(3, 6, "talk")]), ["a"])
    assert note.startswith("2 of 2 segments overlap one of another label") and "multi_label of frame_labels" in note
    assert make_task().notes(make_dataset(tmp_path, [segment(1, 4, "cut"), segment(3, 6, "talk")]), ["a"]) == []
