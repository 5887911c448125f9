"""What a file is said to hold, and one clear line for each file that is no video."""

import os
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from video_kinds import needs_decord

from vidseq.errors import UserError, VideoError
from vidseq.video import decord_decoder
from vidseq.video.length import mp4_boxes, promised_bytes
from vidseq.video.probing import probe

Make = Callable[..., Path]


@needs_decord
def test_facts_of_a_plain_file(coded_video: Make) -> None:
    info = probe(coded_video("facts.mp4", fps=Fraction(30000, 1001)))
    assert (info.container, info.codec, info.stream, info.rotation) == ("mp4", "h264", 0, 0)
    assert (info.width, info.height, info.num_frames) == (160, 96, 40)
    assert info.fps == Fraction(30000, 1001)
    assert info.duration_seconds == pytest.approx(40 * 1001 / 30000)
    assert info.start_seconds == 0
    np.testing.assert_allclose(info.pts_seconds, np.arange(40) * 1001 / 30000)
    assert info.pts_seconds.dtype == np.float64
    assert (info.decoder, info.decoder_version) == ("decord", decord_decoder.version())
    assert info.reason == "its times agree with the packet index"
    assert info.damage == ""
    asked = probe(info.path, decoder="pyav")
    assert (asked.decoder, asked.decoder_version, asked.reason) == ("pyav", av.__version__, "asked for")


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.write_bytes(b"x")
    with pytest.raises(VideoError, match=r"a name that is not UTF-8\. Rename it\."):
        probe(path)


@pytest.mark.parametrize("inside", [True, False])
def test_a_list_of_other_files_is_no_video(coded_video: Make, tmp_path: Path, inside: bool) -> None:
    (tmp_path / "data").mkdir()
    other = tmp_path / ("data" if inside else "") / "b.mp4"
    other.write_bytes(coded_video("listed.mp4").read_bytes())
    path = tmp_path / "data" / "a.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {'' if inside else '../'}b.mp4\n")
    with pytest.raises(VideoError, match=r"a\.mp4: a list of other files \(concat\), not a video\."):
        probe(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4: there is no such file\."):
        probe(tmp_path / "gone.mp4")


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _empty(path: Path) -> None:
    path.touch()


def _text(path: Path) -> None:
    path.write_text("This is no video.\n" * 200)


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(20_000))


def _picture(path: Path) -> None:
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(path)


def _sound(path: Path) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))


def _sound_in_mp4(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _no_frames(path: Path) -> None:
    with av.open(str(path), "w", options={"movflags": "empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()


NO_VIDEOS = [
    ("folder.mp4", _folder, r"folder\.mp4: a folder, not a video file\."),
    ("pipe.mp4", _pipe, r"pipe\.mp4: no file, such as a named pipe or a device\."),
    ("empty.mp4", _empty, r"empty\.mp4: an empty file \(0 bytes\)\."),
    ("text.mp4", _text, r"text\.mp4: not a video"),
    ("text.txt", _text, r"text\.txt: not a video"),
    ("noise.mkv", _noise, r"noise\.mkv: not a video"),
    ("picture.png", _picture, r"picture\.png: an image \(.*\), not a video\."),
    ("picture.jpg", _picture, r"picture\.jpg: an image \(.*\), not a video\."),
    ("sound.wav", _sound, r"sound\.wav: no video stream, only audio\."),
    ("sound.mp4", _sound_in_mp4, r"sound\.mp4: no video stream, only audio\."),
    ("nothing.mp4", _no_frames, r"nothing\.mp4: a video stream with zero frames\."),
]


@pytest.mark.parametrize(("name", "make", "message"), NO_VIDEOS, ids=[case[0] for case in NO_VIDEOS])
def test_files_that_are_no_video(name: str, make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    with pytest.raises(VideoError, match=message) as raised:
        probe(tmp_path / name)
    assert len(str(raised.value).splitlines()) == 1


def test_unknown_decoder(coded_video: Make) -> None:
    with pytest.raises(UserError, match=r"expects a decoder, got 'ffmpeg'\. Known decoders: auto, decord, pyav\."):
        probe(coded_video("facts.mp4"), decoder="ffmpeg")


def test_names_that_look_like_protocols(coded_video: Make, tmp_path: Path) -> None:
    path = tmp_path / "concat:50% a b#é.mp4"
    path.write_bytes(coded_video("facts.mp4").read_bytes())
    assert probe(path).num_frames == 40


def test_cover_pictures_are_never_chosen(coded_video: Make, tmp_path: Path) -> None:
    path = tmp_path / "covered.mkv"
    with av.open(str(path), "w") as container, av.open(str(coded_video("facts.mp4"))) as given:
        cover = container.add_stream("mjpeg", rate=30)
        cover.width, cover.height, cover.pix_fmt = 600, 600, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        copied = container.add_stream_from_template(given.streams.video[0])
        picture = av.VideoFrame.from_ndarray(np.zeros((600, 600, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(picture.reformat(format="yuvj420p")))
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = copied
                container.mux(packet)
    info = probe(path)
    assert (info.codec, info.width, info.num_frames) == ("h264", 160, 40)
    assert info.decoder == "pyav"


@needs_decord
def test_long_groups_are_kept_from_decord(coded_video: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decord_decoder, "GROUP_BYTES", 1 << 20)
    info = probe(coded_video("facts.mp4"))
    assert info.decoder == "pyav"
    assert info.reason.endswith("keyframes are so far apart that it would hold over 1 MB of frames")


@needs_decord
def test_other_times_are_noticed(coded_video: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late:
        def __len__(self) -> int:
            return 40

        def get_frame_timestamp(self, numbers: range) -> np.ndarray:
            starts = np.array(numbers) / 29
            return np.stack([starts, starts], axis=1)

    monkeypatch.setattr(decord_decoder, "_open", lambda path: Late())
    assert probe(coded_video("facts.mp4")).reason.endswith("its times differ from the packet index")
    monkeypatch.setattr(Late, "__len__", lambda self: 41)
    assert probe(coded_video("facts.mp4")).reason.endswith("it finds 41 frames where the packet index has 40")


@pytest.mark.parametrize("name", ["facts.mp4", "whole.mkv", "whole.webm", "small.avi", "whole.mov"])
def test_whole_files_have_the_promised_length(name: str, coded_video: Make) -> None:
    options = {"webm": {"codec": "libvpx"}, "avi": {"codec": "mpeg4"}}.get(name.split(".")[1], {})
    path = coded_video(name, **options)
    assert promised_bytes(path) == path.stat().st_size


def test_other_files_promise_nothing(coded_video: Make, tmp_path: Path) -> None:
    assert promised_bytes(coded_video("plain.ts")) is None
    _noise(tmp_path / "noise")
    assert promised_bytes(tmp_path / "noise") is None
    assert b"moov" in {name for name, _ in mp4_boxes(coded_video("facts.mp4"))}
