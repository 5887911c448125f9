"""Opens cameras by OpenCV and addresses by PyAV, and reads their pictures one after another."""

import errno
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Protocol

import av
import numpy as np
from av.video.frame import VideoFrame

from vidseq.errors import VideoError
from vidseq.video.addresses import is_camera, without_password
from vidseq.video.geometry import Canvas, Orientation

#: How long a server may take to answer, and to send the next piece of a stream, in seconds.
OPEN_SECONDS, PIECE_SECONDS = 15.0, 10.0

#: Seconds of a stream that are looked at before its first picture is shown, to find out what it holds.
_LOOK_SECONDS = 2.0
#: Streams that come in pieces of some seconds, each at once: their pictures are shown at their own pace.
_IN_PIECES = ("hls", "dash")

#: Makes the RGB image (H, W, 3) of a picture.
Picture = Callable[[], np.ndarray]


class Capture(Protocol):
    """An open camera or address. One thread uses it."""

    states_length: bool
    """Whether the source says how long it is, so that its end is no loss."""
    in_pieces: bool
    """Whether pictures come in bursts, faster than they are meant to be shown."""

    def grab(self) -> tuple[Picture, float | None] | None:
        """Waits for the next picture. Returns it and its own time in seconds, if known; None: the source has ended.

        Raises:
            VideoError: says why no picture comes, in a few words.
        """

    def close(self) -> None:
        """Releases the source."""


def open_capture(source: str) -> Capture:
    """Opens a camera number such as "0", or an address such as "rtsp://...".

    Raises:
        VideoError: says why it cannot be opened, in a few words.
    """
    return CameraCapture(int(source)) if is_camera(source) else AddressCapture(source)


class CameraCapture:
    """A camera of this machine. OpenCV is imported when one is opened."""

    states_length = in_pieces = False

    def __init__(self, number: int) -> None:
        import cv2

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error below says it in a line
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            self._capture.release()
            raise VideoError("no such camera, or another program uses it")

    def grab(self) -> tuple[Picture, float | None] | None:
        """See `Capture`."""
        arrived, image = self._capture.read()
        if not arrived:
            raise VideoError("the camera gives no picture")
        return lambda: np.ascontiguousarray(image[..., ::-1]), None

    def close(self) -> None:
        """See `Capture`."""
        self._capture.release()


class AddressCapture:
    """A stream of a server. Packets that cannot be decoded are left out, as at the start of a stream that goes on."""

    def __init__(self, address: str) -> None:
        options = {"rtsp_flags": "prefer_tcp", "analyzeduration": str(round(_LOOK_SECONDS * 1e6))}
        try:
            self._container = av.open(address, timeout=(OPEN_SECONDS, PIECE_SECONDS), options=options)
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(_reason(error)) from error
        if not self._container.streams.video:
            self._container.close()
            raise VideoError("it has no pictures")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "SLICE"  # threads that share pictures out would hold back as many pictures
        self.states_length = bool(self._container.duration)
        self.in_pieces = self._container.format.name in _IN_PIECES
        if self.states_length and address.lower().startswith("http"):
            self._container.close()
            raise VideoError(
                "it is a recording, not a live stream. Copy it first, for example with "
                f"`ffmpeg -i {without_password(address)} -c copy clip.mkv`"
            )
        self._frames = self._decode()

    def grab(self) -> tuple[Picture, float | None] | None:
        """See `Capture`."""
        frame = next(self._frames, None)
        if frame is None:
            return None
        aspect = self._stream.sample_aspect_ratio
        return lambda: _shown(frame, aspect), frame.time

    def close(self) -> None:
        """See `Capture`."""
        self._container.close()

    def _decode(self) -> Iterator[VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                raise VideoError(_reason(error)) from error
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                continue


def _shown(frame: VideoFrame, aspect: Fraction | None) -> np.ndarray:
    """A decoded picture as a player shows it: upright, with square pixels."""
    orientation = Orientation.of(frame)
    image = orientation.upright(frame.to_ndarray(format="rgb24", threads=1))
    return Canvas.of(frame.height, frame.width, orientation, aspect).show(image)


def _reason(error: av.error.FFmpegError | OSError) -> str:
    """The reason of FFmpeg's error, without its number and the address, which may hold a password."""
    if isinstance(error, av.error.ExitError):  # what PyAV raises when its limit of time is over
        return "the server is silent"
    if (
        isinstance(error, av.error.EOFError) or error.errno == errno.EIO
    ):  # the latter is what FFmpeg makes of an end in the middle of a picture
        return "the connection ended"
    return error.strerror or type(error).__name__
