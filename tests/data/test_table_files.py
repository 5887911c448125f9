"""A data set is the old one or the new one, whenever the writer is stopped."""

import os
from pathlib import Path

import pytest

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset, refuse_tables, write_dataset
from vidseq.data.format import DATASET_FILES
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import UserError


def write(folder: Path, label: str) -> None:
    """Writes a data set whose every file names a label."""
    write_dataset(
        folder,
        DatasetInfo(name=label, labels={"action": (label,), "answer": (label,)}),
        [Video(video=label, split="train", duration=4)],
        [Segment(video=label, start=0, end=4, label=label)],
        [Query(video=label, time=4, kind="question", question="Which?", answer=label)],
    )


def labels_of(folder: Path) -> set[str]:
    """The labels that a data set names anywhere: one, if its files belong together."""
    found = Dataset.load(folder)
    rows = {item.video for item in (*found.segments, *found.queries)}
    return {found.info.name, *found.videos, *found.action_labels, *found.answer_labels, *rows}


class Stopped(BaseException):
    """Stops a writer where nothing cleans up after it."""


def stop_before_move(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Stops the writer before so many files of the new data set are in their places."""
    moved, replace = iter(range(number)), Path.replace

    def guarded(path: Path, target: Path) -> Path:
        if path.parent.name == ".written" and next(moved, None) is None:
            raise Stopped
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", guarded)


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("number", range(len(DATASET_FILES)))
def test_a_writer_that_is_stopped_between_two_files_leaves_the_new_data_set(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "old")
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(Stopped):
        stop_before_move(monkeypatch, number)
        write(tmp_path, "new")
    assert labels_of(tmp_path) == {"new"}
    assert files_of(tmp_path) == sorted(DATASET_FILES)
    note = f"vidseq: the data set in '{tmp_path}', whose writing was stopped, is whole now.\n"
    assert capsys.readouterr().err == note
    assert labels_of(tmp_path) == {"new"} and capsys.readouterr().err == ""


def test_a_writer_that_is_stopped_before_leaves_the_old_data_set(tmp_path: Path) -> None:
    write(tmp_path, "old")
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(Stopped):
        monkeypatch.setattr("vidseq.data.dataset.read_dataset", _stop)
        write(tmp_path, "new")
    assert labels_of(tmp_path) == {"old"} and files_of(tmp_path) == sorted(DATASET_FILES)


def test_another_data_set_may_be_written_over_a_stopped_one(tmp_path: Path) -> None:
    write(tmp_path, "old")
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(Stopped):
        stop_before_move(monkeypatch, 1)
        write(tmp_path, "new")
    write(tmp_path, "newest")
    assert labels_of(tmp_path) == {"newest"} and files_of(tmp_path) == sorted(DATASET_FILES)


def test_a_folder_that_cannot_be_written_is_read_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "old")
    with pytest.MonkeyPatch.context() as stopping, pytest.raises(Stopped):
        stop_before_move(stopping, 2)
        write(tmp_path, "new")
    monkeypatch.setattr(Path, "replace", _refuse)
    assert labels_of(tmp_path) == {"new"}
    assert check_dataset(tmp_path, videos=False) == []
    assert ".written" in files_of(tmp_path)


def test_a_first_writer_that_is_stopped_leaves_a_data_set_that_counts_as_one(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(Stopped):
        stop_before_move(monkeypatch, 0)
        write(tmp_path, "new")
    with pytest.raises(UserError, match="A data set expects"):
        refuse_tables(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links want rights there")
def test_links_to_files_of_others_are_left_alone(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    write(mine, "mine")
    write(theirs, "theirs")
    (theirs / ".written").symlink_to(mine)
    assert labels_of(theirs) == {"theirs"} and files_of(mine) == sorted(DATASET_FILES)
    with pytest.raises(UserError, match=r"got something else\. Remove it"):
        write(theirs, "new")
    assert labels_of(theirs) == {"theirs"} and labels_of(mine) == {"mine"}


def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, "old")
    (tmp_path / "segments.csv").unlink()
    (tmp_path / "segments.csv").mkdir()
    before = {name: (tmp_path / name).read_bytes() for name in ("dataset.json", "videos.jsonl", "queries.jsonl")}
    with pytest.raises(UserError, match=r"segments\.csv', got something else\. Remove it\."):
        write(tmp_path, "new")
    assert before == {name: (tmp_path / name).read_bytes() for name in before}


def _stop(*args: object) -> None:
    raise Stopped


def _refuse(*args: object) -> None:
    raise PermissionError(13, "Permission denied")
