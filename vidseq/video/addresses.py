"""Distinguishes cameras and streams from files, by their names alone where that is enough."""

import re
import urllib.request
from http.client import HTTPException
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

from vidseq.video.folder import is_video

#: How long a server may take to say what is at an address.
_ANSWER_SECONDS = 5.0
#: Suffixes of files that servers also stream without an end.
_STREAMED_SUFFIXES = (".ts", ".flv", ".gif")
#: Lists of the pieces of a stream have a length, too; these are their suffixes and the words in their types.
_LIST_SUFFIXES, _LIST_TYPES = (".m3u8", ".m3u", ".mpd"), ("mpegurl", "dash+xml")
#: How cameras and servers send streams.
STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "udp", "rtp", "tcp")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
#: What passwords are called in an address, before their value.
_SECRET = re.compile(r"(?<=[?&;])([^=&;]*(?:pass|pw|token|key|auth|secret|sig)[^=&;]*=)[^&;]+", re.IGNORECASE)


def is_live(source: str) -> bool:
    """Whether a source is a camera number or a stream address rather than a file."""
    return is_camera(source) or scheme_of(source) in STREAM_SCHEMES


def scheme_of(source: str) -> str:
    """What stands before :// in an address, in small letters; empty if a source is none."""
    found = _ADDRESS.match(source)
    return found[1].lower() if found else ""


def is_remote_file(source: str) -> bool:
    """Whether an address is that of a file: it ends in the suffix of a video, or its server says how long it is."""
    if not source.lower().startswith(("http://", "https://")):
        return False
    place = PurePosixPath(unquote(urlsplit(source).path))
    if place.suffix.lower() in _LIST_SUFFIXES:
        return False
    if is_video(place) and place.suffix.lower() not in _STREAMED_SUFFIXES:
        return True
    try:
        with urllib.request.urlopen(source, timeout=_ANSWER_SECONDS) as answer:
            kind = answer.headers.get_content_type()
            return answer.headers.get("Content-Length") is not None and not any(name in kind for name in _LIST_TYPES)
    except (OSError, ValueError, HTTPException):  # opening it says more about what is wrong
        return False


def is_camera(source: str) -> bool:
    """Whether a source is the number of a camera of this machine."""
    return source.isascii() and source.isdigit()


def without_password(source: str) -> str:
    """A source as it is shown and written: the name and password of an address are left out."""
    if not scheme_of(source):
        return source
    source = _SECRET.sub(r"\1***", source)
    parts = urlsplit(source)
    if "@" not in parts.netloc:
        return source
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
