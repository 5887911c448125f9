import errno
from pathlib import Path

import numpy as np
import pytest

from vidseq.files import atomic_path, atomic_write, why_no_array


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
