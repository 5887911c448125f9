"""Writes a video that grows: what is written is soon on disk and plays, whatever becomes of the process."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from vidseq.errors import UserError, VideoError
from vidseq.video.writer import add_h264, check_name, to_frame

#: Frames at most from one to which players can jump to the next.
_GROUP = 16
#: The unit of times in the file.
_TICK = Fraction(1, 1000)
#: Options that write each frame as a piece of its own.
_MP4 = {"movflags": "empty_moov+default_base_moof+frag_every_frame"}
_MATROSKA = {"cluster_time_limit": "1"}


class GrowingVideoWriter:
    """Writes H.264 frames at times of their own; each is on disk when the next has been written.

    MP4 files consist of fragments, so that a file that was cut off plays up to there.

    Args:
        path: .mp4, .m4v, .mov or .mkv; its folder is created if it is missing.
        crf: quality, 0 (lossless, large) to 51 (small).

    Raises:
        UserError: the suffix cannot hold H.264.
    """

    def __init__(self, path: Path, *, crf: int = 20) -> None:
        check_name(path)
        self.path = path
        self._crf = crf
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._shape: tuple[int, ...] = ()
        self._last = -1

    def write(self, image: np.ndarray, seconds: float) -> None:
        """Adds a frame.

        Args:
            image: uint8 RGB (H, W, 3), as large as the first; odd sides are padded.
            seconds: when it appears; at least a millisecond after the one before.

        Raises:
            UserError: the image has another size, or its time does not rise.
            VideoError: the file cannot be written, for example since the disk is full.
        """
        ticks = round(seconds / _TICK)
        if ticks <= self._last:
            raise UserError(f"GrowingVideoWriter expects times that rise, got {seconds:.3f} s after {self._last} ms.")
        if self._shape not in ((), image.shape):
            raise UserError(f"GrowingVideoWriter expects images {self._shape}, as the first, got {image.shape}.")
        try:
            container, stream = self._opened(image)
            frame = to_frame(image)
            frame.pts, frame.time_base = ticks, _TICK
            container.mux(stream.encode(frame))
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"'{self.path}' cannot be written: {error.strerror}.") from error
        self._last = ticks

    def close(self) -> None:
        """Ends the file.

        Raises:
            VideoError: it cannot be written.
        """
        if self._container is None or self._stream is None:
            return
        container, self._container = self._container, None
        try:
            container.mux(self._stream.encode(None))
            container.close()
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"'{self.path}' cannot be written: {error.strerror}.") from error

    def _opened(self, image: np.ndarray) -> tuple[OutputContainer, VideoStream]:
        if self._container is None or self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            pieces = _MATROSKA if self.path.suffix.lower() == ".mkv" else _MP4
            self._container = av.open(f"file:{self.path}", "w", options={"flush_packets": "1", **pieces})
            # without frames that wait for later ones
            coding = {"crf": str(self._crf), "preset": "veryfast", "tune": "zerolatency", "g": str(_GROUP)}
            self._stream = add_h264(self._container, image.shape[0], image.shape[1], Fraction(30), _TICK, coding)
            self._shape = image.shape
        return self._container, self._stream
