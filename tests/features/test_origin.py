"""A file that was replaced is noticed, and one that was copied or touched is not taken for another."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.features.origin import PART_BYTES, PARTS, file_state, is_replaced


def test_another_content_of_the_same_size_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(b"a" * 1000)
    state = file_state(path)
    assert not is_replaced(state, path)
    path.write_bytes(b"b" * 1000)
    os.utime(path, ns=(0, state["modified_ns"] + 1))
    assert is_replaced(state, path)
    path.write_bytes(b"a" * 999)
    assert is_replaced(state, path)


def test_a_copy_and_a_touched_file_are_the_same(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.avi", tmp_path / "b.avi"
    path.write_bytes(bytes(range(256)) * 20)
    state = file_state(path)
    shutil.copyfile(path, copy)
    os.utime(copy, ns=(0, 5))
    assert not is_replaced(state, copy)
    path.unlink()
    assert not is_replaced(state, path)


def test_older_notes_have_the_size_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(b"abc")
    assert not is_replaced({"bytes": 3}, path) and not is_replaced({}, path)
    assert is_replaced({"bytes": 4}, path)


@settings(max_examples=15, deadline=None)
@given(size=st.integers(PART_BYTES, 2 * PARTS * PART_BYTES), at=st.sampled_from([0.0, 1.0]))
def test_the_start_and_the_end_of_a_file_count(size: int, at: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("file") / "a"
    path.write_bytes(bytes(size))
    state = file_state(path)
    with path.open("r+b") as file:
        file.seek(round(at * (size - 1)))
        file.write(b"x")
    os.utime(path, ns=(0, 7))
    assert is_replaced(state, path)
