"""Files that browsers play, whole or not at all."""

import contextlib
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from video_kinds import INSTALLED

from vidseq.errors import UserError, VideoError
from vidseq.video.growing_writer import GrowingVideoWriter
from vidseq.video.length import mp4_boxes
from vidseq.video.reader import VideoReader
from vidseq.video.writer import VideoWriter

Draw = Callable[..., np.ndarray]
Codes = Callable[..., list[int]]


def write(path: Path, frames: list[np.ndarray], fps: float | Fraction = 25) -> Path:
    with VideoWriter(path, fps=fps) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.parametrize("fps", [25, 29.97, 0.5, Fraction(24000, 1001)])
@pytest.mark.parametrize("decoder", INSTALLED)
def test_what_is_written_is_read(
    fps: float | Fraction, decoder: str, tmp_path: Path, coded_frame: Draw, codes: Codes
) -> None:
    path = write(tmp_path / "out.mp4", [coded_frame(number) for number in range(30)], fps)
    with VideoReader(path, decoder=decoder) as reader:
        images, times = zip(*reader)
        assert codes(images) == list(range(30))
        exact = Fraction(30000, 1001) if fps == 29.97 else Fraction(fps)
        np.testing.assert_allclose(times, [float(number / exact) for number in range(30)], atol=1e-6)
        assert reader.info.fps == exact
        assert reader.info.duration_seconds == pytest.approx(float(30 / exact))
        bottom = images[7][60:90]
        assert np.abs(bottom[:, 10:70].mean((0, 1)) - (200, 40, 30)).max() < 3, "colours survive"
        assert np.abs(bottom[:, 90:150].mean((0, 1)) - (30, 60, 200)).max() < 3


def test_browsers_can_play_it(tmp_path: Path, coded_frame: Draw) -> None:
    path = write(tmp_path / "out.mp4", [coded_frame(number) for number in range(5)])
    names = [name for name, _ in mp4_boxes(path)]
    assert names.index(b"moov") < names.index(b"mdat"), "the index comes first"
    assert b"moof" not in names
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


def test_odd_sides_are_padded(tmp_path: Path, coded_frame: Draw, codes: Codes) -> None:
    with VideoReader(write(tmp_path / "odd.mp4", [coded_frame(9, 97, 161), coded_frame(10, 97, 161)])) as reader:
        assert (reader.info.height, reader.info.width) == (98, 162)
        assert codes([image for image, _ in reader]) == [9, 10]


def test_a_batch_is_as_many_frames(tmp_path: Path, coded_frame: Draw) -> None:
    frames = np.stack([coded_frame(number) for number in range(8)])
    one_by_one = write(tmp_path / "a.mp4", list(frames))
    with VideoWriter(tmp_path / "b.mp4", fps=25) as writer:
        writer.write(frames[:5])
        writer.write(frames[5:])
    assert (tmp_path / "b.mp4").read_bytes() == one_by_one.read_bytes(), "the same frames give the same bytes"


@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_other_containers(suffix: str, tmp_path: Path, coded_frame: Draw, codes: Codes) -> None:
    with VideoReader(write(tmp_path / "folder" / f"out{suffix}", [coded_frame(3), coded_frame(4)])) as reader:
        assert codes([image for image, _ in reader]) == [3, 4]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(error: type[BaseException], tmp_path: Path, coded_frame: Draw) -> None:
    (tmp_path / "old.mp4").write_bytes(b"old")
    for name in ("old.mp4", "new.mp4"):
        with pytest.raises(error), VideoWriter(tmp_path / name, fps=25) as writer:
            writer.write(coded_frame(0))
            raise error
    assert [path.name for path in tmp_path.iterdir()] == ["old.mp4"]
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


def test_a_full_disk_leaves_nothing(tmp_path: Path, coded_frame: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VideoWriter, "_finish", full)
    with pytest.raises(OSError, match="No space left"), VideoWriter(tmp_path / "out.mp4", fps=25) as writer:
        writer.write(coded_frame(0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(1, 100_000, 3), (20_000, 2, 3)])
@pytest.mark.parametrize("writer_of", [partial(VideoWriter, fps=25), GrowingVideoWriter])
def test_frames_that_h264_cannot_hold_are_refused(
    shape: tuple[int, int, int], writer_of: Callable[[Path], VideoWriter | GrowingVideoWriter], tmp_path: Path
) -> None:
    image = np.zeros(shape, np.uint8)
    message = f"^A copy in H.264 expects frames of at most 16384 pixels a side, got {shape[1]} x {shape[0]}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.raises(VideoError, match=message))
        writer = writer_of(tmp_path / "out.mp4")
        if isinstance(writer, GrowingVideoWriter):
            writer.write(image, 0.0)
        else:
            stack.enter_context(writer).write(image)


def test_no_frames_make_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(VideoError, match=r"out\.mp4: no frame was written\."),
        VideoWriter(tmp_path / "out.mp4", fps=9),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_misuse(tmp_path: Path, coded_frame: Draw) -> None:
    with pytest.raises(UserError, match=r"ends in \.mp4, \.m4v, \.mov, \.mkv, got 'out\.avi'"):
        VideoWriter(tmp_path / "out.avi", fps=25)
    with pytest.raises(UserError, match=r"rate expects a positive number, got 0"):
        VideoWriter(tmp_path / "out.mp4", fps=0)
    with pytest.raises(UserError, match=r"in a `with` block"):
        VideoWriter(tmp_path / "out.mp4", fps=25).write(coded_frame(0))
    with pytest.raises(UserError, match=r"uint8 images .*, got float64 \(1, 4, 4, 3\)"):
        write(tmp_path / "out.mp4", [np.zeros((4, 4, 3))])
    with pytest.raises(UserError, match=r"all frames \(96, 160, 3\), as the first, got \(98, 160, 3\)"):
        write(tmp_path / "out.mp4", [coded_frame(0), coded_frame(0, 98, 160)])
    assert list(tmp_path.iterdir()) == []
