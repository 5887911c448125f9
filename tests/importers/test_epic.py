import os
from pathlib import Path

import pytest

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.importers.epic import convert, parse_timestamp

HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,"
    "stop_frame,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
)


def official_row(number: int, video: str, start: str, stop: str, verb: int, noun: int) -> str:
    person = video[:3]
    return (
        f'{video}_{number},{person},{video},00:00:00.1,{start},{stop},1,2,"take plate, cup",take,{verb},plate,{noun},'
        "\"['plate', 'cup']\",\"[2, 3]\"\n"
    )


@pytest.fixture
def official(tmp_path: Path) -> Path:
    folder = tmp_path / "official"
    folder.mkdir()
    (folder / "EPIC_100_train.csv").write_text(
        HEADER
        + official_row(0, "P01_01", "00:00:00.14", "00:00:03.37", 1, 1)
        + official_row(1, "P01_01", "00:00:02.50", "00:01:04.00", 0, 1)
    )
    (folder / "EPIC_100_validation.csv").write_text(
        HEADER + official_row(0, "P02_11", "00:00:01.5", "01:00:02.45", 1, 0)
    )
    (folder / "EPIC_100_verb_classes.csv").write_text(
        "id,key,instances,category\n1,put-down,\"['put']\",leave\n0,take,,\n"
    )
    (folder / "EPIC_100_noun_classes.csv").write_text("id,key,instances,category\n0,tap,,\n1,wrap:plastic,,\n")
    return folder


@pytest.fixture
def short(tmp_path: Path) -> Path:
    folder = tmp_path / "short"
    folder.mkdir()
    (folder / "training.csv").write_text("P01_01_0,P01_01,4,101,3,3,1\nP01_01_1,P01_01,131,185,6,114,0\n")
    (folder / "validation.csv").write_text("P01_11_0,P01_11,1,56,3,3,1\n")
    (folder / "actions.csv").write_text("id,verb,noun,action\n0,6,114,turn-on light\n1,3,3,open cupboard\n")
    return folder


def test_official(official: Path, tmp_path: Path) -> None:
    report = convert(official, tmp_path / "out")
    assert (report.num_videos, report.num_segments) == (2, 3)
    assert report.notes == ("2 videos have no duration: each ends with its last action.",)
    dataset = Dataset.load(tmp_path / "out")
    assert [(item.start, item.end, item.label) for item in dataset.segments] == [
        (0.14, 3.37, "put-down wrap:plastic"),
        (2.5, 64.0, "take wrap:plastic"),
        (1.5, 3602.45, "put-down tap"),
    ]
    assert dataset.action_labels == ("take wrap:plastic", "put-down tap", "put-down wrap:plastic")
    assert {video.video: (video.split, video.duration) for video in dataset.videos.values()} == {
        "P01_01": ("train", 64.0),
        "P02_11": ("val", 3602.45),
    }
    assert check_dataset(tmp_path / "out") == []


@pytest.mark.parametrize(("kind", "classes"), [("verb", ("take", "put-down")), ("noun", ("tap", "wrap:plastic"))])
def test_verbs_and_nouns(official: Path, tmp_path: Path, kind: str, classes: tuple[str, ...]) -> None:
    convert(official, tmp_path / "out", labels=kind)
    assert Dataset.load(tmp_path / "out").action_labels == classes


def test_short(short: Path, tmp_path: Path) -> None:
    convert(short, tmp_path / "out")
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.action_labels == ("turn-on light", "open cupboard")
    assert [(item.start, item.end, item.label) for item in dataset.segments_of("P01_01")] == [
        (0.133, 3.367, "open cupboard"),
        (4.367, 6.167, "turn-on light"),
    ]
    assert dataset.group_of("P01_11") == "P01_11"
    convert(short, tmp_path / "out", group="participant", fps=60)
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.segments[0].end == 1.683
    assert dataset.shared_groups() == {"P01": ["train", "val"]}
    assert "group 'P01' is in train, val" in check_dataset(tmp_path / "out")[0]


def test_durations_where_they_are_known(short: Path, tmp_path: Path) -> None:
    (short / "EPIC_100_video_info.csv").write_text(
        "video_id,duration,fps,resolution\nP01_01,1652.15,59.94005994005994,1920x1080\nP01_11,1.0,50.0,1920x1080\n"
    )
    report = convert(short, tmp_path / "out")
    assert report.notes == ("1 actions end after their video, by up to 0.867 s: they were cut to it.",)
    videos = Dataset.load(tmp_path / "out").videos
    assert videos["P01_11"].duration == 1.0
    assert videos["P01_01"].duration == 1652.15 and round(float(videos["P01_01"].fps), 3) == 59.94


