"""Clocks that jump, start anew or start late: work is bounded by pictures, and pictures keep their order."""

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidseq.errors import VideoError
from vidseq.inference.predictions import Prediction
from vidseq.inference.row_file import RowFile
from vidseq.video.packets import MAX_HOLD_SECONDS
from vidseq.video.probing import probe
from vidseq.video.reader import VideoReader
from vidseq.video.resizing import Size

Make = Callable[..., Path]
Codes = Callable[..., list[int]]

DAY, YEAR = 86_400, 365 * 86_400


def jumping(jump_seconds: float, before: int = 15, after: int = 15) -> list[int]:
    """Times in milliseconds of pictures at 10 a second, with a jump."""
    return [100 * index + (0 if index < before else int(1000 * jump_seconds)) for index in range(before + after)]


def counted_on(stream: bytes) -> bytes:
    """Numbers the 188-byte packets of a transport stream anew, for each part (13 bits behind the sync byte)."""
    packets, counters = bytearray(stream), dict[int, int]()
    for at in range(0, len(packets), 188):
        part = int.from_bytes(packets[at + 1 : at + 3], "big") & 0x1FFF
        if packets[at + 3] & 0x10:  # it has a payload
            counters[part] = counters.get(part, -1) + 1
        packets[at + 3] = packets[at + 3] & 0xF0 | counters.get(part, 0) & 0x0F
    return bytes(packets)


@pytest.mark.parametrize(
    ("jump", "words"), [(54 * YEAR, r"54\.0 years"), (DAY, r"1\.0 days"), (2 * 3600, r"2\.0 hours")]
)
def test_a_jump_of_the_clock_is_one_line_at_once(jump: int, words: str, coded_video: Make) -> None:
    path = coded_video(f"jump_{jump}.mkv", count=30, times=jumping(jump))
    started = time.monotonic()
    with pytest.raises(
        VideoError, match=rf"jump_{jump}\.mkv: its clock jumps by {words} after the picture at 1\.40 s"
    ):
        VideoReader(path)
    assert time.monotonic() - started < 2


def test_with_skip_bad_the_part_before_a_jump_is_read(coded_video: Make, codes: Codes) -> None:
    path = coded_video("jump.mkv", count=30, times=jumping(3 * DAY))
    with VideoReader(path, skip_bad=True) as reader:
        assert reader.info.duration_seconds == pytest.approx(1.5)
        assert codes([image for image, _ in reader]) == list(range(15))
        assert sum(len(frames) for frames in reader.sample(4)) == 6


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jump=st.integers(1, 20 * YEAR), before=st.integers(1, 9))
def test_work_is_bounded_by_pictures_whatever_the_jump(jump: int, before: int, coded_video: Make) -> None:
    path = coded_video(f"jump_{jump}_{before}.mkv", count=10, times=jumping(jump, before, 10 - before))
    info = probe(path)
    assert info.duration_seconds <= 10 * (MAX_HOLD_SECONDS + 1)
    assert info.num_frames == (10 if jump + 0.1 <= MAX_HOLD_SECONDS else before)
    assert bool(info.damage) == (info.num_frames < 10)


def test_a_picture_that_stays_for_minutes_is_no_jump(coded_video: Make) -> None:
    with VideoReader(coded_video("slides.mkv", count=4, times=[0, 600_000, 1_200_000, 3_000_000])) as reader:
        assert reader.info.pts_seconds.tolist() == [0, 600, 1200, 3000]
        assert reader.info.damage == ""


@pytest.mark.parametrize("join", [counted_on, bytes])
def test_a_clock_that_starts_anew_goes_on_where_it_stopped(
    join: Callable[[bytes], bytes], coded_video: Make, codes: Codes, tmp_path: Path
) -> None:
    """Recorders and `cat` join transport streams: packets behind one another, with or without numbers that go on."""
    parts = [coded_video("part_a.ts", count=50, fps=25), coded_video("part_b.ts", count=50, fps=20, first=50)]
    path = tmp_path / "joined.ts"
    path.write_bytes(join(b"".join(part.read_bytes() for part in parts)))
    with VideoReader(path) as reader:
        images, times = zip(*reader)
        assert codes(images) == list(range(100))
        np.testing.assert_allclose(times[:50], np.arange(50) / 25, atol=2e-3)
        np.testing.assert_allclose(times[50:], 2 + np.arange(50) / 20, atol=2e-2)


def video_packets(stream: bytes) -> list[int]:
    """Where the 188-byte packets of the pictures lie in a transport stream (FFmpeg numbers the first part 256)."""
    return [at for at in range(0, len(stream), 188) if int.from_bytes(stream[at + 1 : at + 3], "big") & 0x1FFF == 256]


