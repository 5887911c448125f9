"""Small files whose frames carry their own number in the picture."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

BITS = 8


def coded_frame(number: int, height: int = 96, width: int = 160) -> np.ndarray:
    """A picture with `number` as black and white blocks in its upper half, red and blue in its lower one."""
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(BITS):
        image[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = 255 * (number >> bit & 1)
    image[height // 2 :, : width // 2] = (200, 40, 30)
    image[height // 2 :, width // 2 :] = (30, 60, 200)
    return image


def read_code(image: np.ndarray) -> int:
    """The number in a picture, which may be scaled and partly cut; -1 if a block is neither black nor white."""
    height, width = image.shape[:2]
    number = 0
    for bit in range(BITS):
        middle = (2 * bit + 1) * width // (2 * BITS)
        brightness = image[height // 8 : 3 * height // 8, middle - 2 : middle + 2].mean()
        if 100 < brightness < 155:
            return -1
        number |= (brightness > 128) << bit
    return int(number)


def codes(images: Sequence[np.ndarray] | np.ndarray) -> list[int]:
    """The numbers in pictures."""
    return [read_code(image) for image in images]


def encode(
    path: Path,
    count: int = 40,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    fps: int | Fraction = 30,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    height: int = 96,
    width: int = 160,
    rotation: int = 0,
    first: int = 0,
) -> Path:
    """Writes a file of frames with the numbers first, first + 1, ...; `times` are milliseconds."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options={"threads": "1", **(options or {})})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(coded_frame(first + index, height, width), format="rgb24")
            frame.pts = index if times is None else times[index]
            frame.time_base = 1 / Fraction(fps) if times is None else Fraction(1, 1000)
            if times is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def coded_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a coded video, once for each file name."""
    folder = tmp_path_factory.mktemp("videos")

    def make(name: str, **options: object) -> Path:
        path = folder / name
        return path if path.exists() else encode(path, **options)  # type: ignore[arg-type]

    return make


def remux(source: Path, path: Path, shift: int = 0, drop: int = 0, options: dict[str, str] | None = None) -> Path:
    """Copies packets without coding them anew: without the first `drop`, and `shift` ticks later."""
    with av.open(str(source)) as given, av.open(str(path), "w", options=options or {}) as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for position, packet in enumerate(given.demux(video=0)):
            if packet.size and position >= drop:
                assert packet.pts is not None and packet.dts is not None
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                made.mux(packet)
    return path


@pytest.fixture(scope="session", name="remux")
def remux_fixture() -> Callable[..., Path]:
    """The function that copies packets."""
    return remux


@pytest.fixture(scope="session", name="coded_frame")
def coded_frame_fixture() -> Callable[..., np.ndarray]:
    """The function that draws a number."""
    return coded_frame


@pytest.fixture(scope="session", name="codes")
def codes_fixture() -> Callable[..., list[int]]:
    """The function that reads numbers back."""
    return codes