def test_one_split_alone(short: Path, official: Path, tmp_path: Path) -> None:
    (official / "EPIC_100_train.csv").unlink()
    report = convert(official, tmp_path / "out")
    assert "annotations of EPIC_100_validation.csv alone." in report.notes
    (official / "training.csv").write_text("P01_01_0,P01_01,4,101,0,0,1\n")
    assert convert(official, tmp_path / "out").num_segments == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "P01_01_1,P01_01,185,185,6,114,0",
            r"^training.csv:2: an action expects to start before it ends, got 6.167 s to",
        ),
        ("P01_01_1,P01_01,x,185,6,114,0", r"^training.csv:2: 'start_frame' expects a frame number, got 'x'"),
        ("P01_01_1,P01_01,131,-5,6,114,0", r"^training.csv:2: 'end_frame' expects a frame number, got '-5'"),
        (
            "P01_01_1,P01_01,131,185,6,115,0",
            r"^training.csv:2: expects a verb and a noun of actions.csv, got 6 and 115",
        ),
        ("P01_01_1,P01_01,131,185,-1,114,0", r"^training.csv:2: 'verb' expects the number of a class, got '-1'"),
        (
            "P01_01_1,P01/01,131,185,6,114,0",
            r"^training.csv:2: 'video' expects a name that any system takes",
        ),
        ("P01_01_1,P01_01,131,185", r"^training.csv:2: a row expects 7 values .* got 4"),
    ],
)
def test_bad_rows(short: Path, tmp_path: Path, row: str, message: str) -> None:
    (short / "training.csv").write_text(f"P01_01_0,P01_01,4,101,3,3,1\n{row}\n")
    with pytest.raises(DataError, match=message):
        convert(short, tmp_path / "out")
    report = convert(short, tmp_path / "out", skip_bad=True)
    assert len(report.skipped) == 1 and report.num_segments == 2


@pytest.mark.parametrize(
    ("start", "verb", "message"),
    [
        ("00:00", 1, r"^EPIC_100_train.csv:2: 'start_timestamp' expects a time such as 00:01:02.50, got '00:00'"),
        ("00:61:00.0", 1, r"'start_timestamp' expects a time such as"),
        ("00:00:00.1", 7, r"^EPIC_100_train.csv:2: 'verb_class' expects a class from 0 to 1, got 7"),
    ],
)
def test_bad_official_rows(official: Path, tmp_path: Path, start: str, verb: int, message: str) -> None:
    (official / "EPIC_100_train.csv").write_text(HEADER + official_row(0, "P01_01", start, "00:01:04.00", verb, 1))
    with pytest.raises(DataError, match=message):
        convert(official, tmp_path / "out")


def test_header_that_lacks_a_column(official: Path, tmp_path: Path) -> None:
    path = official / "EPIC_100_train.csv"
    path.write_text(path.read_text().replace("stop_timestamp", "end_timestamp"))
    with pytest.raises(DataError, match=r"^EPIC_100_train.csv:1: column 'stop_timestamp' is missing"):
        convert(official, tmp_path / "out")


@pytest.mark.parametrize(("name", "key"), [("actions.csv", "action"), ("EPIC_100_verb_classes.csv", "key")])
def test_a_class_named_twice(short: Path, official: Path, tmp_path: Path, name: str, key: str) -> None:
    source = short if key == "action" else official
    path = source / name
    text = path.read_text().replace("open cupboard", "turn-on light").replace("put-down", "take")
    path.write_text(text)
    with pytest.raises(DataError, match=rf"^{name}:3: '{key}' expects every name once, got '.*' again"):
        convert(source, tmp_path / "out")


def test_files_without_a_row(short: Path, tmp_path: Path) -> None:
    (short / "training.csv").write_text("")
    (short / "validation.csv").write_text("\n")
    with pytest.raises(DataError, match="The source expects at least one video, got none"):
        convert(short, tmp_path / "out", skip_bad=True)


def test_video_in_two_splits(short: Path, tmp_path: Path) -> None:
    (short / "validation.csv").write_text("P01_01_2,P01_01,1,56,3,3,1\n")
    with pytest.raises(DataError, match=r"A video expects one split, got 'P01_01' in train and val"):
        convert(short, tmp_path / "out")


