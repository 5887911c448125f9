"""Rows: checked when made, written and read."""

import dataclasses
import typing

import numpy as np
import pandas as pd
import pytest

from vidseq.errors import DataError, UserError
from vidseq.evaluation.rows import (
    COLUMNS,
    Row,
    check_rows,
    concatenate,
    lines_apart,
    make_rows,
    read_rows,
    rows_from,
    write_rows,
)

ROW = Row(
    run="lstm-1", seed=1, video="kitchen_01", group="anna", time=12.5, kind="question", family="colour",
    question="What colour is the chair?", answer="red", prediction="blue", correct=False, rank=2, score=0.6,
    context_seconds=np.inf, evidence_age_seconds=3.0, certificate_seconds=np.nan, control="", dataset="kitchen",
    split="test", head="lstm", query="kitchen_01#question0", mode="given", context="full", context_frames=25,
    answer_score=0.3, history_seconds=12.5,
    reach_seconds=np.nan, cause=None, tier=None, pair=None, ceiling=np.nan,
)  # fmt: skip


def table(**changes):
    return rows_from([ROW]).assign(**changes)


def test_columns_are_those_of_the_protocol():
    protocol = [
        *("run", "seed", "video", "group", "time", "kind", "family", "question", "answer", "prediction", "correct"),
        *("rank", "score", "context_seconds", "evidence_age_seconds", "certificate_seconds", "control"),
    ]
    assert list(COLUMNS)[: len(protocol)] == protocol
    assert list(COLUMNS) == [field.name for field in dataclasses.fields(Row)] == list(typing.get_type_hints(Row))


def test_round_trip(tmp_path):
    rows = rows_from([ROW, dataclasses.replace(ROW, query="other", question=None, tier="overwrite", pair="7")])
    path = write_rows(rows, tmp_path / "deep" / "rows.parquet")
    again = read_rows(path)
    pd.testing.assert_frame_equal(again, rows)
    assert again.dtypes.astype(str).to_dict() == COLUMNS
    assert again["question"].tolist() == [ROW.question, None]
    assert list(path.parent.iterdir()) == [path]


def test_columns_of_single_values_are_spread():
    columns = dataclasses.asdict(ROW) | {"query": ["a", "b"], "video": "kitchen_01"}
    assert make_rows(columns)["answer"].tolist() == ["red", "red"]


def test_more_columns_stay(tmp_path):
    path = write_rows(table(width=64), tmp_path / "rows.parquet")
    assert read_rows(path)["width"].tolist() == [64]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": np.nan}, r"score to be a finite number, got NaN in row 0 \(run 'lstm-1', video 'kitchen_01'"),
        ({"answer_score": 1.5}, r"answer_score to be a probability in \[0, 1\], got 1.5"),
        ({"mode": "gven"}, r"mode to be one of given, truncated, .*, got gven"),
        ({"context_frames": -1}, "context_frames to be at least 0, got -1"),
        ({"time": np.inf}, "time to be a finite number, got inf"),
        ({"context_seconds": -1.0}, "context_seconds to be at least 0, got -1.0"),
        ({"context_seconds": np.nan}, "context_seconds to be at least 0, got NaN"),
        ({"rank": 0}, "rank to be at least 1, got 0"),
        ({"correct": True}, "correct to be True where rank is 1, got True"),
    ],
)
def test_what_rows_refuse(changes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        write_rows(table(**changes), tmp_path / "rows.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_row_comes_once():
    with pytest.raises(
        UserError, match=r"one row for each dataset, split, run, .*, got kitchen_01#question0 in row 1"
    ):
        concatenate([table(), table()])
    with pytest.raises(UserError, match="at least one table"):
        concatenate([])
    assert len(concatenate([table(), table(control="blind")])) == 2


def test_runs_of_one_head_and_seed_are_lines_of_their_own():
    """Tables average over a head: two runs that differ in their options are not two seeds of one thing."""
    runs = [table(run=run, seed=seed) for run, seed in (("a", 0), ("b", 0), ("c", 1))]
    apart = lines_apart(concatenate(runs))
    assert apart["head"].unique().tolist() == ["lstm (a)", "lstm (b)", "lstm"]
    assert lines_apart(apart).equals(apart)
    seeds_and_splits = concatenate([runs[0], runs[2], table(run="d", split="val")])
    assert lines_apart(seeds_and_splits).equals(seeds_and_splits)


def test_a_column_is_missing():
    with pytest.raises(UserError, match="got none named score, ceiling"):
        check_rows(table().drop(columns=["score", "ceiling"]), "Rows")
    with pytest.raises(UserError, match="got none named run"):
        make_rows({name: 0 for name in COLUMNS if name != "run"})


def test_files_that_hold_no_rows(tmp_path):
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        read_rows(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(DataError, match=r"text.parquet expects parquet"):
        read_rows(tmp_path / "text.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="got none named run, seed"):
        read_rows(tmp_path / "other.parquet")


@pytest.mark.parametrize("error", [TypeError("no data type"), KeyError("pandas"), RecursionError()])
def test_damaged_notes_of_parquet_are_one_line(tmp_path, monkeypatch, error):
    """Damage in what pandas notes of its columns raises whatever pandas happens to do with it."""

    def fail(path):
        raise error

    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(pd, "read_parquet", fail)
    with pytest.raises(DataError, match=r"rows\.parquet expects parquet, got something else: .+"):
        read_rows(tmp_path / "rows.parquet")
