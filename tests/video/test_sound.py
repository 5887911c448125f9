"""A copy with new pictures keeps the sound of its video, at the same moments."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidseq.inference.overlay import save_annotated_video
from vidseq.video.writer import VideoWriter

RATE = 16000


def make(path: Path, *, codec: str = "aac", sound_seconds: float = 2.0, late_seconds: float = 0.0) -> Path:
    """A video of 2 s whose pictures begin late, with a click each half second of its sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream(codec, rate=RATE)
        sound.codec_context.layout = "mono"
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(1000 * late_seconds) + 100 * index, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = np.zeros(int(RATE * sound_seconds), np.float32)
        for click in range(0, len(wave), RATE // 2):
            wave[click : click + 800] = 0.8 * np.sin(np.arange(800))
        for start in range(0, len(wave) - 1023, 1024):
            piece = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = RATE, start, Fraction(1, RATE)
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path


def clicks(path: Path) -> list[float]:
    """When clicks begin, in seconds since the first picture."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).time or 0.0
    times: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray().ravel()) > 0.2)
            if len(loud):
                times.append((frame.time or 0.0) + loud[0] / RATE - first)
    return [time for time, before in zip(times, [-1.0, *times]) if time - before > 0.2]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("late_seconds", [0.0, 0.7])
def test_sound_is_heard_at_the_same_pictures(tmp_path: Path, name: str, suffix: str, late_seconds: float) -> None:
    source, copy = make(tmp_path / name, late_seconds=late_seconds), tmp_path / f"copy{suffix}"
    save_annotated_video(source, copy, [])
    expected = [time for time in clicks(source) if time > 0.03]
    assert len(expected) >= 2
    copied = [time for time in clicks(copy) if time > 0.03]
    np.testing.assert_allclose(copied, expected, atol=0.01)


@pytest.mark.parametrize("codec", ["aac", "mp3", "libopus", "flac", "pcm_s16le", "mp2"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".m4v"])
def test_every_file_keeps_what_it_can_hold(
    tmp_path: Path, codec: str, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_annotated_video(make(tmp_path / "a.mkv", codec=codec, sound_seconds=0.5), tmp_path / f"copy{suffix}", [])
    with av.open(str(tmp_path / f"copy{suffix}")) as container:
        assert len(container.streams.audio) == ("is left out of the copy" not in capsys.readouterr().err)


def test_sound_that_goes_on_after_the_last_picture_is_kept(tmp_path: Path) -> None:
    save_annotated_video(make(tmp_path / "a.mp4", sound_seconds=5.0), tmp_path / "copy.mp4", [])
    assert clicks(tmp_path / "copy.mp4")[-1] > 4.4


def test_sound_that_is_left_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make(tmp_path / "a.mkv", codec="pcm_s16le")
    save_annotated_video(source, tmp_path / "copy.mp4", [])
    assert capsys.readouterr().err == (
        f"vidseq: the sound of {source} is left out of the copy: .mp4 cannot hold what is coded as pcm_s16le.\n"
    )
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert not container.streams.audio


def test_a_video_without_sound_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_annotated_video(make(tmp_path / "a.mp4"), tmp_path / "with.mp4", [])
    with VideoWriter(tmp_path / "silent.mp4", fps=10) as writer:
        writer.write(np.zeros((5, 48, 64, 3), np.uint8))
    save_annotated_video(tmp_path / "silent.mp4", tmp_path / "copy.mp4", [])
    assert not capsys.readouterr().err
