"""Intervals of the mean over classes: their mean is the measure, and persons are what is resampled."""

import numpy as np
import pandas as pd
import pytest

from vidseq.baselines.last_label import RepeatLastLabel
from vidseq.evaluation.rows import Run
from vidseq.forecasting.long_term import Horizon, evaluate_long_term, mean_over_classes
from vidseq.forecasting.long_term_intervals import interval_table, mean_over_classes_interval

HORIZON = Horizon(0.2, 0.5)


def rows_of(run: str, *, seed: int = 0, persons: int = 12, copies: int = 1, last: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    tables = []
    for split in (1, 2):
        kept = {f"{split}-{person}": np.repeat(rng.integers(0, 4, 6), 20) for person in range(persons // 2)}
        videos = {f"{name}-{copy}": labels for name, labels in kept.items() for copy in range(copies)}
        groups = {name: name.rsplit("-", 1)[0] for name in videos}
        method = RepeatLastLabel.forecast if last else lambda observed, frames: np.zeros(frames, int)
        about = Run(run=run, seed=seed)
        tables.append(evaluate_long_term(method, videos, split=split, groups=groups, horizons=[HORIZON], run=about))
    return pd.concat(tables, ignore_index=True)


def of_all(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["part"] == "all"]


def test_the_mean_is_the_measure() -> None:
    rows = of_all(rows_of("a"))
    interval = mean_over_classes_interval(rows)
    assert interval.mean == pytest.approx(mean_over_classes(rows)) and interval.num_groups == 12
    assert interval.low < interval.mean < interval.high


def test_more_videos_of_the_same_persons_and_more_seeds_make_no_narrower_interval() -> None:
    one = mean_over_classes_interval(of_all(rows_of("a")))
    many = mean_over_classes_interval(of_all(rows_of("a", copies=4)))
    seeds = mean_over_classes_interval(of_all(pd.concat([rows_of("a"), rows_of("a", seed=1)])))
    for other in (many, seeds):
        assert (other.low, other.high) == (pytest.approx(one.low), pytest.approx(one.high))


def test_a_sample_by_hand() -> None:
    """Two persons a split would do: all samples of the one split that there is are known."""
    rows = pd.DataFrame(
        [
            {"video": "a", "group": "a", "split": 1, "label": 0, "correct": 4, "total": 4},
            {"video": "b", "group": "b", "split": 1, "label": 0, "correct": 0, "total": 4},
            {"video": "b", "group": "b", "split": 1, "label": 1, "correct": 1, "total": 1},
        ]
    )
    interval = mean_over_classes_interval(rows)
    assert interval.mean == pytest.approx(0.75)  # (4 / 8 + 1 / 1) / 2; a alone has 1, b alone (0 + 1) / 2
    assert (interval.low, interval.high) == (pytest.approx(0.5), pytest.approx(1.0))


def test_differences_are_paired() -> None:
    rows = pd.concat([rows_of("a"), rows_of("b"), rows_of("c", last=False)])
    table = interval_table(rows, "a").set_index(["run", "part"])
    assert table.loc[("b", "all"), "20%: 0.5"] == "0.0 [0.0, 0.0]"
    assert table.loc[("c", "all"), "20%: 0.5"] != "0.0 [0.0, 0.0]"
    means = interval_table(rows).set_index(["run", "part"])
    assert set(means.index) == {(run, part) for run in "abc" for part in ("all", "after_transition")}
    expected = 100 * mean_over_classes(of_all(rows[rows["run"] == "c"]))
    assert means.loc[("c", "all"), "20%: 0.5"].startswith(f"{expected:.1f} [")
