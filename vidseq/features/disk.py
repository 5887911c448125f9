"""Writing features so that neither a kill, nor a power cut, nor a full disk leaves half a file."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidseq.errors import UserError
from vidseq.files import atomic_path


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array whole; `open_memmap` would leave zeros that load, if the process were killed."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


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
