"""Writing files so that nobody ever sees half of one; and why some cannot be read."""

import contextlib
import os
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path beside `path`; renames it there when the block ends well, removes it otherwise.

    The file is flushed to disk before the rename, so that a crash leaves the old file or the new one.

    Args:
        path: where the finished file shall be; its folder is made if it is missing.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` is as it was.
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
    """Writes a whole small file through `atomic_path`; text is UTF-8."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


#: What NumPy raises where a file is no array that it can load; a damaged header may even be no Python to it.
NO_ARRAY = (OSError, ValueError, EOFError, OverflowError, SyntaxError, tokenize.TokenError)


def why_no_array(error: Exception) -> str:
    """What NumPy says of a file that it cannot load, but for its advice to trust pickles: none is loaded here."""
    said = str(error)
    return "it holds no array of numbers" if "pickle" in said or "Python objects" in said else said


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
