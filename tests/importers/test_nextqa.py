import json
from collections.abc import Callable
from pathlib import Path

import pytest
from layouts import write_nextqa

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.nextqa import convert

BadRow = Callable[..., ConversionReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_nextqa(tmp_path)
    return tmp_path


def test_everything_arrives(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out")
    assert report.notes == (
        "durations are numbers of frames divided by 30; the videos' own rates differ.",
        "the evidence of 1 questions goes on after their video: it was cut to it.",
    )
    dataset = Dataset.load(tmp_path / "out")
    how, why = dataset.queries_of("4010069381")
    assert (how.question, how.answer) == ("how do the two man play the instrument", "roll the handle")
    assert how.choices == ("roll the handle", "tap their feet", "strum the string", "hit with sticks", "pat with hand")
    assert (how.time, how.family, how.evidence) == (12.3, "CH", ())
    assert (why.question, why.answer) == ("why, near the end, did the man turn", "follow her")
    (grounded,) = dataset.queries_of("10001787725")
    assert (grounded.answer, grounded.time) == ("drink", 34.0)
    assert grounded.evidence == ((1.2, 5.8), (30.0, 34.0)) and grounded.reach_seconds == pytest.approx(32.8)
    assert [video.split for video in dataset.videos.values()] == ["train", "val"]


def test_next_gqa_names_answers(source: Path, tmp_path: Path) -> None:
    path = source / "train.csv"
    text = path.read_text().replace("video,", "video_id,")
    path.write_text(text.replace("nt,0,", "nt,pat with hand,").replace("3,2,CW", "fall,2,CW"))
    convert(source, tmp_path / "out", fps="30000/1001")
    first, second = Dataset.load(tmp_path / "out").queries_of("4010069381")
    assert (first.answer, second.answer, first.time) == ("pat with hand", "fall", 12.312)


def test_a_choice_that_is_a_number_is_not_its_place(source: Path, tmp_path: Path) -> None:
    path = source / "val.csv"
    path.write_text(path.read_text().replace("cry,run,drink,sleep,wave", "2,3,1,5,7"))
    convert(source, tmp_path / "out")
    assert Dataset.load(tmp_path / "out").queries_of("10001787725")[0].answer == "1"


def test_copies_stand_once(source: Path, tmp_path: Path) -> None:
    path = source / "train.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[2] + "\n")
    report = convert(source, tmp_path / "out")
    assert "1 questions are exact copies of others and are left out." in report.notes and report.num_queries == 3
    assert check_dataset(tmp_path / "out") == []


def test_an_answer_that_is_no_choice(source: Path, bad_row: BadRow) -> None:
    path = source / "train.csv"
    text = path.read_text().replace("video,", "video_id,")
    path.write_text(text.replace("nt,0,", "nt,fall,").replace("3,2,CW", "fall,2,CW"))
    message = r"^train.csv:2: 'answer' expects one of the choices \['roll the handle', .* got 'fall'"
    assert bad_row(convert, source, message).num_queries == 2


def test_videos_in_folders_of_their_own(source: Path, tmp_path: Path, clip: bytes, bad_row: BadRow) -> None:
    """As in NExTVideo/1164/4010069381.mp4."""
    (tmp_path / "NExTVideo" / "1164").mkdir(parents=True)
    (tmp_path / "NExTVideo" / "1164" / "4010069381.mp4").write_bytes(clip)
    message = r"^val.csv:2: expects one video file '10001787725' in .*NExTVideo, got none"
    report = bad_row(convert, source, message, videos=tmp_path / "NExTVideo")
    assert report.notes == ("1 questions belong to videos that were skipped, and are skipped too.",)
    assert {query.time for query in Dataset.load(tmp_path / "skipped").queries} == {0.5}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "instrument,0,",
            "instrument,5,",
            r"^train.csv:2: 'answer' expects the number of a choice from 0 to 4, got '5'",
        ),
        (
            "instrument,0,",
            "instrument,,",
            r"^train.csv:2: 'answer' expects the number of a choice from 0 to 4, got ''",
        ),
        ("tap their feet", "", r"^train.csv:2: 'a1' expects a text, got ''"),
        (",6,CH,", ",6,,", r"^train.csv:2: 'type' expects a text"),
        (
            "4010069381,369,640,480,how",
            "4010069381,nan,640,480,how",
            r"'frame_count' expects a whole number, got 'nan'",
        ),
        ("pat with hand", "pat with hand,more", r"^train.csv:2: a row expects 13 values"),
    ],
)
def test_a_bad_row(source: Path, old: str, new: str, message: str, bad_row: BadRow) -> None:
    path = source / "train.csv"
    path.write_text(path.read_text().replace(old, new))
    assert bad_row(convert, source, message).num_queries == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"location": {"1": [[5.8, 1.2]]}, "duration": 34},
            r"^gsub_val.json:1: location: '1' expects \[\[start, end\]",
        ),
        ({"location": [], "duration": 34}, r"^gsub_val.json:1: 'location' expects an object such as"),
        ({"location": {}, "duration": None}, r"^gsub_val.json:1: 'duration' expects seconds"),
    ],
)
def test_bad_evidence(source: Path, row: dict[str, object], message: str, bad_row: BadRow) -> None:
    (source / "gsub_val.json").write_text(json.dumps({"10001787725": row}))
    report = bad_row(convert, source, message)
    assert report.num_queries == 3  # the question still stands, without evidence


def test_a_video_without_frames(source: Path, bad_row: BadRow) -> None:
    path = source / "train.csv"
    path.write_text(path.read_text().replace("4010069381,369", "4010069381,0"))
    message = r"^train.csv:2: '4010069381' expects a duration, or an action that ends; got neither"
    assert bad_row(convert, source, message).num_queries == 1


def test_a_choice_that_stands_twice_is_kept_once(source: Path, tmp_path: Path) -> None:
    """The published files have such rows; the number of the right choice counts all five."""
    path = source / "train.csv"
    path.write_text(
        path.read_text().replace("instrument,0,", "instrument,4,").replace("tap their feet", "pat with  hand")
    )
    report = convert(source, tmp_path / "out")
    assert "1 questions have a choice that stands twice: it is kept once (train.csv:2)." in report.notes
    how = Dataset.load(tmp_path / "out").queries_of("4010069381")[0]
    assert how.choices == ("roll the handle", "pat with hand", "strum the string", "hit with sticks")
    assert how.answer == "pat with hand" and report.num_queries == 3 and check_dataset(tmp_path / "out") == []


def test_files_of_windows_are_read_alike(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "plain")
    for path in source.glob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    convert(source, tmp_path / "out")
    assert Dataset.load(tmp_path / "out").queries == Dataset.load(tmp_path / "plain").queries
