"""Reads frames from a camera or a network stream as they arrive. OpenCV is imported when one is opened."""

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import TracebackType

import numpy as np

from vidseq.errors import VideoError


def is_live(source: str) -> bool:
    """Whether a source is a camera number or a stream address rather than a file."""
    return source.isdigit() or source.startswith(("rtsp://", "rtmp://", "http://", "https://", "udp://"))


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
