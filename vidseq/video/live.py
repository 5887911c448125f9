"""Reads frames from a camera or a network stream as they arrive. OpenCV is imported when one is opened."""

import time
import urllib.request
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.client import HTTPException
from pathlib import PurePosixPath
from types import TracebackType
from urllib.parse import unquote, urlsplit

import numpy as np

from vidseq.errors import VideoError
from vidseq.video.folder import is_video

#: How long a server may take to say what is at an address.
_ANSWER_SECONDS = 5.0
#: Suffixes of files that servers also stream without an end.
_STREAMED_SUFFIXES = (".ts", ".flv", ".gif")
#: Lists of the pieces of a stream have a length, too; these are their suffixes and the words in their types.
_LIST_SUFFIXES, _LIST_TYPES = (".m3u8", ".m3u", ".mpd"), ("mpegurl", "dash+xml")


def is_live(source: str) -> bool:
    """Whether a source is a camera number or a stream address rather than a file."""
    return source.isdigit() or source.lower().startswith(("rtsp://", "rtmp://", "http://", "https://", "udp://"))


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


class LiveReader:
    """Reads a camera or a network stream at a sampling rate, until it ends.

    Times are seconds since the first frame arrived, by this machine's clock, because a live source has no other clock.
    Frames that arrive faster than the sampling rate are dropped, so that the reader never falls behind.
    """

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Opens the source.

        Args:
            source: a camera number such as "0", or an address such as "rtsp://...".
            clock: returns the time in seconds.

        Raises:
            VideoError: the source cannot be opened.
        """
        import cv2

        self.source = source
        self._clock = clock
        self._capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
        if not self._capture.isOpened():
            self._capture.release()
            what = f"camera {source}" if source.isdigit() else f"'{source}'"
            raise VideoError(f"{what} cannot be opened. Check that it is connected and that no other program uses it.")

    def sample(self, fps: float | Fraction) -> Iterator[tuple[np.ndarray, float]]:
        """Yields (RGB image (H, W, 3) uint8, pts_seconds), at most `fps` a second."""
        import cv2

        first: float | None = None
        due = 0.0
        while self._capture.grab():
            now = self._clock()
            first = now if first is None else first
            elapsed = now - first
            if elapsed + 1e-9 < due:
                continue
            arrived, image = self._capture.retrieve()
            if not arrived:
                return
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB), elapsed
            due = max(due + 1 / float(fps), elapsed)

    def close(self) -> None:
        """Releases the source."""
        self._capture.release()

    def __enter__(self) -> "LiveReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
