"""Writes files atomically, and explains why an array file cannot be read."""

import contextlib
import os
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`; renames it to `path` after the block, or removes it on an
    error.

    The file is flushed to disk before the rename, so that a crash leaves the old file or the new one.

    Args:
        path: path of the finished file; its folder is created if it is missing.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` is unchanged.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: Path | str, content: str | bytes) -> None:
    """Writes a small file through `atomic_path`; text is UTF-8."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


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
