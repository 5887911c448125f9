"""The files of a data set: new ones take the place of the old ones all at once, whenever the writer is stopped."""

import contextlib
import sys
from pathlib import Path

from vidseq.data.format import DATASET_FILES
from vidseq.errors import UserError

#: Holds new files until all are in their places. To have it is to be written: what is in it counts in their place.
WRITTEN = ".written"


def replace_tables(finished: Path, folder: Path) -> None:
    """Puts the files of a folder in the place of a data set's.

    Args:
        finished: a folder in `folder`, which holds all of `DATASET_FILES`; it goes.
        folder: of the data set.

    Raises:
        UserError: a folder has the name of a file; nothing is replaced.
        OSError: a file cannot be replaced; `table_of` finds the new ones all the same.
    """
    for name in (WRITTEN, *DATASET_FILES):
        path = folder / name
        if path.is_symlink() if name == WRITTEN else path.is_dir():
            raise UserError(f"A data set expects a file of its own at '{path}', got something else. Remove it.")
    _settle(folder)
    finished.rename(folder / WRITTEN)
    _settle(folder)


def settle_tables(folder: Path) -> None:
    """Ends what a writer that was stopped began, where the folder can be written."""
    with contextlib.suppress(OSError):
        if _settle(folder):
            print(f"vidseq: the data set in '{folder}', whose writing was stopped, is whole now.", file=sys.stderr)


def table_of(folder: Path, name: str) -> Path:
    """The file that holds a table of a data set, whether or not it exists: a new one that is not in its place yet, or
    the one in its place.
    """
    waiting = _waiting(folder).get(name)
    return folder / name if waiting is None else waiting


def _waiting(folder: Path) -> dict[str, Path]:
    """The files that wait for their places; links may be anyone's, so none is followed."""
    written = folder / WRITTEN
    if written.is_symlink() or not written.is_dir():
        return {}
    paths = {name: written / name for name in DATASET_FILES}
    return {name: path for name, path in paths.items() if path.is_file() and not path.is_symlink()}


def _settle(folder: Path) -> int:
    """Moves the files that wait to their places, and returns how many did."""
    waiting = _waiting(folder)
    for name, path in waiting.items():
        with contextlib.suppress(FileNotFoundError):  # another process has moved it
            path.replace(folder / name)
    if (folder / WRITTEN).is_dir() and not (folder / WRITTEN).is_symlink():
        with contextlib.suppress(FileNotFoundError):
            (folder / WRITTEN).rmdir()
    return len(waiting)
