import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layouts import write_egoschema

from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.egoschema import convert

BadRow = Callable[..., ConversionReport]
FIRST, SECOND, THIRD = (f"{number:08d}-81bd-4cd8-a574-0472ef3f6678" for number in range(3))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_egoschema(tmp_path)
    return tmp_path


def change(source: Path, name: str, key: Any, value: Any) -> None:
    values = json.loads((source / name).read_text())
    values[key] = value
    (source / name).write_text(json.dumps(values, indent=1))


def test_everything_arrives(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out", duration=170)
    assert report.notes == ("1 questions have no answer in subset_answers.json: they are left out.",)
    dataset = Dataset.load(tmp_path / "out")
    first, third = dataset.queries
    assert (first.video, first.answer, first.time) == (FIRST, "C does thing 3 of 0.", 180.0)
    assert (third.video, third.answer, third.time) == (THIRD, "C does thing 0 of 2.", 170.0)
    assert first.choices == tuple(f"C does thing {number} of 0." for number in range(5))
    assert dataset.group_of(FIRST) == "2fa72a4f" and dataset.group_of(THIRD) == THIRD
    assert {video.split for video in dataset.videos.values()} == {"test"}


def test_answers_in_another_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.json").write_text(json.dumps({SECOND: 4, "stranger": 1}))
    report = convert(source, tmp_path / "out", answers=tmp_path / "answers.json")
    assert report.num_queries == 1 and report.notes == (
        "2 questions have no answer in answers.json: they are left out.",
        "1 answers of answers.json belong to no question that was read.",
    )


def test_videos_that_are_missing(source: Path, tmp_path: Path, clip: bytes, bad_row: BadRow) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / f"{THIRD}.mp4").write_bytes(clip)
    message = rf"^questions.json:2: expects one video file '{FIRST}' in .*videos, got none"
    report = bad_row(convert, source, message, videos=tmp_path / "videos")
    assert report.num_queries == 1 and Dataset.load(tmp_path / "skipped").queries[0].time == 0.5


@pytest.mark.parametrize(("answer", "got"), [(5, "5"), (-1, "-1"), ("x", "'x'"), (None, "None"), (1.5, "1.5")])
def test_a_bad_answer(source: Path, answer: Any, got: str, bad_row: BadRow) -> None:
    change(source, "subset_answers.json", FIRST, answer)
    message = rf"^subset_answers.json: '{FIRST}' expects the number of an option from 0 to 4, got {got}"
    assert bad_row(convert, source, message).num_queries == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("option 4", None, r"^questions.json:2: 'option 4' expects a text, got None"),
        ("question", "", r"^questions.json:2: 'question' expects a text"),
        ("q_uid", "a/b", r"^questions.json:2: 'q_uid' expects a name that any system takes for a file"),
        ("q_uid", THIRD, r"^questions.json:\d+: expects every video once, got '0000"),
    ],
)
def test_a_bad_question(source: Path, key: str, value: Any, message: str, bad_row: BadRow) -> None:
    questions = json.loads((source / "questions.json").read_text())
    questions[0][key] = value
    (source / "questions.json").write_text(json.dumps(questions, indent=1))
    assert bad_row(convert, source, message).num_queries == 1


def test_bad_origins(source: Path, bad_row: BadRow) -> None:
    change(source, "uid_to_ego4d.json", FIRST, {"video_uid": "x", "starting_sec": 9, "ending_sec": 9})
    bad_row(convert, source, r"^uid_to_ego4d.json:2: a video expects to start before it ends, got 9 s to 9 s")


@pytest.mark.parametrize("duration", [0.0, -5.0, float("nan")])
def test_a_duration_that_is_none(source: Path, tmp_path: Path, duration: float) -> None:
    with pytest.raises(UserError, match="egoschema expects a duration above 0 s, got"):
        convert(source, tmp_path / "out", duration=duration)


def test_no_answers_at_all(source: Path, tmp_path: Path) -> None:
    (source / "subset_answers.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"The egoschema layout expects subset_answers.json in .* got none"):
        convert(source, tmp_path / "out")


def test_an_option_that_stands_twice_is_kept_once(source: Path, tmp_path: Path) -> None:
    questions = json.loads((source / "questions.json").read_text())
    questions[0]["option 4"] = questions[0]["option 3"]
    (source / "questions.json").write_text(json.dumps(questions, indent=1))
    report = convert(source, tmp_path / "out")
    assert "1 questions have a choice that stands twice: it is kept once (questions.json:2)." in report.notes
    first = Dataset.load(tmp_path / "out").queries[0]
    assert len(first.choices) == 4 and first.answer == "C does thing 3 of 0."
