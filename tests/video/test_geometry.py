"""Pictures look as in a player: mirrored, turned, with square pixels, and of one size where the stream changes it."""

from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from video_kinds import needs_decord

from vidseq.errors import VideoError
from vidseq.video.geometry import Canvas, Orientation
from vidseq.video.probing import probe
from vidseq.video.reader import VideoReader
from vidseq.video.resizing import Size

#: The eight ways to lay a rectangle on another: entries a, b, c, d of a display matrix.
MATRICES = [
    *product((1, -1), (0,), (0,), (1, -1)),
    *product((0,), (1, -1), (1, -1), (0,)),
]
ONE = 1 << 16
PIXELS = {"mjpeg": "yuvj420p"}


def corners(height: int = 96, width: int = 160) -> np.ndarray:
    """A grey picture with a white corner at the top left, a red one at the bottom left."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[: height // 3, : height // 3] = 250
    image[-(height // 3) :, : height // 3] = (250, 0, 0)
    return image


def square(height: int, width: int, side: int = 40) -> np.ndarray:
    """A dark picture with a bright square in its middle."""
    image = np.full((height, width, 3), 30, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    image[top : top + side, left : left + side] = 230
    return image


def bright_shape(image: np.ndarray) -> float:
    """Width of the bright part of a picture divided by its height."""
    bright = image.mean(axis=2) > 130
    return float(np.ptp(np.flatnonzero(bright.any(axis=0))) + 1) / float(
        np.ptp(np.flatnonzero(bright.any(axis=1))) + 1
    )


def write(
    path: Path,
    image: np.ndarray,
    count: int = 6,
    codec: str = "libx264",
    matrix: tuple[int, int, int, int] | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    first: int = 0,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"threads": "1", **(options or {})})
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], PIXELS.get(codec, "yuv420p")
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if matrix is not None:
            a, b, c, d = matrix
            stream.set_display_matrix([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30])
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = first + index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def joined(path: Path, parts: list[Path]) -> Path:
    """Puts the packets of files behind one another into one stream."""
    with av.open(str(path), "w") as made, av.open(str(parts[0])) as first:
        stream = made.add_stream_from_template(first.streams.video[0])
        for index, part in enumerate(parts):
            with av.open(str(part)) as given:
                for number, packet in enumerate(packet for packet in given.demux(video=0) if packet.size):
                    packet.time_base = Fraction(1, 1000)
                    packet.pts = packet.dts = 1000 * index + 100 * number
                    packet.stream = stream
                    made.mux(packet)
    return path


@pytest.mark.parametrize(("codec", "second"), [("mpeg2video", 21), ("libx264", 22), ("mpeg2video", 0), ("libx264", 0)])
def test_pixels_that_change_their_shape_within_a_stream_keep_it(codec: str, second: int, tmp_path: Path) -> None:
    """A broadcast of one size shows a film of another shape; parts whose clocks start anew are counted."""
    slim = square(96, 128)
    slim[:, :49], slim[:, 79:] = 30, 30
    parts = [
        write(tmp_path / "a.ts", square(96, 128), 20, codec, aspect=Fraction(1)),
        write(tmp_path / "b.ts", slim, 20, codec, aspect=Fraction(4, 3), first=second),
    ]
    (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    with VideoReader(tmp_path / "joined.ts") as reader:
        assert reader.info.packets.counted == (second == 0)
        shapes = [bright_shape(image) for image, _ in reader]
    assert len(shapes) == 40
    np.testing.assert_allclose(shapes, 1, atol=0.1)


def moved(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Moves each pixel where a display matrix says: slow, and by the definition alone."""
    a, b, c, d = matrix
    height, width = image.shape[:2]
    places = {(a * p + c * q, b * p + d * q): image[q, p] for p in range(width) for q in range(height)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    shape = (height, width) if a else (width, height)
    result = np.zeros((*shape, 3), np.uint8)
    for (x, y), colour in places.items():
        result[y - top, x - left] = colour
    return result


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_pictures_are_mirrored_and_turned_as_the_display_matrix_says(
    name: str, matrix: tuple[int, int, int, int], tmp_path: Path
) -> None:
    stored = corners()
    with VideoReader(write(tmp_path / name, stored, matrix=matrix)) as reader:
        shown = reader.frames_at([0.3]).images[0]
        upright = moved(stored, matrix)
        assert shown.shape == upright.shape == (reader.info.height, reader.info.width, 3)
        assert np.abs(shown.astype(int) - upright).mean() < 8
        a, b, c, d = matrix
        assert reader.info.orientation.mirrored == (a * d - b * c < 0)
        assert bool(reader.info.display_changes) == (matrix != (1, 0, 0, 1))


@needs_decord
def test_decord_is_not_asked_for_mirrored_pictures(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", corners(), matrix=(-1, 0, 0, 1))
    with pytest.raises(VideoError, match=r"a\.mp4: decord cannot be trusted .* mirrored"):
        VideoReader(path, decoder="decord")


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(64, 45), Fraction(10, 11), Fraction(1, 2)])
@pytest.mark.parametrize("decoder", ["auto", "pyav"])
@pytest.mark.parametrize("matrix", [None, (0, 1, -1, 0)])
def test_pixels_become_square(
    aspect: Fraction, decoder: str, matrix: tuple[int, int, int, int] | None, tmp_path: Path
) -> None:
    wide = float(aspect)
    path = write(tmp_path / "a.mp4", square(96, 160), matrix=matrix, aspect=aspect)
    expected = 1 / wide if matrix else wide
    with VideoReader(path, decoder=decoder) as reader:
        image = reader.frames_at([0.2]).images[0]
        assert image.shape == (reader.info.height, reader.info.width, 3)
        assert bright_shape(image) == pytest.approx(expected, rel=0.08)
        assert "scaled from pixels of" in " ".join(reader.info.display_changes)
        assert all(shown.shape == image.shape for shown, _ in reader)
    for policy in ("crop", "whole"):
        with VideoReader(path, decoder=decoder, size=Size(96, policy)) as reader:
            assert bright_shape(reader.frames_at([0.2]).images[0]) == pytest.approx(expected, rel=0.1)


