"""Takes a video that a user sends: no larger than allowed, no other kind of file, under a name of our own."""

import secrets
import unicodedata
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

from vidseq.app.pictures import Pictures
from vidseq.app.videos import AppVideo
from vidseq.errors import UserError, VideoError
from vidseq.video.probing import probe

#: Letters of a name that are shown.
_MAX_TITLE = 80
#: How files of videos begin: bytes at a place. Lists of other files, such as HLS, are not among them: a reader would
#: open what they name.
_STARTS: tuple[tuple[int, bytes, str], ...] = (
    *((4, kind, "video/mp4") for kind in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"RIFF", "video/x-msvideo"),
    (0, b"OggS", "video/ogg"),
    (0, b"FLV", "video/x-flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
)
#: The start of each packet of an MPEG transport stream, and its length.
_TS_SYNC, _TS_PACKET = 0x47, 188


class TooLargeError(UserError):
    """More bytes than allowed."""


async def save_upload(chunks: AsyncIterator[bytes], folder: Path, max_bytes: int) -> Path:
    """Writes an upload to a folder of its own; what is refused leaves nothing.

    Args:
        chunks: of the file.
        folder: the user's.
        max_bytes: the largest size.

    Raises:
        TooLargeError: it is larger.
        UserError: it does not begin as a video does.
    """
    path = folder / secrets.token_hex(12) / "video"
    path.parent.mkdir(parents=True)
    try:
        with path.open("wb") as file:
            async for chunk in chunks:
                if file.tell() + len(chunk) > max_bytes:
                    raise TooLargeError(too_large(max_bytes))
                file.write(chunk)
        media_type_of(path)
        return path
    except BaseException:
        path.unlink(missing_ok=True)
        path.parent.rmdir()
        raise


def too_large(max_bytes: int) -> str:
    """The message about an upload that is larger than allowed."""
    return f"An upload expects at most {max_bytes / 1e6:g} MB, got more. Cut it, or start the app with --max-upload."


def media_type_of(path: Path) -> str:
    """What a browser is offered a file as.

    Raises:
        UserError: it does not begin as a video does.
    """
    with path.open("rb") as file:
        head = file.read(2 * _TS_PACKET)
    for place, start, kind in _STARTS:
        if head[place : place + len(start)] == start:
            return kind
    if len(head) > _TS_PACKET and head[0] == head[_TS_PACKET] == _TS_SYNC:
        return "video/mp2t"
    raise UserError("An upload expects a video such as MP4, WebM, MKV, MOV or AVI, got another kind of file.")


def open_upload(path: Path, name: str, rate: Fraction, limit_seconds: float) -> AppVideo:
    """Makes a video of an upload.

    Args:
        path: the file.
        name: what its user calls it; shown, and never used as a path.
        rate: samples a second of its small pictures.
        limit_seconds: the part that is read.

    Raises:
        UserError: it cannot be read as a video.
    """
    title = clean_title(name)
    try:
        info = probe(path)
    except VideoError as error:
        raise UserError(str(error).replace(str(path), f"'{title}'")) from None
    end = min(info.duration_seconds, limit_seconds)
    pictures = Pictures(path, path.parent / "pictures", rate, end)
    return AppVideo(
        secrets.token_urlsafe(16), title, path, end, info.duration_seconds,
        media_type=media_type_of(path), pictures=pictures,
    )  # fmt: skip


def clean_title(name: str) -> str:
    """The last part of a file's name, without letters that do not show or turn others around; spaces are plain."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kinds = ((letter, unicodedata.category(letter)[0]) for letter in last)
    shown = "".join(" " if kind == "Z" else letter for letter, kind in kinds if kind != "C").strip()
    return shown[:_MAX_TITLE] or "video"