@pytest.fixture(name="going_on")
def two_parts(coded_video: Make) -> list[bytes]:
    """Two transport streams, of which the second begins when the first has ended."""
    parts = [
        coded_video(f"on_{first}.ts", count=20, fps=25, first=first, times=[40 * (first + n) for n in range(20)])
        for first in (0, 20)
    ]
    return [part.read_bytes() for part in parts]


def test_joined_streams_whose_times_go_on_are_whole(going_on: list[bytes], tmp_path: Path, codes: Codes) -> None:
    """As the parts of a stream that is sent in pieces; their packets are numbered anew, as if some had been lost."""
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(going_on))
    with VideoReader(path) as reader:
        assert reader.info.damage == ""
        images, times = zip(*reader)
        assert codes(images) == list(range(40))
        np.testing.assert_allclose(times, np.arange(40) / 25, atol=2e-3)


@pytest.mark.parametrize("overlap", [430, 610, 1400])
def test_the_pictures_of_parts_that_overlap_keep_their_order(
    overlap: int, coded_video: Make, tmp_path: Path, codes: Codes
) -> None:
    starts = {0: 0, 20: 2000 - overlap}
    parts = [
        coded_video(f"o_{first}.ts", count=20, fps=10, first=first, times=[start + 100 * n for n in range(20)])
        for first, start in starts.items()
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with VideoReader(path) as reader:
        images, times = zip(*reader)
        assert codes(images) == list(range(40))
        np.testing.assert_allclose(times, np.arange(40) / 10, atol=2e-3)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_loss_before_a_joint_is_damage(going_on: list[bytes], tmp_path: Path, lost: int) -> None:
    first = going_on[0]
    at = video_packets(first)[-lost]
    path = tmp_path / "lossy.ts"
    path.write_bytes(first[:at] + first[at + 188 :] + going_on[1])
    assert probe(path).damage != ""


@pytest.mark.parametrize("decoder", ["auto", "pyav"])
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_a_stream_that_starts_late_counts_from_its_first_picture(
    suffix: str, decoder: str, coded_video: Make, codes: Codes
) -> None:
    late = coded_video(f"late.{suffix}", count=20, times=[2500 + 100 * index for index in range(20)])
    with VideoReader(late, decoder=decoder, size=Size(64, "whole")) as reader:
        assert reader.info.pts_seconds[0] == 0
        assert reader.info.duration_seconds == pytest.approx(2, abs=0.07)
        times = np.concatenate([frames.pts_seconds for frames in reader.sample(4)])
        np.testing.assert_allclose(times, np.arange(8) / 4)


def with_sound(path: Path, video_from: float) -> Path:
    """A file whose sound begins at 0 s and whose pictures begin later; 10 pictures a second."""
    with av.open(str(path), "w") as file:
        video, sound = file.add_stream("mpeg4", rate=10), file.add_stream("pcm_s16le", rate=8000)
        assert isinstance(video, av.VideoStream) and isinstance(sound, av.AudioStream)
        video.width, video.height, sound.layout = 64, 48, "mono"
        silence = av.AudioFrame.from_ndarray(np.zeros((1, int(8000 * (video_from + 1))), np.int16), "s16", "mono")
        silence.sample_rate, silence.pts, silence.time_base = 8000, 0, Fraction(1, 8000)
        file.mux(sound.encode(silence))
        for number in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * number, np.uint8), "rgb24")
            picture.pts, picture.time_base = number + round(10 * video_from), Fraction(1, 10)
            file.mux(video.encode(picture))
        file.mux(video.encode(None))
    return path


@pytest.mark.parametrize("late", [0.0, 5.0])
def test_players_show_a_late_picture_late(tmp_path: Path, late: float) -> None:
    """Players count from the first sound or picture; pictures alone are counted from the first of them."""
    info = probe(with_sound(tmp_path / "a.mkv", late))
    assert info.player_seconds == pytest.approx(late, abs=0.002)
    assert info.pts_seconds[0] == 0


def test_subtitles_are_counted_as_players_do(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mkv", 5.0)
    row = Prediction(video="a", time=0.5, end=0.75, kind="frame_labels", answer="jump", probability=1.0)
    for name in ("rows.srt", "rows.jsonl"):
        rows = RowFile(tmp_path / name, {})
        rows.open([str(path)])
        rows.begin_video(str(path))
        rows.write([row])
        rows.finish()
    assert "00:00:05,500 --> 00:00:05,750\njump" in (tmp_path / "rows.srt").read_text()
    assert '"time": 0.5, "end": 0.75' in (tmp_path / "rows.jsonl").read_text()


@pytest.mark.parametrize("fps", [10, 50])
def test_a_stream_without_a_container_keeps_its_rate(fps: int, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "camera.h264"), "w", format="h264") as output:
        stream = output.add_stream("libx264", rate=fps, options={"bf": "2", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    info = probe(tmp_path / "camera.h264")
    assert info.fps == fps
    assert info.duration_seconds == pytest.approx(20 / fps)
    np.testing.assert_allclose(info.pts_seconds, np.arange(20) / fps)
