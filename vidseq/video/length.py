"""Reads the length that a file states, to detect truncated files."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

EBML_HEADER = bytes.fromhex("1a45dfa3")
EBML_SEGMENT = bytes.fromhex("18538067")


def promised_bytes(path: Path) -> int | None:
    """Reads the number of bytes that a file should have from its structure.

    Args:
        path: a file; mp4, mov, Matroska, WebM and AVI state their length.

    Returns:
        number of bytes; None if the file does not state it.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == EBML_HEADER:
            return _matroska_bytes(file)
        if head[:4] == b"RIFF":
            return int.from_bytes(head[4:8], "little") + 8
    boxes = list(mp4_boxes(path))
    return boxes[-1][1] if boxes and boxes[0][0] == b"ftyp" else None


def mp4_boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yields the outermost boxes of an mp4 or mov file.

    Yields:
        the name of a box, and the byte at which it should end, which is after the end of a truncated file.
    """
    length = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + 8 <= length:
            file.seek(at)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            elif size == 0:
                size = length - at
            if size < 8:
                return
            at += size
            yield head[4:8], at


def _matroska_bytes(file: BinaryIO) -> int | None:
    file.seek(4)
    header = _ebml_number(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(4) != EBML_SEGMENT:
        return None
    segment = _ebml_number(file)
    return None if segment is None else file.tell() + segment


def _ebml_number(file: BinaryIO) -> int | None:
    """Reads a number of 1 to 8 bytes, whose count is in the leading zero bits; None if all bits are ones (unknown)."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + file.read(more), "big")
    return None if value == (1 << 7 * (more + 1)) - 1 else value
