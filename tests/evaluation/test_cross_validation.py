"""Splits put together: one curve, whose intervals resample groups and not splits."""

import numpy as np
import pandas as pd
import pytest
from planted_rows import planted_rows

from vidseq.context.report.write import write_report
from vidseq.context.summary import summarise
from vidseq.errors import UserError
from vidseq.evaluation.cross_validation import pool_splits


def split_rows(number, run="lstm"):
    rows = planted_rows(np.random.default_rng(number), num_groups=6)
    return rows.assign(
        video=[f"s{number}-{video}" for video in rows["video"]],
        query=[f"s{number}-{query}" for query in rows["query"]],
        group=[f"s{number}-{group}" for group in rows["group"]],
        run=f"{run}-split{number}",
        head=run,
        seed=0,
    )


def test_intervals_resample_groups_and_not_splits():
    tables = [split_rows(number) for number in range(4)]
    pooled = pool_splits(tables)
    assert set(pooled["run"]) == {"lstm-seed0"} and len(pooled) == sum(map(len, tables))
    (summary,) = summarise(pooled, families=False, num_samples=400)
    (apart,) = summarise(pd.concat(tables, ignore_index=True), families=False, num_samples=400)
    assert summary.curve.num_groups == 24 and summary.curve.num_seeds == 1
    assert summary.curve.num_splits == 4 and apart.curve.num_splits == 1
    right = pooled[(pooled["control"] == "") & (pooled["context"] == "full")].groupby("group")["correct"].mean()
    expected = 1.96 * right.std() / np.sqrt(24)
    assert (summary.gain.high - summary.gain.low) / 2 < 0.75 * (apart.gain.high - apart.gain.low) / 2
    assert (summary.full.high - summary.full.low) / 2 == pytest.approx(expected, rel=0.3)


def test_a_report_says_that_a_model_is_one_a_split(tmp_path):
    rows = pool_splits([split_rows(number) for number in range(3)])
    write_report(tmp_path / "report", rows, title="toy", command="made here")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "18 groups, 1 seed, a model a split" in page and "trained model<" not in page
    assert "lstm (1, a model a split)" in page


def test_what_cannot_be_put_together():
    one, other = split_rows(0), split_rows(1)
    with pytest.raises(UserError, match=r"Pooled splits expect different videos, got 's0-.*' in two"):
        pool_splits([one, one.assign(run="lstm-split9")])
    two = pd.concat([other, other.assign(run="again", query=other["query"] + "x")], ignore_index=True)
    with pytest.raises(
        UserError, match=r"expect one run of each head and seed in each split, got two of lstm with seed 0"
    ):
        pool_splits([one, two])