def test_absurd_shapes_of_pixels_are_left_out() -> None:
    assert Canvas.of(96, 160, Orientation(), Fraction(1, 500)) == Canvas(96, 160)
    assert Canvas.of(96, 160, Orientation(), None) == Canvas(96, 160)
    assert Canvas.of(96, 160, Orientation(90), Fraction(2)) == Canvas(320, 96, Fraction(1, 2))


CHANGING = [
    ("a.webm", "webm", "libvpx", {"auto-alt-ref": "0"}),
    ("a.mkv", "webm", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}),
    ("b.mkv", "h264", "libx264", {"bf": "0"}),
    ("a.ts", "h264", "libx264", {"bf": "0"}),
    ("c.mkv", "avi", "mjpeg", {}),
]


@pytest.mark.parametrize(("name", "part", "codec", "options"), CHANGING, ids=[kind[0] for kind in CHANGING])
def test_a_stream_that_changes_its_size_is_shown_in_one_size(
    name: str, part: str, codec: str, options: dict[str, str], tmp_path: Path
) -> None:
    sizes = [(96, 160), (160, 96), (48, 80)]
    parts = [
        write(tmp_path / f"{index}.{part}", square(*size, side=24), codec=codec, options=options)
        for index, size in enumerate(sizes)
    ]
    path = joined(tmp_path / name, parts)
    with VideoReader(path) as reader:
        images = [image for image, _ in reader]
        assert len(images) == 18
        assert {image.shape for image in images} == {(96, 160, 3)}
        assert [bright_shape(images[index]) for index in (2, 8, 14)] == pytest.approx([1, 1, 1], abs=0.15)
        assert "frames of other sizes scaled to it" in reader.info.display_changes
    for policy in ("crop", "whole"):
        with VideoReader(path, size=Size(64, policy)) as reader:
            frames = reader.frames_at([0.25, 1.25, 2.25])
            assert [bright_shape(image) for image in frames.images] == pytest.approx([1, 1, 1], abs=0.2)
    assert probe(path).decoder == "pyav"


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9", "libx264", "mpeg4", "mjpeg"])
def test_a_stream_of_one_size_is_not_taken_for_one_that_changes(codec: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", square(96, 160), count=30, codec=codec, options={"g": "5"})
    assert not probe(path).packets.resized
