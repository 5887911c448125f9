"""Damaged files: one clear error by default, the good part when asked for."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from video_kinds import needs_decord

from vidseq.errors import VideoError
from vidseq.video.probing import probe
from vidseq.video.reader import VideoReader

Make = Callable[..., Path]
Codes = Callable[..., list[int]]
GROUPS = {"count": 60, "options": {"g": "12", "sc_threshold": "0"}}


def cut(source: Path, path: Path, part: float = 0.6) -> Path:
    data = source.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    return path


def spoil(source: Path, path: Path, packet: int, keep: float = 0.0) -> Path:
    """Overwrites one packet, but for its head and a part to keep."""
    with av.open(str(source)) as container:
        target = [packet for packet in container.demux(video=0) if packet.size][packet]
        at, size = target.pos, target.size
    assert at is not None
    data = bytearray(source.read_bytes())
    first = at + max(4, int(keep * size))
    data[first : at + size] = b"\x55" * (at + size - first)
    path.write_bytes(bytes(data))
    return path


CUT_SHORT = [
    (
        "front.mp4",
        {"container_options": {"movflags": "+faststart"}},
        r"got \d+ of 60 frames, the file ends at [01]\.\d+ s",
    ),
    ("cut.mkv", {}, r"cut short, \d+ of \d+ bytes: the file ends at [01]\.\d+ s"),
    ("cut.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "g": "12"}}, r"cut short, \d+ of \d+ bytes"),
    ("cut.avi", {"codec": "mpeg4"}, r"1 of \d+ packets are damaged, the first at [01]\.\d+ s|cut short"),
]


@pytest.mark.parametrize(("name", "options", "message"), CUT_SHORT, ids=[case[0] for case in CUT_SHORT])
def test_files_cut_short(
    name: str, options: dict[str, object], message: str, coded_video: Make, tmp_path: Path, codes: Codes
) -> None:
    path = cut(coded_video(f"whole_{name}", **{**GROUPS, **options}), tmp_path / name)
    with pytest.raises(VideoError, match=message) as raised:
        VideoReader(path)
    assert "\n" not in str(raised.value)
    with VideoReader(path, skip_bad=True) as reader:
        images, times = zip(*reader)
        assert 10 < len(images) < 55
        assert codes(images) == [round(time * 30) for time in times]


def test_an_index_at_the_end_is_lost(coded_video: Make, tmp_path: Path) -> None:
    path = cut(coded_video("whole_back.mp4", **GROUPS), tmp_path / "back.mp4")
    for skip_bad in (False, True):
        with pytest.raises(VideoError, match=r"back\.mp4: an incomplete mp4: its index \(moov\) is missing"):
            VideoReader(path, skip_bad=skip_bad)


def test_an_index_that_cannot_be_read(coded_video: Make, tmp_path: Path) -> None:
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    whole = coded_video("whole_fragments.mp4", **GROUPS, container_options=fragments)
    with pytest.raises(
        VideoError, match=r"a damaged mp4: its index \(moov\) cannot be read|packets are damaged|cut short"
    ):
        VideoReader(cut(whole, tmp_path / "fragments.mp4"))


@pytest.mark.parametrize("packet", [12, 20, 30])
@pytest.mark.parametrize("decoder", ["auto", "pyav"])
def test_a_spoilt_packet(packet: int, decoder: str, coded_video: Make, tmp_path: Path, codes: Codes) -> None:
    path = spoil(coded_video("whole_plain.mkv", **GROUPS), tmp_path / "spoilt.mkv", packet)
    with VideoReader(path, decoder=decoder) as reader:
        with pytest.raises(
            VideoError, match=r"spoilt\.mkv: damaged at [01]\.\d\d s of 2\.00 s: .*--skip-bad"
        ) as raised:
            list(reader)
        assert reader.info.decoder == "pyav"
    broke = float(str(raised.value).split("damaged at ")[1].split(" ")[0])
    assert abs(broke - packet / 30) < 0.2
    with VideoReader(path, decoder=decoder, skip_bad=True) as reader:
        images, times = zip(*reader)
        shown = codes(images)
        assert shown == [round(time * 30) for time in times]
        group = packet // 12 * 12
        assert set(range(group)) <= set(shown)
        assert set(range(group + 12, 60)) <= set(shown), "the next group is whole again"
        assert len(shown) < 60
        left = [round(seconds * 30) for piece in reader.sample(30) for seconds in piece.pts_seconds]
        assert left == shown
        some = reader.frames_at([0.0, (packet + 0.5) / 30, 1.9])
        assert codes(some.images) == [number for number in (0, packet, 57) if number in shown]


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.8])
def test_frames_that_refer_to_damage_are_left_out(keep: float, coded_video: Make, tmp_path: Path) -> None:
    """What is given is exactly what a whole file gives, although B-frames are shown before the damage."""
    source = coded_video(
        "many_b.mkv", count=60, options={"g": "30", "bf": "3", "sc_threshold": "0", "b_strategy": "0"}
    )
    whole = {time: image for image, time in VideoReader(source, decoder="pyav")}
    for packet in range(9, 16):
        path = spoil(source, tmp_path / f"{packet}.mkv", packet, keep)
        given = [(time, image) for image, time in VideoReader(path, decoder="pyav", skip_bad=True)]
        assert all(np.array_equal(image, whole[time]) for time, image in given), packet


@needs_decord
def test_skipping_damage_needs_a_decoder_that_notices_it(coded_video: Make) -> None:
    path = coded_video("whole_plain.mkv", **GROUPS)
    assert VideoReader(path).info.decoder == "decord"
    info = VideoReader(path, skip_bad=True).info
    assert (info.decoder, info.reason) == ("pyav", "decord does not report which frames are damaged")


@needs_decord
def test_damage_is_told_by_the_probe(coded_video: Make, tmp_path: Path) -> None:
    path = cut(coded_video("whole_cut.mkv", **GROUPS), tmp_path / "told.mkv")
    info = probe(path)
    assert info.damage.startswith("cut short")
    assert (info.decoder, info.reason) == ("pyav", "decord cannot be trusted: the file is damaged")
    assert probe(coded_video("whole_cut.mkv", **GROUPS)).damage == ""


def test_a_stream_without_times_stops_at_damage(coded_video: Make, tmp_path: Path, codes: Codes) -> None:
    path = spoil(coded_video("whole.avi", codec="mpeg4", **GROUPS), tmp_path / "spoilt.avi", 30)
    with pytest.raises(VideoError, match=r"spoilt\.avi: damaged at [01]\.\d\d s of 2\.00 s"):
        list(VideoReader(path))
    shown = codes([image for image, _ in VideoReader(path, skip_bad=True)])
    assert shown[:30] == list(range(30))
    assert 30 not in shown


@pytest.mark.parametrize("name", ["flipped.mp4", "flipped.mkv", "flipped.ts", "flipped.avi"])
def test_random_damage_gives_an_error_or_frames(name: str, coded_video: Make, tmp_path: Path) -> None:
    whole = coded_video(f"whole_{name}", **GROUPS).read_bytes()
    random = np.random.default_rng(0)
    for attempt in range(6):
        data = bytearray(whole)
        for at in random.integers(0, len(data), size=8):
            data[at] ^= 1 << int(random.integers(8))
        path = tmp_path / f"{attempt}_{name}"
        path.write_bytes(bytes(data))
        for skip_bad in (False, True):
            try:
                times = [time for _, time in VideoReader(path, skip_bad=skip_bad)]
            except VideoError as error:
                assert len(str(error).splitlines()) == 1
            else:
                assert times == sorted(times)
