"""Tables of detected segments: against the metric itself, and a slow bootstrap."""

import numpy as np
import pandas as pd
import pytest

from vidseq.data.schema import Segment
from vidseq.evaluation.intervals import expanded_tails
from vidseq.evaluation.segment_tables import OVERLAPS, detect_segments, segment_rows, segment_text
from vidseq.segmentation import segment_average_precision

ABOUT = {"run": "r", "head": "conv", "seed": 1, "split": "test", "decoding": "thresholds"}


def make_segments(num_videos=12, seed=0):
    """True segments of three labels, and found ones: moved, twice, missed, and of a label that is never true."""
    random = np.random.default_rng(seed)
    true, found = [], []
    for video in range(num_videos):
        for _ in range(6):
            start, length = random.uniform(0, 50), random.uniform(2, 9)
            label = str(random.choice(["cut", "mix", "stir"]))
            true.append(Segment(video=f"v{video}", start=start, end=start + length, label=label))
            for _ in range(random.integers(0, 3)):
                moved = start + random.normal(0, 0.2 * length)
                label = str(random.choice([label, label, label, "never"]))
                found.append(
                    (float(np.round(random.random(), 1)),
                     Segment(video=f"v{video}", start=moved, end=moved + length, label=label))
                )  # fmt: skip
    return found, true, {f"v{video}": f"g{video % 6}" for video in range(num_videos)}


def precision_of(found, true, overlaps=OVERLAPS):
    return segment_average_precision(
        [item for _, item in found], [score for score, _ in found], true, overlaps=overlaps
    )


@pytest.mark.parametrize("seed", range(3))
def test_tables_hold_the_metric(seed):
    found, true, groups = make_segments(seed=seed)
    of_class, means = detect_segments(segment_rows(found, true, groups), ABOUT)
    expected = precision_of(found, true)
    assert of_class["label"].tolist() == ["cut", "mix", "stir"]
    line = means.iloc[0]
    for position, overlap in enumerate(OVERLAPS):
        assert of_class[f"AP@{overlap:g}"].tolist() == pytest.approx(expected.of_class[position].tolist(), abs=1e-12)
        assert line[f"mAP@{overlap:g}"] == pytest.approx(expected.means[position], abs=1e-12)
    activitynet = precision_of(found, true, [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
    assert line["mAP@0.5:0.95"] == pytest.approx(activitynet.mean, abs=1e-12)
    thumos = precision_of(found, true, [0.3, 0.4, 0.5, 0.6, 0.7])
    assert line["mAP@0.3:0.7"] == pytest.approx(thumos.mean, abs=1e-12)
    assert (line["num_true"], line["num_groups"]) == (len(true), 6)
    assert line["num_found"] == sum(item.label != "never" for _, item in found)
    assert {**line}.items() >= ABOUT.items()


def test_the_interval_is_that_of_resampled_groups():
    found, true, groups = make_segments(num_videos=24, seed=5)
    line = detect_segments(segment_rows(found, true, groups), ABOUT).means.iloc[0]
    random, samples = np.random.default_rng(1), []
    names = sorted(set(groups.values()))
    for _ in range(200):
        drawn = random.choice(names, len(names))
        part = [[], []]
        for number, group in enumerate(drawn):
            for target, items in ((part[0], found), (part[1], [(0.0, item) for item in true])):
                for score, item in items:
                    if groups[item.video] == group:
                        twin = Segment(video=f"{number}{item.video}", start=item.start, end=item.end, label=item.label)
                        target.append((score, twin))
        samples.append(precision_of(part[0], [item for _, item in part[1]], [0.5]).mean)
    low, high = np.quantile(samples, expanded_tails(0.95, len(names)))
    assert (line["mAP@0.5_low"], line["mAP@0.5_high"]) == pytest.approx((low, high), abs=0.04)
    assert line["mAP@0.5_low"] < line["mAP@0.5"] < line["mAP@0.5_high"]


def test_rows_alone_make_the_tables(tmp_path):
    found, true, groups = make_segments()
    rows = segment_rows(found, true, groups)
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    again = detect_segments(pd.read_parquet(tmp_path / "rows.parquet"), ABOUT)
    for one, other in zip(again, detect_segments(rows, ABOUT)):
        pd.testing.assert_frame_equal(one, other)


def test_nothing_found_and_nothing_true():
    found, true, groups = make_segments(num_videos=1)
    missed = detect_segments(segment_rows([], true, groups), ABOUT).means
    assert missed["mAP@0.5"].tolist() == [0.0]
    assert np.isnan(missed["mAP@0.5_low"][0])
    assert all(not len(table) for table in detect_segments(segment_rows(found, [], groups), ABOUT))
    assert "mAP@0.5 of segments (%)" in segment_text(missed)
