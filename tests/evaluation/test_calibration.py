"""Calibration of rows: against slow references, with intervals that hold the truth, as tables and figures."""

import re

import numpy as np
import pandas as pd
import pytest

from vidseq.evaluation.calibration import (
    calibration_interval,
    calibration_table,
    calibration_text,
    reliability_bins,
)
from vidseq.evaluation.calibration_figure import reliability_figure
from vidseq.evaluation.metrics import expected_calibration_error, negative_log_likelihood
from vidseq.reporting.figures import save_figure


def answers(
    seed: int, *, groups: int = 30, in_group: int = 10, boldness: float = 0.0, head: str = "lstm"
) -> pd.DataFrame:
    """Answers whose probabilities are too high by `boldness`."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0.3, 0.9, groups * in_group)
    correct = rng.random(len(score)) < score - boldness
    group = np.repeat([f"g{number}" for number in range(groups)], in_group)
    answer_score = np.where(correct, score, 1 - score)
    entries = {"run": "run", "head": head, "seed": 0, "family": "doing", "group": group}
    return pd.DataFrame({**entries, "score": score, "correct": correct, "answer_score": answer_score})


def test_the_interval_holds_the_error_of_all_answers() -> None:
    true = expected_calibration_error(answers(0, groups=20_000, boldness=0.2))
    intervals = [calibration_interval(answers(seed, boldness=0.2)) for seed in range(40)]
    assert true == pytest.approx(0.2, abs=0.01)
    assert sum(found.low <= true <= found.high for found in intervals) >= 34
    calibrated = [calibration_interval(answers(seed)) for seed in range(40)]
    assert min(found.low for found in calibrated) == 0, "plain percentiles would never reach zero"
    assert np.mean([found.low for found in calibrated]) < 0.02


def test_the_interval_is_about_groups() -> None:
    rows = answers(1, boldness=0.1)
    found = calibration_interval(rows)
    assert found.mean == pytest.approx(expected_calibration_error(rows), abs=1e-12)
    assert (found.num_groups, found.num_queries) == (30, 300)
    alone = calibration_interval(rows.assign(group="one"))
    assert np.isnan(alone.low) and np.isnan(alone.high) and alone.mean == found.mean


def test_the_table_has_a_line_for_each_family_and_head() -> None:
    parts = [answers(2), answers(3, head="gru"), answers(4).assign(family="order")]
    table = calibration_table(pd.concat(parts, ignore_index=True))
    assert table[["family", "head"]].to_numpy().tolist() == [["doing", "lstm"], ["doing", "gru"], ["order", "lstm"]]
    for (_, line), part in zip(table.iterrows(), parts):
        assert line["ece"] == expected_calibration_error(part) and line["nll"] == negative_log_likelihood(part)
        assert line["confidence"] == pytest.approx(part["score"].mean()) and line["accuracy"] == part["correct"].mean()
        assert line["answers"] == 300 and line["low"] <= line["high"]
    text = calibration_text(table)
    assert re.search(r"\| doing +\| gru +\| \d+\.\d \[\d+\.\d, \d+\.\d\] ", text)


def test_bins_share_out_the_answers() -> None:
    rows = answers(5)
    bins = reliability_bins(rows)
    assert sum(part.share for part in bins) == pytest.approx(1)
    assert [part.confidence for part in bins] == sorted(part.confidence for part in bins)
    error = sum(part.share * abs(part.accuracy.mean - part.confidence) for part in bins)
    assert error == pytest.approx(expected_calibration_error(rows), abs=1e-12)


def test_the_figure_has_a_line_for_each_head(tmp_path) -> None:
    rows = pd.concat([answers(6), answers(7, boldness=0.2, head="gru")], ignore_index=True)
    figure = reliability_figure(rows, title="toy: probabilities and accuracy")
    (axis,) = figure.axes
    texts = [text.get_text() for text in axis.get_legend().get_texts()]
    assert [text.split(":")[0] for text in texts] == ["lstm", "gru"]
    assert float(texts[1].split()[-1]) > float(texts[0].split()[-1])
    drawn = axis.get_lines()[1].get_xydata()
    np.testing.assert_allclose(
        drawn, [[100 * part.confidence, 100 * part.accuracy.mean] for part in reliability_bins(answers(6))]
    )
    svg, _ = save_figure(figure, tmp_path / "calibration")
    assert "probability of the prediction" in svg.read_text()
