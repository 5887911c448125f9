"""Tables of how well scores rank frames: against the metrics themselves and a slow bootstrap."""

import numpy as np
import pandas as pd
import pytest

from vidseq.evaluation import Stages, action_stages, frame_average_precision, stage_average_precision
from vidseq.evaluation.detection_tables import detect, detection_text, rank_frames, ranked_classes, too_large
from vidseq.evaluation.intervals import expanded_tails

LABELS = ("background", "cut", "mix", "stir", "never")
ABOUT = {"run": "r", "head": "conv", "seed": 3, "split": "test"}


def make_videos(num_videos=6, num_groups=3, seed=0, num_frames=40):
    """Runs of the first four classes and of frames without a label, and scores that know a bit of them."""
    random = np.random.default_rng(seed)
    names = [f"v{index}" for index in range(num_videos)]
    true = {name: np.repeat(random.choice([-100, 0, 1, 2, 3], num_frames // 5), 5) for name in names}
    scores = {}
    for name, labels in true.items():
        noise = random.random((len(labels), len(LABELS))) + (labels[:, None] == np.arange(len(LABELS)))
        scores[name] = np.round(noise / noise.sum(axis=1, keepdims=True), 2)
    return scores, true, {name: f"g{index % num_groups}" for index, name in enumerate(names)}


def tables_of(scores, true, groups, background=0):
    present = ranked_classes(true)
    ranked = rank_frames({name: part[:, present] for name, part in scores.items()}, true, groups, present)
    return detect(ranked, LABELS, background, ABOUT)


def with_many_labels(true, seed=0):
    """The same labels as sets, with further ones, and the frames without a label as frames that do not count."""
    random = np.random.default_rng(seed + 1)
    sets = {}
    for name, labels in true.items():
        more = np.repeat(random.random((len(labels) // 5, len(LABELS))) < 0.3, 5, axis=0)
        more[:, [0, 4]] = False
        sets[name] = ((labels[:, None] == np.arange(len(LABELS))) | more).astype(np.int8)
        sets[name][labels < 0] = -100
    return sets


def joined(scores, true):
    """All frames in one array, for the metrics themselves: scores, targets, stages and the mask."""
    if any(labels.ndim == 2 for labels in true.values()):
        targets = {name: labels == 1 for name, labels in true.items()}
        true = {name: labels[:, 0] for name, labels in true.items()}
    else:
        targets = {name: labels[:, None] == np.arange(len(LABELS)) for name, labels in true.items()}
    stages = [action_stages(part) for part in targets.values()]
    return (
        np.concatenate(list(scores.values())),
        np.concatenate(list(targets.values())),
        Stages(*(np.concatenate(part) for part in zip(*stages))),
        np.concatenate(list(true.values())) >= 0,
    )


@pytest.mark.parametrize("many_labels", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_tables_hold_the_metrics(seed, many_labels):
    scores, true, groups = make_videos(seed=seed)
    if many_labels:
        true = with_many_labels(true, seed)
    of_class, means = tables_of(scores, true, groups)
    all_scores, targets, stages, mask = joined(scores, true)
    assert means["background"].tolist() == ["out", "in"]
    assert means["classes"].tolist() == [3, 4]
    assert means["empty"].tolist() == [1, 1]
    assert {**means.iloc[0]}.items() >= ABOUT.items()
    for line, left_out in ((means.iloc[0], 0), (means.iloc[1], None)):
        for name, column, calibrated in (
            ("mAP", "average_precision", False),
            ("mcAP", "calibrated_average_precision", True),
        ):
            expected = frame_average_precision(
                all_scores, targets, mask=mask, left_out=left_out, calibrated=calibrated
            )
            assert line[name] == pytest.approx(expected.mean, abs=1e-12)
            by_stage = stage_average_precision(
                all_scores, targets, stages, mask=mask, left_out=left_out, calibrated=calibrated
            )
            found = [line[f"{name}@{tenth}%"] for tenth in range(10, 101, 10)]
            assert found == pytest.approx([stage.mean for stage in by_stage], abs=1e-12)
            if left_out is None:
                assert of_class[column].tolist() == pytest.approx(expected.of_class[:4].tolist(), abs=1e-12)
    assert of_class["label"].tolist() == list(LABELS[:4])
    assert of_class["is_background"].tolist() == [True, False, False, False]
    assert of_class["num_frames"].sum() == targets[mask].sum()
    assert means["num_frames"][0] == mask.sum()


def test_intervals_are_those_of_resampled_groups():
    scores, true, groups = make_videos(num_videos=8, num_groups=8, num_frames=30)
    line = tables_of(scores, true, groups)[1].iloc[0]
    random, samples = np.random.default_rng(1), []
    for _ in range(150):
        drawn = random.choice(list(true), len(true))
        part = joined(
            {index: scores[name] for index, name in enumerate(drawn)},
            {index: true[name] for index, name in enumerate(drawn)},
        )
        samples.append(frame_average_precision(part[0], part[1], mask=part[3], left_out=0).mean)
    low, high = np.quantile(samples, expanded_tails(0.95, 8))
    assert (line["mAP_low"], line["mAP_high"]) == pytest.approx((low, high), abs=0.04)
    assert line["mAP_low"] < line["mAP"] < line["mAP_high"]


def test_many_scores_leave_the_value_exact_and_the_interval_close(monkeypatch):
    scores, true, groups = make_videos()
    exact = tables_of(scores, true, groups)[1]
    monkeypatch.setattr("vidseq.evaluation.detection_tables._NUM_THRESHOLDS", 10)
    coarse = tables_of(scores, true, groups)[1]
    assert coarse["mAP"].tolist() == exact["mAP"].tolist()
    for end in ("mAP_low", "mAP_high", "mcAP_low", "mcAP_high"):
        assert coarse[end].tolist() == pytest.approx(exact[end].tolist(), abs=0.05)


def test_one_group_has_no_interval_and_no_background_has_one_line():
    scores, true, groups = make_videos(num_groups=1)
    means = tables_of(scores, true, groups, background=None)[1]
    assert means["background"].tolist() == ["out"]
    assert means["classes"].tolist() == [4]
    assert means[["mAP_low", "mcAP_high"]].isna().all(axis=None)
    assert "[–, –]" in detection_text(means)


def test_nothing_to_rank():
    scores, true, groups = make_videos()
    nothing = {name: np.full_like(labels, -100) for name, labels in true.items()}
    assert all(table.equals(pd.DataFrame()) for table in tables_of(scores, nothing, groups))


def test_a_split_that_is_too_large_is_named(monkeypatch):
    _, true, _ = make_videos()
    assert too_large(4, true) == ""
    monkeypatch.setattr("vidseq.evaluation.detection_tables.MAX_SCORES", 10)
    assert too_large(4, true) == (
        "No mAP of frames: 240 frames of 4 classes are more than 10 scores, which are ranked in memory. "
        "Evaluate fewer videos."
    )


def test_text():
    lines = detection_text(tables_of(*make_videos())[1]).splitlines()
    assert lines[0].split("|")[1:4] == [" run ", " head ", " background "]
    assert "mAP of frames (%)" in lines[0] and "mcAP, first tenth" in lines[0]
    assert [line.split("|")[3].strip() for line in lines[2:]] == ["out", "in"]
