import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from vidseq.files import (
    atomic_path,
    atomic_write,
    parse_json,
    refuse_unwritable,
    remove_leftovers,
    set_aside,
    why_no_array,
)


def test_the_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a" / "b.txt", "é")
    assert (tmp_path / "a" / "b.txt").read_text(encoding="utf-8") == "é"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "x.txt"
    atomic_write(target, "old")
    with pytest.raises(type(error)), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("named", [True, False])
def test_an_error_names_the_file_that_the_user_knows(tmp_path: Path, named: bool) -> None:
    target = tmp_path / "x.txt"
    with pytest.raises(OSError, match="No space left on device") as error, atomic_path(target) as temporary:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"file:{temporary}" if named else None)
    assert error.value.filename == str(target)


@pytest.mark.parametrize("place", ["new/deep/rows.csv", "new.html", "."])
def test_a_place_that_cannot_be_written_is_refused_before_work(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_unwritable(tmp_path / place)
    monkeypatch.setattr(os, "access", lambda folder, mode: Path(folder) != tmp_path)
    with pytest.raises(OSError, match="Permission denied") as error:
        refuse_unwritable(tmp_path / place)
    assert error.value.filename == str(tmp_path / place) and not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / ".temporary-1"))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Read-only") as error:
        atomic_write(tmp_path / "x.txt", "text")
    assert error.value.filename == str(tmp_path / "x.txt")


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    missing = tmp_path / "missing.txt"
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"), atomic_path(tmp_path / "x.txt"):
        missing.read_text()


def test_a_long_name_is_written(tmp_path: Path) -> None:
    target = tmp_path / f"{'n' * 250}.txt"
    atomic_write(target, "text")
    assert target.read_text() == "text"


@pytest.mark.parametrize("mapped", [True, False])
def test_nobody_is_told_to_trust_a_pickle(tmp_path: Path, mapped: bool) -> None:
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "objects.npy", np.array([{}]))
    np.save(tmp_path / "torn.npy", np.zeros(9))
    (tmp_path / "torn.npy").write_bytes((tmp_path / "torn.npy").read_bytes()[:-8])
    told = {}
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError) as error:
            np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        told[path.stem] = why_no_array(error.value)
    assert told["text"] == told["objects"] == "it holds no array of numbers" != told["torn"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "{", ""])
def test_json_that_cannot_be_read_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested too deep|Expecting"):
        parse_json(text)
    assert parse_json('{"a": [1]}') == {"a": [1]}


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    kept = [tmp_path / name for name in (".hidden", ".my-notes.txt", "a/model-abcd1234.pt", "a/.b-abcd1234.c.d")]
    for path in kept:
        path.write_text("x")
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "a" / "model.pt") as temporary:
        temporary.write_text("x")
        left = temporary.with_name(f"{temporary.name}")
        copy = left.read_text()
        raise KeyboardInterrupt
    left.write_text(copy)  # as after a kill
    remove_leftovers(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


@pytest.mark.skipif(os.name == "nt", reason="has no locks")
def test_what_a_killed_process_left_goes_when_the_same_file_is_written(tmp_path: Path) -> None:
    """A half-written video of gigabytes must not stay beside the whole one."""
    with atomic_path(tmp_path / "clip.mp4") as temporary:
        temporary.write_text("x")
    temporary.write_text("half")  # as after a kill
    with atomic_path(tmp_path / "clip.mp4") as again:
        assert again == temporary and again.read_bytes() == b""
        again.write_text("whole")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("clip.mp4", "whole")]


def test_two_that_write_one_file_at_the_same_time_share_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with atomic_path(target) as first:
        first.write_text("first")
        with atomic_path(target) as second:
            second.write_text("second")
            assert first != second
        assert target.read_text() == "second"
    assert target.read_text() == "first" and list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name == "nt", reason="has no such links")
@pytest.mark.parametrize("plant", [os.symlink, os.link])
def test_a_link_in_place_of_the_temporary_file_is_not_followed(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    plant(precious, temporary)
    atomic_write(tmp_path / "a.txt", "y")
    assert precious.read_text() == "mine" and (tmp_path / "a.txt").read_text() == "y"


def test_a_file_is_set_aside_under_a_free_name(tmp_path: Path) -> None:
    names = []
    for text in "ab":
        (tmp_path / "x.part.mp4").write_text(text)
        names.append(set_aside(tmp_path / "x.part.mp4"))
    assert [(path.name, path.read_text()) for path in names] == [("x.part-1.mp4", "a"), ("x.part-2.mp4", "b")]


def test_a_full_disk_names_a_relative_path_as_the_user_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="No space left") as caught, atomic_path("small/seen.mp4") as temporary:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"file:{temporary}")
    assert caught.value.filename == str(Path("small/seen.mp4"))
