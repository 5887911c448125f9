"""Writing features so that neither a kill, nor a power cut, nor a full disk leaves half a file."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vidseq.errors import UserError
from vidseq.files import atomic_path


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array whole; `open_memmap` would leave zeros that load, if the process were killed.

    Raises:
        OSError: the disk is full, which NumPy's own way of writing to a file would not say.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(_Bytes(file), array, allow_pickle=False)


class _Bytes:
    """A file that is written piece by piece: NumPy counts what it writes to other files, and loses the reason."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def open_mapped(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> np.memmap:
    """Makes an array file to be written through memory, with all of its room.

    Without that, the process would be killed where the disk is full.

    Raises:
        OSError: the disk is full; there is no file.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from None
    return array


def sync_folder(folder: Path) -> None:
    """Makes renames survive a power cut; not every file system offers it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def room_on_disk(folder: Path) -> Iterator[None]:
    """Turns the error of a full disk into one that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise
        raise DiskFullError(
            f"Feature store expects free space in {folder}, got: {error.strerror}. "
            "Free some and run the same command again: finished videos are kept."
        ) from error


class DiskFullError(UserError):
    """No room for features: no video after this one could be written either."""
