"""Small pictures of a video at its sample times, and pictures that a browser sends."""

import io
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from vidseq.errors import UserError
from vidseq.video.reader import Frames, VideoReader
from vidseq.video.resizing import Size
from vidseq.video.sampling import SAME_TIME_SECONDS

#: A small picture has about the area of a square of this side, in pixels.
PIXELS = 256
#: The most pixels of a picture that a browser sends.
MAX_PIXELS = 4096 * 4096
#: Seconds that a request waits for its picture.
_PATIENCE = 30.0


class Pictures:
    """A video as small pictures, one a sample; all are made when the first is asked for.

    Args:
        path: the video.
        folder: where they are kept.
        rate: samples a second.
        end: seconds until which the video is read.
    """

    def __init__(self, path: Path, folder: Path, rate: Fraction, end: float) -> None:
        self._path, self._folder, self._rate, self._end = path, folder, rate, end
        self._changed = threading.Condition()
        self._count, self._started, self._done, self._stopped = 0, False, False, False

    def at(self, seconds: float) -> bytes | None:
        """The JPEG file of the sample on screen at a time; None: it cannot be made."""
        index = max(0, int((seconds + SAME_TIME_SECONDS) * self._rate))
        self._start()
        with self._changed:
            self._changed.wait_for(lambda: self._count > index or self._done, timeout=_PATIENCE)
            index = min(index, self._count - 1)
        return (self._folder / f"{index}.jpg").read_bytes() if index >= 0 else None

    def stop(self) -> None:
        """Makes no more of them."""
        self._stopped = True

    def _start(self) -> None:
        with self._changed:
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._make, daemon=True).start()

    def _make(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with VideoReader(self._path, size=Size(PIXELS, resize="whole"), decoder="pyav", skip_bad=True) as reader:
                end = min(self._end, reader.info.duration_seconds)
                for frames in reader.sample(self._rate, end=end, chunk=8):
                    if self._stopped:
                        break
                    self._keep(frames)
        except (UserError, OSError):
            pass  # the page says that there is no picture
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _keep(self, frames: Frames) -> None:
        for image in frames.images:
            (self._folder / f"{self._count}.jpg").write_bytes(to_jpeg(image))
            with self._changed:
                self._count += 1
                self._changed.notify_all()


def to_jpeg(image: np.ndarray) -> bytes:
    """The JPEG file of an image, uint8 (H, W, 3) RGB."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=80)
    return file.getvalue()


def from_jpeg(content: bytes) -> np.ndarray:
    """Reads a JPEG file that a browser sent, as uint8 (H, W, 3) RGB.

    Raises:
        UserError: it is none, is damaged, or is too large.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(f"A picture expects at most {MAX_PIXELS} pixels, got {image.width} x {image.height}.")
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError("A picture expects a JPEG file, got other bytes.") from None