def test_missing_files_and_bad_options(official: Path, short: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"The epic layout expects one of EPIC_100_train.csv, training.csv,"):
        convert(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match=r"Unknown label 'verbs'. Did you mean 'verb'\?"):
        convert(short, tmp_path / "out", labels="verbs")
    with pytest.raises(UserError, match=r"Unknown group 'person'. Did you mean|Unknown group 'person'. Known groups"):
        convert(short, tmp_path / "out", group="person")


def test_timestamps() -> None:
    assert parse_timestamp("01:02:03.45") == 3723.45
    for bad in ("1:2", "00:60:00", "00:00:60", "a:b:c", "-1:00:00", "00:00:nan"):
        with pytest.raises(ValueError):
            parse_timestamp(bad)


@pytest.mark.real_data
@pytest.mark.skipif("VIDSEQ_DATA" not in os.environ, reason="VIDSEQ_DATA names no folder of real data")
def test_real_data(tmp_path: Path) -> None:
    report = convert(Path(os.environ["VIDSEQ_DATA"]) / "epic_kitchens_100", tmp_path)
    assert (report.num_videos, report.num_segments, report.skipped) == (633, 67_217 + 9_668, ())
    dataset = Dataset.load(tmp_path)
    assert [len(dataset.split(name)) for name in ("train", "val", "test")] == [495, 138, 0]
    assert len(dataset.action_labels) == 3806
    assert len(dataset.next_action_queries(1.0)) == 76_763


def test_without_lists_classes_are_named_by_their_numbers(official: Path, tmp_path: Path) -> None:
    (official / "EPIC_100_verb_classes.csv").unlink()
    report = convert(official, tmp_path / "out")
    assert "there is no EPIC_100_verb_classes.csv: a verb is named by its number, such as 'verb 3'." in report.notes
    assert Dataset.load(tmp_path / "out").action_labels == (
        "verb 0 wrap:plastic", "verb 1 tap", "verb 1 wrap:plastic",
    )  # fmt: skip
    convert(official, tmp_path / "verbs", labels="verb")
    assert Dataset.load(tmp_path / "verbs").action_labels == ("verb 0", "verb 1")


def test_a_header_in_a_short_file_is_no_action(short: Path, tmp_path: Path) -> None:
    convert(short, tmp_path / "plain")
    path = short / "training.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid,video,start_frame,end_frame,verb,noun,action\r\n"
        + path.read_bytes().replace(b"\n", b"\r\n")
        + b"\r\n"
    )
    convert(short, tmp_path / "out")
    assert Dataset.load(tmp_path / "out").segments == Dataset.load(tmp_path / "plain").segments


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """The short files of a data set whose splits are of actions, as those of EGTEA are."""
    folder = tmp_path / "egtea"
    folder.mkdir()
    (folder / "training1.csv").write_text("2,OP7-R01-Pasta,31,61,2,3,1\n7,P15-R02-Salad,1,31,0,0,0\n")
    (folder / "validation1.csv").write_text("9,OP7-R01-Pasta,91,121,0,0,0\n11,P03-R01-Soup,1,16,2,3,1\n")
    (folder / "training2.csv").write_text("9,OP7-R01-Pasta,91,121,0,0,0\n")
    (folder / "validation2.csv").write_text("2,P99-R01-Pasta,31,61,2,3,1\n")
    (folder / "actions.csv").write_text("0, 0_0, Read/See_recipe\n1, 2_3, Take_eating:utensil\n")
    return folder


def test_splits_of_actions_are_read_whole(numbered: Path, tmp_path: Path) -> None:
    report = convert(numbered, tmp_path / "out", fps=30)
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.action_labels == ("Read/See_recipe", "Take_eating:utensil")
    assert [(item.video, item.start, item.label) for item in dataset.segments] == [
        ("OP7-R01-Pasta", 1.033, "Take_eating:utensil"),
        ("P15-R02-Salad", 0.033, "Read/See_recipe"),
        ("OP7-R01-Pasta__val", 3.033, "Read/See_recipe"),
        ("P03-R01-Soup", 0.033, "Take_eating:utensil"),
    ]
    assert dataset.videos["OP7-R01-Pasta__val"].split == "val"
    assert dataset.shared_groups() == {"OP7-R01-Pasta": ["train", "val"]}
    assert (
        "1 videos have actions in both splits: those of validation stand as 'OP7-R01-Pasta__val' and so on."
        in report.notes
    )
    convert(numbered, tmp_path / "people", group="participant")
    assert Dataset.load(tmp_path / "people").group_of("P15-R02-Salad") == "P15"
    convert(numbered, tmp_path / "second", split=2)
    assert list(Dataset.load(tmp_path / "second").videos) == ["OP7-R01-Pasta", "P99-R01-Pasta"]
