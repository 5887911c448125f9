import csv
import json
from pathlib import Path

import pytest

from vidseq.errors import UserError
from vidseq.inference.predictions import Prediction, write_predictions

ROWS = [
    Prediction(video="a", time=2.5, kind="question", question="What colour is the chair?", answer="red",
               probability=0.75, ranking=(("red", 0.75), ("blue", 0.25))),
    Prediction(video="a", time=0.0, end=3661.0404, kind="frame_labels", answer='say "hi", wave', probability=1.0),
]  # fmt: skip


def test_jsonl_is_one_object_a_line_in_the_order_given(tmp_path: Path) -> None:
    write_predictions(ROWS, tmp_path / "x.jsonl")
    first, second = map(json.loads, (tmp_path / "x.jsonl").read_text().splitlines())
    assert first["answer"] == "red" and first["ranking"] == [["red", 0.75], ["blue", 0.25]] and first["end"] is None
    assert second["end"] == 3661.04


def test_csv_survives_commas_and_quotes(tmp_path: Path) -> None:
    write_predictions(ROWS, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["ranking"] == "red=0.7500; blue=0.2500"
    assert rows[1]["answer"] == 'say "hi", wave'


def test_srt_is_in_order_of_time_with_hours(tmp_path: Path) -> None:
    write_predictions(ROWS, tmp_path / "x.srt")
    assert (tmp_path / "x.srt").read_text() == (
        '1\n00:00:00,000 --> 01:01:01,040\nsay "hi", wave (100%)\n\n'
        "2\n00:00:02,500 --> 00:00:05,500\nWhat colour is the chair? red (75%)\n"
    )


def test_an_unknown_ending_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in .jsonl, .csv, .srt, got '.*x.txt'"):
        write_predictions(ROWS, tmp_path / "x.txt")
    assert not list(tmp_path.iterdir())
