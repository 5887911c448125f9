from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import write_charades

from vidseq.data.dataset import Dataset
from vidseq.data.examples import frame_labels_of
from vidseq.errors import DataError, UserError
from vidseq.importers.charades import convert
from vidseq.importers.conversion import ConversionReport

BadRow = Callable[..., ConversionReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_charades(tmp_path)
    return tmp_path


def test_everything_arrives_and_actions_overlap(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out")
    assert report.notes == ("1 actions end after their video, by up to 0.300 s: they were cut to it.",)
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.action_labels == ("Holding some clothes", "Closing a window", "Standing on something")
    assert [(item.start, item.end, item.label) for item in dataset.segments_of("46GP8")] == [
        (0.0, 12.6, "Standing on something"),
        (11.9, 21.2, "Closing a window"),
    ]
    labels = frame_labels_of(dataset.segments_of("46GP8"), np.array([11.0, 12.0, 13.0]), dataset.action_labels)
    assert labels.tolist() == [2, 1, 1]
    assert dataset.segments_of("N11GT") == [] and dataset.group_of("46GP8") == "HR43"
    assert [video.split for video in dataset.videos.values()] == ["train", "train", "test"]
    convert(source / "Charades_v1_test.csv", tmp_path / "one", group="video")
    one = Dataset.load(tmp_path / "one")
    assert list(one.videos) == ["YSKX3"] and one.group_of("YSKX3") == "YSKX3"


def test_a_subject_in_both_files_is_told(source: Path, tmp_path: Path) -> None:
    path = source / "Charades_v1_test.csv"
    path.write_text(path.read_text().replace("TPT3", "HR43"))
    assert convert(source, tmp_path / "out").notes[-1] == "the splits share 1 groups: HR43."


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ("c000 nan 3.00", r"train.csv:3: action 'c000 nan 3.00': 'start' expects seconds.* got 'nan'"),
        ("c000 3.00 2.00", r"train.csv:3: an action expects to start before it ends, got 3.000 s to 2.000 s"),
        ("c000 3.00", r"train.csv:3: 'actions' expects actions such as 'c092 11.90 21.20', got 'c000 3.00'"),
        ("c093 1 2", r"'actions' expects a class of Charades_v1_classes.txt, got 'c093'. Did you mean 'c092'\?"),
    ],
)
def test_a_bad_action(source: Path, actions: str, message: str, bad_row: BadRow) -> None:
    path = source / "Charades_v1_train.csv"
    path.write_text(path.read_text().replace("One.;Two.,,", f"One.;Two.,c147 1.00 2.00;{actions},"))
    report = bad_row(convert, source, message)
    assert (report.num_videos, report.num_segments) == (3, 4)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "18.33",
            "",
            r"train.csv:3: 'length' expects seconds such as 63.5, a finite number that is not negative, got ''",
        ),
        ("18.33", "nan", r"train.csv:3: 'length' expects seconds"),
        ("N11GT", "46GP8", r"train.csv:3: expects every video once, got '46GP8' as in Charades_v1_train.csv:2"),
        ("N11GT,0KZ7", "N11GT,", r"train.csv:3: 'subject' expects a text, got ''"),
        ("N11GT", "N/11", r"train.csv:3: 'id' expects a name that any system takes for a file"),
        (",18.33", ",18.33,9", r"train.csv:3: a row expects 11 values"),
    ],
)
def test_a_bad_video(source: Path, old: str, new: str, message: str, bad_row: BadRow) -> None:
    path = source / "Charades_v1_train.csv"
    path.write_text(path.read_text().replace(old, new))
    assert bad_row(convert, source, message).num_videos == 2


def test_a_video_in_both_files(source: Path, bad_row: BadRow) -> None:
    path = source / "Charades_v1_test.csv"
    path.write_text(path.read_text().replace("YSKX3", "N11GT"))
    message = r"test.csv:2: A video expects one split, got 'N11GT' in train and test"
    assert bad_row(convert, source, message).num_videos == 2


def test_classes_and_options(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Unknown group 'subjects'. Did you mean 'subject'\?"):
        convert(source, tmp_path / "out", group="subjects")
    classes = source / "Charades_v1_classes.txt"
    for text, line in (("c000 Sit\nc000 Stand\n", 2), ("c000 Sit\nc001 Sit\n", 2), ("c000\n", 1)):
        classes.write_text(text)
        with pytest.raises(DataError, match=rf"Charades_v1_classes.txt:{line}: expects a new class such as"):
            convert(source, tmp_path / "out")
    classes.unlink()
    with pytest.raises(FileNotFoundError, match=r"The charades layout expects Charades_v1_classes.txt in .* got none"):
        convert(source, tmp_path / "out")


def test_an_action_after_its_video_is_noted(source: Path, tmp_path: Path) -> None:
    path = source / "Charades_v1_train.csv"
    path.write_text(path.read_text().replace("One.;Two.,,", "One.;Two.,c147 1.00 2.00;c000 20.00 21.00,"))
    report = convert(source, tmp_path / "out")
    assert "1 actions cover no frame and are left out: " in "".join(report.notes) and not report.skipped
