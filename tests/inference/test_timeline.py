"""Prediction rows on a timeline."""

import json
from pathlib import Path

import pytest

from vidseq.errors import DataError
from vidseq.inference.predictions import write_predictions
from vidseq.inference.timeline import add_predictions, read_predictions
from vidseq.tasks.prediction import Prediction
from vidseq.timeline import TimelineBuilder

ROWS = [
    Prediction(video="v", time=0.0, end=2.5, kind="frame_labels", answer="cut", probability=0.75),
    Prediction(video="v", time=2.5, end=6.0, kind="frame_labels", answer="stir", probability=0.5),
    Prediction(video="v", time=6.0, end=6.0, kind="frame_labels", answer="cut", probability=0.5),
    Prediction(video="v", time=4.0, kind="question", question="Why?", answer="a", probability=0.5,
               ranking=(("a", 0.5), ("b", 0.25)), truth="b"),
    Prediction(video="v", time=5.0, kind="next_action", answer="cut", probability=0.25),
    Prediction(video="v", time=3.0, end=9.0, kind="action_sequence", question="from 3", answer="cut", probability=1),
    Prediction(video="v", time=6.0, end=9.0, kind="action_sequence", question="from 6", answer="stir", probability=1),
    Prediction(video="w", time=1.0, kind="question", question="Why?", answer="", probability=0.0),
]  # fmt: skip


def test_rows_become_lines_forecasts_and_answers() -> None:
    builder = TimelineBuilder()
    add_predictions(builder, "lstm", ROWS)
    first, second = builder.build("t").videos
    assert [(line.name, line.role, [bar.label for bar in line.bars]) for line in first.lines] == [
        ("lstm", "predicted", ["cut", "stir"]),
        ("forecast · lstm", "forecast", ["cut"]),
        ("forecast · lstm", "forecast", ["stir"]),
    ]
    assert first.duration == 6.0, "forecasts go beyond the video"
    assert [(query.time, query.answers[0].right, query.truth) for query in first.queries] == [
        (4.0, False, "b"), (5.0, None, None),
    ]  # fmt: skip
    assert second.queries[0].answers[0].answer == ""


def test_written_rows_are_read_again(tmp_path: Path) -> None:
    write_predictions(ROWS, tmp_path / "rows.jsonl")
    assert read_predictions(tmp_path / "rows.jsonl") == ROWS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": 1.5}, r"rows.jsonl:2: 'probability' expects a number from 0 to 1, got 1.5"),
        ({"probability": None}, r"'probability' expects a number from 0 to 1, got None"),
        ({"time": -1}, r"'time' expects seconds"),
        ({"answer": None}, r"'answer' expects a text, got None"),
        ({"ranking": [["a"]]}, r"'ranking' expects pairs of a label and a probability"),
    ],
)
def test_wrong_rows_are_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    record = ROWS[3].as_record()
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(record)}\n{json.dumps({**record, **change})}\n")
    with pytest.raises(DataError, match=message):
        read_predictions(tmp_path / "rows.jsonl")


def test_files_without_rows_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n")
    with pytest.raises(DataError, match=r"rows.jsonl: expects rows of `vidseq predict`, got none"):
        read_predictions(tmp_path / "rows.jsonl")
    with pytest.raises(FileNotFoundError, match="expects a file of rows"):
        read_predictions(tmp_path / "none.jsonl")
