"""Frames of a video by time."""

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
from vidseq.video.pyav_decoder import PyavDecoder
from vidseq.video.resizing import Size, resize
from vidseq.video.sampling import frame_numbers, sample_times


@dataclass(frozen=True, eq=False)
class Frames:
    """Some frames of a video.

    Attributes:
        images: uint8 (N, H, W, 3) RGB, upright.
        pts_seconds: when each of them appears in the video, which is at or before the time asked for. (N,)
    """

    images: np.ndarray
    pts_seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


class VideoReader:
    """Reads frames by time in seconds; 0 is the first frame that is shown.

    Frames are decoded in order from the start of the file, by decord where it is known to be exact and by PyAV
    elsewhere; `info.decoder` and `info.reason` tell. Both give the same pictures; but decord is slower, needs more
    memory, and shows some damaged frames without a word where PyAV raises. `len()` is the number of frames, iterating
    gives each frame and its time.

    Args:
        path: the video file.
        size: how large frames shall be; None leaves them as they are. Only frames that are asked for are resized.
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
            self._take_pyav("decord does not tell which frames are damaged")
        if self.info.damage and not skip_bad:
            raise VideoError(f"{path}: {self.info.damage}. Use skip_bad (--skip-bad) to go on without the rest.")
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
        """Gives every frame, uint8 (H, W, 3), and when it appears, in seconds."""
        for number, image in self._decode(np.arange(len(self))):
            yield image, float(self.info.pts_seconds[number])

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
        numbers = frame_numbers(info.pts_seconds, info.duration_seconds, times_seconds, info.tick_seconds)
        images = {number: self._sized(image) for number, image in self._decode(np.unique(numbers))}
        return self._frames([(int(number), images[int(number)]) for number in numbers if int(number) in images])

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
        numbers = frame_numbers(info.pts_seconds, info.duration_seconds, times, info.tick_seconds)
        return self._chunks(*np.unique(numbers, return_counts=True), chunk)

    def close(self) -> None:
        """Lets the decoder go; it comes back when frames are asked for again."""
        self._decord = None

    def _chunks(self, numbers: np.ndarray, repeats: np.ndarray, chunk: int) -> Iterator[Frames]:
        times_shown = dict(zip(numbers.tolist(), repeats.tolist()))
        held: list[tuple[int, np.ndarray]] = []
        for number, image in self._decode(numbers):
            small = self._sized(image)
            for _ in range(times_shown[number]):
                held.append((number, small))
                if len(held) == chunk:
                    yield self._frames(held)
                    held = []
        if held:
            yield self._frames(held)

    def _decode(self, numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Gives full-size frames by ascending number; goes on with PyAV where decord gives up."""
        if not len(numbers):
            return
        if self.info.decoder == "decord":
            done = -1
            try:
                frame_bytes = 3 * self.info.height * self.info.width
                self._decord = self._decord or DecordDecoder(self.info.path, self.info.packets, frame_bytes)
                for done, image in self._decord.decode(numbers):
                    yield done, image
                return
            except (RuntimeError, OSError) as error:
                if self._keep_decoder:
                    raise VideoError(f"{self.info.path}: decord cannot decode it. Use decoder 'auto'.") from error
            self._decord = None
            numbers = numbers[numbers > done]
            self._take_pyav("decord failed while decoding")
        info = self.info
        yield from PyavDecoder(info.path, info.stream, info.rotation, info.packets, self._skip_bad).decode(numbers)

    def _take_pyav(self, reason: str) -> None:
        self.info = replace(self.info, decoder="pyav", decoder_version=av.__version__, reason=reason)

    def _sized(self, image: np.ndarray) -> np.ndarray:
        return image if self.size is None else resize(image[None], self.size)[0]

    def _frames(self, numbered: list[tuple[int, np.ndarray]]) -> Frames:
        if not numbered:
            height, width = self.info.height, self.info.width
            if self.size is not None:
                height, width = self.size.output(height, width)
            return Frames(np.zeros((0, height, width, 3), dtype=np.uint8), np.zeros(0))
        numbers, images = zip(*numbered)
        return Frames(np.stack(images), self.info.pts_seconds[list(numbers)])
