import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.inference.predictions import FORMATS, Prediction, formatter, to_bytes, write_predictions

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


def test_subtitles_show_labels_as_words(tmp_path: Path) -> None:
    answer = {"answer": "jump_rope", "truth": "sit_down"}
    row = Prediction(video="v", time=0, kind="question", question="my_v?", probability=0.5, **answer)
    write_predictions([row], tmp_path / "x.srt")
    assert "my_v? jump rope (50%); right: sit down\n" in (tmp_path / "x.srt").read_text()


def test_subtitles_do_not_turn_what_follows(tmp_path: Path) -> None:
    row = Prediction(video="v", time=0, kind="question", question="\u202eWho?", answer="\u05d0", probability=0.5)
    write_predictions([row], tmp_path / "x.srt")
    assert "Who? \u05d0 (50%)" in (tmp_path / "x.srt").read_text(encoding="utf-8")
    assert "\u202e" not in (tmp_path / "x.srt").read_text(encoding="utf-8")


def test_an_unknown_ending_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in .jsonl, .csv, .srt, got '.*x.txt'"):
        write_predictions(ROWS, tmp_path / "x.txt")
    assert not list(tmp_path.iterdir())


texts = st.text(st.sampled_from("a7,;\"'\\ \t\n\r\x0b\x1c\x85\u2028\u2029<->é切\udce9"), max_size=12)
rows = st.lists(
    st.builds(
        Prediction,
        video=texts,
        time=st.floats(0, 4e5),
        end=st.none() | st.floats(0, 4e5),
        kind=st.just("question"),
        question=st.none() | texts,
        answer=texts,
        probability=st.floats(0, 1),
    ),
    max_size=4,
)


@given(rows, st.booleans())
def test_subtitles_are_valid_whatever_they_say(rows: list[Prediction], several: bool) -> None:
    text = to_bytes(formatter("x.srt", several=several)(rows)).decode()
    blocks = text.split("\n\n") if text else []
    assert len(blocks) == len(rows)
    for number, block in enumerate(blocks, start=1):
        first, times, line = block.rstrip("\n").split("\n")
        time = r"(\d\d+:\d\d:\d\d,\d{3})"
        match = re.fullmatch(f"{time} --> {time}", times)
        assert first == str(number) and match is not None and (len(match[1]), match[1]) < (len(match[2]), match[2])
        assert line.strip() and "-->" not in line and len(line.splitlines()) == 1


@given(rows)
def test_json_lines_and_tables_keep_every_text(rows: list[Prediction]) -> None:
    lines = to_bytes(FORMATS[".jsonl"](rows)).decode().splitlines()
    assert [json.loads(line) for line in lines] == [json.loads(json.dumps(row.as_record())) for row in rows]
    table = to_bytes(FORMATS[".csv"](rows)).decode()
    read = list(csv.DictReader(io.StringIO(table, newline="")))
    kept = [re.sub("\r\n?", "\n", row.answer).encode(errors="backslashreplace").decode() for row in rows]
    assert [row["answer"] for row in read] == kept


def test_subtitles_show_words_that_players_take_for_commands() -> None:
    row = Prediction(
        video="a", time=0.0, kind="question", question="<i>Who?", answer=r"{\an8}<script>", probability=1.0
    )
    assert FORMATS[".srt"]([row]).splitlines()[2] == r"‹i›Who? (\an8)‹script› (100%)"


def test_subtitles_of_several_videos_name_them() -> None:
    assert formatter("x.srt", several=True)(ROWS).splitlines()[2] == "a: What colour is the chair? red (75%)"
