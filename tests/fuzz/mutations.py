"""Damages valid files, as transfers, editors and strangers do, and watches what a reader does with them."""

import contextlib
import os
import random
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from vidseq.errors import UserError

#: What a reader may raise: an error in one line for the user.
ALLOWED = (UserError, FileNotFoundError)
#: No input of a few kilobytes may take longer, in seconds.
MAX_SECONDS = 20
#: Pieces that readers stumble over.
PIECES = (
    *(b"NaN", b"Infinity", b"-1", b"1e999", b"1e-999", b"99999999999999999999999", b"0", b"-0.0", b"0x10", b"1_000"),
    *(b"null", b"true", b'""', b"{}", b"[]", b"[[]]", b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\x00"),
    *(b"\xff", b"\xef\xbb\xbf", b"\xc3", "\u2028".encode(), "é".encode(), "e\u0301".encode(), "切".encode()),
    *(
        b"\\ud800",
        b"\\u0000",
        b"../../x",
        b"/etc/passwd",
        b"<!DOCTYPE x>",
        b"&lt;",
        b"<",
        b">",
        b"-->",
        b"00:00:01,000",
    ),
    *(b"[" * 2000, b'{"a":' * 2000, b" " * 500, b"a" * 500, b"%s", b"{0}", b"$", b"__class__"),
)


@dataclass(frozen=True)
class Target:
    """What reads some files."""

    name: str
    write: Callable[[Path], None]
    """Writes valid files into a folder."""
    read: Callable[[Path], object]
    """Reads them; it gets their folder, and may write into "out" beside it."""
    share: float = 1.0
    """Of the many inputs, for readers that start a process each."""


def damage(content: bytes, chance: random.Random) -> bytes:
    """Changes a file at one to four places."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        content = chance.choice(_CHANGES)(content, chance)
    return content


def _cut(content: bytes, chance: random.Random) -> tuple[bytes, bytes, bytes]:
    """A file in three parts, of which the middle is short."""
    start = chance.randrange(len(content) + 1)
    end = min(len(content), start + chance.choice((0, 1, 1, 2, 5, 20, 100)))
    return content[:start], content[start:end], content[end:]


def _flip(content: bytes, chance: random.Random) -> bytes:
    before, middle, after = _cut(content, chance)
    return before + bytes(byte ^ 1 << chance.randrange(8) for byte in middle) + after


def _drop(content: bytes, chance: random.Random) -> bytes:
    before, _, after = _cut(content, chance)
    return before + after


def _replace(content: bytes, chance: random.Random) -> bytes:
    before, _, after = _cut(content, chance)
    return before + chance.choice(PIECES) + after


def _repeat(content: bytes, chance: random.Random) -> bytes:
    before, middle, after = _cut(content, chance)
    return before + middle * chance.choice((2, 3, 50)) + after


def _truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _value(content: bytes, chance: random.Random) -> bytes:
    """Replaces one word, such as a number or a text in quotes, by another word of the file or by a piece."""
    words = content.split(b",")
    index = chance.randrange(len(words))
    words[index] = chance.choice((*PIECES, *words[:50]))
    return b",".join(words)


def _lines(content: bytes, chance: random.Random) -> bytes:
    """Doubles, drops or moves a line."""
    lines = content.split(b"\n")
    line = lines.pop(chance.randrange(len(lines)))
    for _ in range(chance.choice((0, 1, 2))):
        lines.insert(chance.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


_CHANGES = (_flip, _drop, _replace, _replace, _repeat, _truncate, _value, _value, _lines)


def watch(target: Target, count: int, seed: int = 0) -> dict[str, int]:
    """Reads damaged files, and fails on anything but a result or an error in one line.

    Args:
        target: what reads them.
        count: damaged inputs.
        seed: seed of the first one; input k has seed + k.

    Returns:
        how many were read and how many refused, and by how many bytes the process grew.
    """
    read = 0
    with tempfile.TemporaryDirectory(dir=_memory()) as name, _without_flushing():
        valid, folder, out = Path(name, "valid"), Path(name, "files"), Path(name, "out")
        valid.mkdir()
        target.write(valid)
        files = sorted(path.relative_to(valid) for path in valid.rglob("*") if path.is_file())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(count):
            chance = random.Random(seed + number)
            shutil.copytree(valid, folder)
            victim = folder / chance.choice(files)
            victim.write_bytes(damage(victim.read_bytes(), chance))
            try:
                with _time_limit(MAX_SECONDS):
                    target.read(folder)
                read += 1
            except ALLOWED as error:
                assert str(error), f"{target.name}, input {seed + number} ({victim.name}): an error without words"
            except BaseException as error:
                error.add_note(f"{target.name}, input {seed + number}, file {victim.name}")
                raise
            finally:
                shutil.rmtree(folder)
                shutil.rmtree(out, ignore_errors=True)
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"read": read, "refused": count - read, "grown_kilobytes": growth}


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextlib.contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"reading takes longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _without_flushing() -> Iterator[None]:
    """Files in memory need not reach a disk."""
    before, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = before
