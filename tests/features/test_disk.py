"""Files that do not fit on their disk: the process lives, and says which file it was and why."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vidseq.features.disk import open_mapped, save_array
from vidseq.training import run_folder
from vidseq.training.run_folder import RunFolder

resource = pytest.importorskip("resource")

#: Numbers that fill more than a file may hold.
MANY = 100_000


@pytest.fixture(name="small_files")
def small_files_fixture() -> Iterator[None]:
    """Lets files grow to 50 kB at most."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize(
    "write",
    [lambda path: save_array(path, np.zeros(MANY)), lambda path: open_mapped(path, (MANY,), np.float64)],
    ids=["array", "mapped"],
)
def test_an_array_that_does_not_fit_is_named_with_the_reason(tmp_path: Path, write: Callable[[Path], object]) -> None:
    path = tmp_path / "a.npy"
    with pytest.raises(OSError, match="File too large") as caught:
        write(path)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_as_they_were(tmp_path: Path) -> None:
    wanted = np.arange(60_000, dtype=np.float16).reshape(200, 3, 100)[:, ::2]
    save_array(tmp_path / "a.npy", wanted)
    mapped = open_mapped(tmp_path / "b.npy", wanted.shape, np.float16)
    mapped[:] = wanted
    del mapped
    for name in ("a.npy", "b.npy"):
        assert np.array_equal(np.load(tmp_path / name, mmap_mode="r"), wanted)


def test_training_that_does_not_fit_names_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_files: None
) -> None:
    """Torch says "unexpected pos 704 vs 598", and not as an error of the disk."""
    monkeypatch.setattr(run_folder, "save_model", lambda model, folder: None)
    model = SimpleNamespace(state_dict=lambda: {"weight": torch.zeros(MANY)})
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(OSError, match="File too large") as caught:
        folder.save(model, {}, best=True)  # type: ignore[arg-type]
    assert caught.value.filename == str(folder.progress_file)
