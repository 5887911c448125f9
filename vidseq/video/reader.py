"""Samples of a video by time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from vidseq.errors import UserError, VideoError
from vidseq.video.decord_decoder import DecordDecoder
from vidseq.video.probing import VideoInfo, probe
from vidseq.video.pyav_decoder import WITHOUT_DAMAGE, PyavDecoder
from vidseq.video.resizing import Size, resize
from vidseq.video.sampling import frame_indices, sample_times


@dataclass(frozen=True, eq=False)
class Frames:
    """Samples of a video: the pictures on screen at some times.

    Attributes:
        images: uint8 (N, H, W, 3) RGB, upright and with square pixels.
        pts_seconds: the times of the samples, (N,); a picture that is held is seen by every sample until the next.
        picture_seconds: when each of the pictures appeared in the video, at or before the sample's time. (N,)
    """

    images: np.ndarray
    pts_seconds: np.ndarray
    picture_seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


class VideoReader:
    """Reads frames by time in seconds; 0 is the first frame that is shown.

    Frames are decoded in order from the start of the file, by decord where it is known to be exact and by PyAV
    elsewhere; `info.decoder` and `info.reason` say which and why. Both give the same pictures; but decord is slower,
    needs more memory, and shows some damaged frames where PyAV raises an error. `len()` is the number of frames;
    iterating gives each frame and the time at which it appears. All frames have the size of the first: frames of other
    sizes, in a stream that changes its size, are scaled to fit inside and keep their shape.

    Args:
        path: the video file.
        size: how large frames become; None leaves them as they are. Only frames that are asked for are resized.
        decoder: "auto", "decord" or "pyav".
        stream: number of the video stream in the file; None for the first that is no cover picture.
        skip_bad: leave damaged frames out; otherwise damage raises an error that says where it is.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: the file cannot be read, or not in full and `skip_bad` is not set.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        size: Size | None = None,
        decoder: str = "auto",
        stream: int | None = None,
        skip_bad: bool = False,
    ) -> None:
        self.info: VideoInfo = probe(path, stream=stream, decoder=decoder)
        if skip_bad and decoder == "auto" and self.info.decoder == "decord":
            self._take_pyav("decord does not report which frames are damaged")
        if self.info.damage and not skip_bad:
            raise VideoError(f"{path}: {self.info.damage}. {WITHOUT_DAMAGE}")
        self.size = size
        self._skip_bad = skip_bad
        self._keep_decoder = decoder != "auto"
        self._decord: DecordDecoder | None = None

    def __len__(self) -> int:
        return self.info.num_frames

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[np.ndarray, float]]:
        """Yields every frame, uint8 (H, W, 3), and when it appears, in seconds."""
        for index, image in self._decode(np.arange(len(self))):
            yield self.info.canvas.show(image), float(self.info.pts_seconds[index])

    def frames_at(self, times_seconds: Sequence[float] | np.ndarray) -> Frames:
        """Reads the frames that are on screen at some times.

        Args:
            times_seconds: times from 0 to the end, in any order, repeats allowed. (N,)

        Returns:
            one frame a time, in the order of the times; with `skip_bad`, times whose frame is damaged are left out.

        Raises:
            UserError: a time outside the video.
            VideoError: a frame is damaged and `skip_bad` is not set.
        """
        info = self.info
        indices = frame_indices(info.pts_seconds, info.duration_seconds, times_seconds, info.tick_seconds)
        images = {index: self._sized(image) for index, image in self._decode(np.unique(indices))}
        samples = zip(times_seconds, indices.tolist())
        return self._frames([(float(time), index, images[index]) for time, index in samples if index in images])

    def sample(
        self, fps: float | Fraction, *, start: float = 0.0, end: float | None = None, chunk: int = 32
    ) -> Iterator[Frames]:
        """Reads the frames on screen at start, start + 1 / fps, start + 2 / fps, ... in order.

        Args:
            fps: times a second; above the video's own rate, frames repeat.
            start: the first time, in seconds.
            end: stops before this time, in seconds; None for the end of the video.
            chunk: how many frames to hold at once.

        Yields:
            at most `chunk` frames at a time; with `skip_bad`, damaged ones are left out.

        Raises:
            UserError: a range that is empty or outside the video.
            VideoError: a frame is damaged and `skip_bad` is not set.
        """
        if chunk < 1:
            raise UserError(f"sample expects a chunk of at least 1 frame, got {chunk}.")
        info = self.info
        times = sample_times(info.duration_seconds, fps, start, end)
        indices = frame_indices(info.pts_seconds, info.duration_seconds, times, info.tick_seconds)
        return self._chunks(times, indices, chunk)

    def close(self) -> None:
        """Releases the decoder; a new one is opened when frames are read again."""
        self._decord = None

    def _chunks(self, times: np.ndarray, indices: np.ndarray, chunk: int) -> Iterator[Frames]:
        """The samples at rising times, whose pictures have these indices, decoded once each."""
        shown, starts = np.unique(indices, return_index=True)
        times_of = dict(zip(shown.tolist(), np.split(times, starts[1:])))
        held: list[tuple[float, int, np.ndarray]] = []
        for index, image in self._decode(shown):
            small = self._sized(image)
            for time in times_of[index].tolist():
                held.append((time, index, small))
                if len(held) == chunk:
                    yield self._frames(held)
                    held = []
        if held:
            yield self._frames(held)

    def _decode(self, indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yields full-size frames in order of their indices; continues with PyAV if decord fails."""
        if not len(indices):
            return
        if self.info.decoder == "decord":
            done = -1
            try:
                frame_bytes = 3 * self.info.height * self.info.width
                self._decord = self._decord or DecordDecoder(self.info.path, self.info.packets, frame_bytes)
                for done, image in self._decord.decode(indices):
                    yield done, image
                return
            except (RuntimeError, OSError) as error:
                if self._keep_decoder:
                    raise VideoError(f"{self.info.path}: decord cannot decode it. Use decoder 'auto'.") from error
            self._decord = None
            indices = indices[indices > done]
            self._take_pyav("decord failed while decoding")
        info = self.info
        yield from PyavDecoder(info.path, info.stream, info.orientation, info.packets, self._skip_bad).decode(indices)

    def _take_pyav(self, reason: str) -> None:
        self.info = replace(self.info, decoder="pyav", decoder_version=av.__version__, reason=reason)

    def _sized(self, image: np.ndarray) -> np.ndarray:
        shown = self.info.canvas.show(image)
        return shown if self.size is None else resize(shown[None], self.size)[0]

    def _frames(self, samples: list[tuple[float, int, np.ndarray]]) -> Frames:
        """Puts samples together, each given by its time and its picture's index and image."""
        if not samples:
            height, width = self.info.height, self.info.width
            if self.size is not None:
                height, width = self.size.output(height, width)
            return Frames(np.zeros((0, height, width, 3), dtype=np.uint8), np.zeros(0), np.zeros(0))
        times, indices, images = zip(*samples)
        return Frames(np.stack(images), np.array(times), self.info.pts_seconds[list(indices)])
