"""Frame labels of a data set, scored."""

import numpy as np
import pandas as pd
import pytest

from vidseq.data.dataset import Dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.errors import UserError
from vidseq.evaluation.frame_labels import (
    METRICS,
    evaluate_frame_labels,
    frame_label_intervals,
    summarise_frame_labels,
    true_frame_labels,
)
from vidseq.evaluation.intervals import bootstrap_mean
from vidseq.evaluation.rows import Run

LABELS = ("background", "cut", "mix")


class Store:
    def read(self, video):
        return type("Stored", (), {"pts_seconds": np.arange(4.0)})


@pytest.fixture
def kitchen(tmp_path):
    """Two videos of four frames: (background, cut, cut, mix) and (cut, cut, mix, background)."""
    info = DatasetInfo(name="kitchen", labels={"action": LABELS}, background="background", splits=("train", "test"))
    videos = {name: Video(video=name, split="test", duration=4.0, group="anna") for name in ("a", "b")}
    segments = [
        Segment(video="a", start=1.0, end=3.0, label="cut"),
        Segment(video="a", start=3.0, end=4.0, label="mix"),
        Segment(video="b", start=0.0, end=2.0, label="cut"),
        Segment(video="b", start=2.0, end=3.0, label="mix"),
    ]
    return Dataset(tmp_path, info, videos, segments, []), Store(), "test"


PREDICTED = {"a": np.array([0, 1, 1, 2]), "b": np.array([2, 2, 2, 2])}


def test_truth_comes_from_segments(kitchen):
    true = true_frame_labels(*kitchen)
    assert {name: labels.tolist() for name, labels in true.items()} == {"a": [0, 1, 1, 2], "b": [1, 1, 2, 0]}


def test_rows_and_summary(kitchen):
    rows = evaluate_frame_labels(PREDICTED, *kitchen, run=Run(run="r", head="conv", seed=3), decoding="segments")
    first = rows.iloc[0].to_dict()
    assert {"run": "r", "head": "conv", "seed": 3, "decoding": "segments", "group": "anna"}.items() <= first.items()
    assert rows["accuracy"].tolist() == [1.0, 0.25]
    assert rows["edit"].tolist() == [1.0, 0.5]
    assert rows["f1@25"].tolist() == [1.0, pytest.approx(2 / 3)]
    assert rows[["true_positives@50", "false_positives@50", "false_negatives@50"]].to_numpy().tolist() == [
        [2, 0, 0],
        [0, 1, 2],
    ]
    summary = summarise_frame_labels(rows)
    assert list(summary) == list(METRICS)
    assert summary["f1@50"] == 0.5
    assert summarise_frame_labels(rows, "pooled")["f1@50"] == pytest.approx(4 / 7)
    assert summarise_frame_labels(rows, "pooled")["edit"] == summary["edit"] == 0.75


def test_background_in(kitchen):
    out = evaluate_frame_labels(PREDICTED, *kitchen)
    inside = evaluate_frame_labels(PREDICTED, *kitchen, background="in")
    assert inside["edit"].tolist() == [1.0, pytest.approx(1 / 3)]
    assert inside["background"].tolist() == ["in", "in"]
    assert inside["accuracy"].equals(out["accuracy"])


def test_intervals_resample_groups_and_leave_out_what_is_unknown():
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.random((60, len(METRICS))), columns=list(METRICS))
    rows = rows.assign(group=[f"g{number // 2}" for number in range(60)], seed=0, decoding=["a", "b"] * 30)
    rows.loc[rows["decoding"] == "b", "edit"] = np.nan
    rows.loc[0, "accuracy"] = np.nan
    table = frame_label_intervals(rows, ["decoding"]).set_index("decoding")
    assert table.loc["b", "edit"] == "–" and (table["num_groups"] == 30).all()
    known = rows[(rows["decoding"] == "a") & rows["accuracy"].notna()]
    wanted = bootstrap_mean(known["accuracy"].to_numpy(), known["group"].to_numpy(), known["seed"].to_numpy())
    assert table.loc["a", "accuracy"] == wanted.in_percent() and len(known) == 29


def test_errors(kitchen):
    with pytest.raises(UserError, match=r"each of the 4 frames of 'b', got none"):
        evaluate_frame_labels({"a": PREDICTED["a"]}, *kitchen)
    with pytest.raises(UserError, match=r"each of the 4 frames of 'b', got \(3,\)"):
        evaluate_frame_labels(PREDICTED | {"b": np.zeros(3, int)}, *kitchen)
    with pytest.raises(UserError, match="background among out, in, got 'maybe'"):
        evaluate_frame_labels(PREDICTED, *kitchen, background="maybe")
    rows = evaluate_frame_labels(PREDICTED, *kitchen)
    with pytest.raises(UserError, match="average among per_video, pooled, got 2 rows and 'mean'"):
        summarise_frame_labels(rows, "mean")
    with pytest.raises(UserError, match="got 0 rows"):
        summarise_frame_labels(rows[:0])
