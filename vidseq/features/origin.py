"""Whether the file that features were made of has been replaced since."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

#: Parts of a file that are compared: so many, of so many bytes, spread evenly from its start to its end.
PARTS, PART_BYTES = 16, 1 << 16


def file_state(path: Path) -> dict[str, object]:
    """Returns what a store notes of a file, to notice that it is replaced: its size, last change and content."""
    found = path.stat()
    return {"bytes": found.st_size, "modified_ns": found.st_mtime_ns, "content": _digest(path, found.st_size)}


def is_replaced(source: Mapping[str, object], path: Path) -> bool:
    """Whether a file differs from the one that features were made of.

    A file that was copied or touched has another time of change and the same content: it was not replaced. Nor was a
    file that is gone. For features whose notes lack the content, only the size is compared.

    Args:
        source: the notes of a store.
        path: the file now.
    """
    if not path.exists():
        return False
    found = path.stat()
    if source.get("bytes") is not None and source["bytes"] != found.st_size:
        return True
    if "content" not in source or source.get("modified_ns") == found.st_mtime_ns:
        return False
    return source["content"] != _digest(path, found.st_size)


def _digest(path: Path, size: int) -> str:
    """Returns a digest of parts of a file; whole files would take as long to read as to decode."""
    digest = hashlib.sha256()
    last = max(0, size - PART_BYTES)
    with path.open("rb") as file:
        for part in range(PARTS):
            file.seek(part * last // (PARTS - 1))
            digest.update(file.read(PART_BYTES))
    return digest.hexdigest()[:32]
