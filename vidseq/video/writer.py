"""Writes videos that every browser plays."""

import contextlib
import math
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from vidseq.errors import UserError, VideoError
from vidseq.files import atomic_path, real_path
from vidseq.video.sampling import exact_rate
from vidseq.video.sound import Sound

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
#: Largest width and height that x264 writes.
MAX_SIDE = 16384


def check_name(path: Path) -> None:
    """Refuses a file name whose suffix `VideoWriter` cannot write.

    Raises:
        UserError: the suffix is not among `SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"VideoWriter expects a name that ends in {', '.join(SUFFIXES)}, got '{path.name}'.")


def refuse_source(source: Path | str, out: Path | str) -> None:
    """Refuses to write a copy of a video over the video, by whatever name.

    Raises:
        UserError: both are one file.
    """
    out = Path(out)
    if real_path(out) == real_path(source) or (out.exists() and out.samefile(source)):
        raise UserError(f"An annotated video expects a file of its own, got the source '{out}'. Choose another name.")


class VideoWriter:
    """Writes H.264, yuv420p, with the index first ("faststart"); the same frames give the same bytes.

    Use it in a `with` block: the file appears when the block ends without an error, and otherwise no file is left.

    Args:
        path: the file to write, .mp4, .m4v, .mov or .mkv; its folder is created if it is missing.
        fps: frames per second; 29.97 means 30000/1001.
        crf: quality, 0 (lossless, large) to 51 (small).
        preset: x264's speed, "ultrafast" to "veryslow".
        sound: goes beside the frames; the caller closes it.

    Raises:
        UserError: the suffix cannot hold H.264, or the rate is not positive.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        fps: float | Fraction,
        crf: int = 20,
        preset: str = "veryfast",
        sound: Sound | None = None,
    ) -> None:
        self.path = Path(path)
        check_name(self.path)
        self.fps = exact_rate(fps)
        # the SIMD code of x264's macroblock tree does not always give the same bytes
        self._options = {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}
        self._cleanup = contextlib.ExitStack()
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._shape: tuple[int, ...] = ()
        self._count = 0
        self._sound = sound

    def __enter__(self) -> "VideoWriter":
        temporary = self._cleanup.enter_context(atomic_path(self.path))
        options = {} if self.path.suffix.lower() == ".mkv" else {"movflags": "+faststart"}
        self._container = av.open(f"file:{temporary}", "w", options=options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except BaseException as own_error:
            self._abandon()
            self._cleanup.__exit__(type(own_error), own_error, own_error.__traceback__)
            raise
        if kind is not None:
            self._abandon()
        self._cleanup.__exit__(kind, error, trace)

    def write(self, images: np.ndarray) -> None:
        """Adds frames; odd sides are padded by repeating the last row or column.

        Args:
            images: uint8 RGB, (N, H, W, 3) or one frame (H, W, 3); all of one size.

        Raises:
            UserError: the shape or type is wrong, or the size differs from that of the first frame.
        """
        if self._container is None:
            raise UserError(
                "VideoWriter expects to be used in a `with` block. Write: with VideoWriter(...) as writer."
            )
        images = images[None] if images.ndim == 3 else images
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise UserError(
                f"VideoWriter expects uint8 images (N, H, W, 3) or (H, W, 3), got {images.dtype} {images.shape}."
            )
        self._shape = self._shape or images.shape[1:]
        if images.shape[1:] != self._shape:
            raise UserError(f"VideoWriter expects all frames {self._shape}, as the first, got {images.shape[1:]}.")
        stream = self._stream = self._stream or self._start(*self._shape[:2])
        for image in images:
            frame = to_frame(image)
            frame.pts = self._count
            self._write_sound(float(self._count / self.fps))
            self._count += 1
            self._container.mux(stream.encode(frame))

    def _start(self, height: int, width: int) -> VideoStream:
        assert self._container is not None
        stream = add_h264(self._container, height, width, self.fps, 1 / self.fps, self._options)
        if self._sound is not None:
            self._sound.add_to(self._container)
        return stream

    def _write_sound(self, until_seconds: float) -> None:
        """Writes the sound before the next picture, so that both stand together in the file."""
        if self._sound is not None:
            assert self._container is not None
            self._sound.write_until(self._container, until_seconds)

    def _finish(self) -> None:
        if self._container is None or self._stream is None:
            raise VideoError(f"{self.path}: no frame was written.")
        self._container.mux(self._stream.encode(None))
        self._write_sound(math.inf)
        self._container.close()
        self._container = None

    def _abandon(self) -> None:
        if self._container is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):
                self._container.close()
            self._container = None


def add_h264(
    container: OutputContainer, height: int, width: int, fps: Fraction, time_base: Fraction, options: dict[str, str]
) -> VideoStream:
    """Adds an H.264 stream whose frames come from `to_frame`.

    Args:
        container: where to.
        height: of the images.
        width: of the images.
        fps: the rate that the file states.
        time_base: the unit of the frames' times.
        options: of x264.

    Raises:
        VideoError: H.264 has no frames of this size.
    """
    if max(height, width) > MAX_SIDE:
        raise VideoError(
            f"A copy in H.264 expects frames of at most {MAX_SIDE} pixels a side, got {width} x {height}. Write none."
        )
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
    context = stream.codec_context
    context.time_base = time_base
    context.thread_count = 1  # more threads give other bytes
    # players guess the colours of files that do not name them, and their guesses differ
    context.colorspace = context.color_primaries = context.color_trc = 1  # ITU-R BT.709
    context.color_range = ColorRange.MPEG
    return stream


def to_frame(image: np.ndarray) -> av.VideoFrame:
    """Turns an RGB image (H, W, 3) into a frame to encode; odd sides are padded."""
    return av.VideoFrame.from_ndarray(_even(image), format="rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )


def _even(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(image)
