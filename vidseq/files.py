"""Writes files atomically, and explains why an array file cannot be read."""

import contextlib
import csv
import errno
import io
import itertools
import json
import os
import re
import stat
import tempfile
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: The errors of writing that lie with the place, not with what is written.
NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


#: A name that `atomic_path` gives a file for a while.
_TEMPORARY = re.compile(r"\..+-[a-z0-9_]{8}(\.\w+)?")
#: The end of such a name, if no other process has it at the same time.
_UNFINISHED = "halfdone"


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`; renames it to `path` after the block, or removes it on an
    error.

    The file is flushed to disk before the rename, so that a crash leaves the old file or the new one. What a killed
    process left under the temporary name goes when the same file is written again.

    Args:
        path: path of the finished file; its folder is created if it is missing.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path`, which it names, is unchanged.
    """
    target = Path(path)
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _open_temporary(target)
        if fcntl is None:  # Windows renames no open file
            os.close(handle)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        finally:
            if fcntl is not None:
                os.close(handle)


def _open_temporary(target: Path) -> tuple[int, Path]:
    """Opens an empty file beside a target, locked until it is closed.

    Its name is always the same, so that what a killed process left is overwritten; random if another process writes
    there, or if what lies there is no plain file.
    """
    prefix = f".{target.stem[:40]}-"
    usual = target.with_name(f"{prefix}{_UNFINISHED}{target.suffix}")
    handle = None if fcntl is None else _take(usual)
    if handle is not None:
        return handle, usual
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=target.suffix, dir=target.parent)
    return handle, Path(name)


def _take(path: Path) -> int | None:
    """Opens, empties and locks a file that no other process has; None: it cannot be had."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(handle)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and os.path.samestat(status, path.lstat()):
            os.ftruncate(handle, 0)
            return handle
    except (BlockingIOError, FileNotFoundError):  # another process has it, or has just renamed it
        pass
    except OSError:  # a file system without locks
        path.unlink(missing_ok=True)
    os.close(handle)
    return None


@contextlib.contextmanager
def naming(target: Path) -> Iterator[None]:
    """Makes errors of writing name the file or folder that a user knows, not a temporary one inside."""
    try:
        yield
    except OSError as error:
        # temporary files have absolute names, whatever the user's
        where, place = (real_path(str(path).removeprefix("file:")) for path in (error.filename or target, target))
        inside = where.parent == place.parent or place in where.parents
        if error.errno not in NOT_WRITABLE or not inside:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(target)) from error


def why_not_written(error: OSError) -> str | None:
    """The line about a place that cannot be written, with a way out; None: the error is another."""
    name, reason = error.filename or "A file", error.strerror
    match error.errno:
        case errno.EFBIG:
            return f"{name} cannot be written: {reason} for this disk or account. Name another place for it."
        case errno.ENOSPC | errno.EDQUOT:
            return f"{name} cannot be written: {reason}. Make room, or name another place for it."
        case errno.EROFS if error.filename:
            return f"{name} cannot be written: {reason}. Name another place for it."
        case errno.EACCES | errno.EPERM if error.filename:
            return f"{name}: {reason}. Change its permissions or those of its folder, or name another place."
    return None


def refuse_unwritable(path: Path) -> None:
    """Refuses a place for results that cannot be written, before long work rather than after it.

    Args:
        path: a file or folder to be; what is there of the folders above it counts.

    Raises:
        OSError: nothing can be written there.
    """
    place = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    if not os.access(place, os.W_OK):
        read_only = hasattr(os, "statvfs") and os.statvfs(place).f_flag & os.ST_RDONLY
        reason = errno.EROFS if read_only else errno.EACCES
        raise OSError(reason, os.strerror(reason), str(path))


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files of `atomic_path` that killed processes left in a folder and those below."""
    for path in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def atomic_write(path: Path | str, content: str | bytes) -> None:
    """Writes a small file through `atomic_path`; text is UTF-8."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def real_path(path: Path | str) -> Path:
    """The absolute path without links. Links that lead in a circle stay, where `Path.resolve` may raise."""
    return Path(os.path.realpath(path))


def set_aside(path: Path) -> Path:
    """Renames a file that nothing can make again, so that a new one takes its place: a.part becomes a-1.part.

    Returns:
        its new name.
    """
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(1))
    kept = next(name for name in names if not name.exists())
    path.rename(kept)
    return kept


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The text of a table with commas; None becomes nothing."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def parse_json(text: str) -> Any:
    """Parses JSON of unknown origin.

    Raises:
        ValueError: it is no JSON, or nested so deep that Python cannot read it.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


#: The errors of NumPy for a file that is not a loadable array; a damaged header can cause a syntax error.
NO_ARRAY = (OSError, ValueError, EOFError, OverflowError, SyntaxError, tokenize.TokenError)


def why_no_array(error: Exception) -> str:
    """Returns NumPy's reason why a file cannot be loaded, without its advice to allow pickles."""
    message = str(error)
    return "it holds no array of numbers" if "pickle" in message or "Python objects" in message else message


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
