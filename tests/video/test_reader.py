"""Every way of asking for a frame gives the frame that is on screen at that time."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from video_kinds import INSTALLED, KINDS, needs_decord

from vidseq.errors import UserError, VideoError
from vidseq.video.probing import probe
from vidseq.video.pyav_decoder import PyavDecoder
from vidseq.video.reader import VideoReader
from vidseq.video.resizing import Size

Make = Callable[..., Path]
Codes = Callable[..., list[int]]


@pytest.mark.parametrize(("name", "options", "decoder", "reason"), KINDS, ids=[kind[0] for kind in KINDS])
def test_every_frame_of_every_kind(
    name: str, options: dict[str, Any], decoder: str, reason: str, coded_video: Make, codes: Codes
) -> None:
    with VideoReader(coded_video(name, **options)) as reader:
        images, times = zip(*reader)
        assert codes([np.rot90(image, -reader.info.rotation // 90) for image in images]) == list(
            range(options.get("count", 40))
        )
        assert list(times) == reader.info.pts_seconds.tolist()
        steady = np.arange(len(reader)) / float(options.get("fps", 30))
        np.testing.assert_allclose(times, steady, atol=6e-3 if name.endswith("gif") else 1.1e-3)
        if "decord" in INSTALLED:
            assert reader.info.decoder == decoder
            assert re.search(reason, reader.info.reason)


@pytest.fixture(scope="module")
def groups(coded_video: Make) -> Path:
    """60 frames at 30 a second, in groups of 12, with B-frames that others refer to and B-frames that none do."""
    return coded_video("groups.mp4", count=60, options={"bf": "3", "b-pyramid": "normal", "g": "12"})


@needs_decord
@pytest.mark.parametrize("name", ["plain.mp4", "b_frames.mp4", "plain.mkv", "hevc.mp4", "vp9.webm", "alpha.mov"])
def test_both_decoders_give_the_same_pictures(name: str, coded_video: Make) -> None:
    options = next(kind[1] for kind in KINDS if kind[0] == name)
    by_decoder = []
    for decoder in ("decord", "pyav"):
        with VideoReader(coded_video(name, **options), decoder=decoder) as reader:
            assert reader.info.decoder == decoder
            by_decoder.append(np.stack([image for image, _ in reader]).astype(int))
    assert np.abs(by_decoder[0] - by_decoder[1]).max() <= 2


@given(wanted=st.lists(st.integers(0, 59), min_size=1, max_size=20, unique=True), open_groups=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_leaving_packets_out_changes_no_pixel(
    wanted: list[int], open_groups: bool, groups: Path, coded_video: Make
) -> None:
    options = {"x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}
    path = coded_video("open_60.mkv", count=60, options=options) if open_groups else groups
    info = probe(path, decoder="pyav")
    assert info.packets.leading == open_groups
    assert info.packets.starts_group.sum() == (1 if open_groups else 5)
    numbers = np.array(sorted(wanted))
    decoder = PyavDecoder(info.path, info.stream, info.orientation, info.packets)
    fast = dict(decoder.decode(numbers))
    whole = dict(decoder.decode(np.arange(60)))
    assert list(fast) == numbers.tolist()
    assert all(np.array_equal(fast[number], whole[number]) for number in fast)


def test_packets_without_effect_are_not_decoded(groups: Path) -> None:
    info = probe(groups, decoder="pyav")
    fed, own = info.packets.plan(np.array([30]), True)
    assert own.sum() == 1
    assert fed.sum() <= 12  # a part of one group
    decoder = PyavDecoder(info.path, info.stream, info.orientation, info.packets)
    assert len(list(decoder._decode(*info.packets.plan(np.array([0, 59]), True)))) < 24


@given(data=st.data(), decoder=st.sampled_from(INSTALLED))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_at_any_times(data: st.DataObject, decoder: str, groups: Path, codes: Codes) -> None:
    times = data.draw(st.lists(st.floats(0, 2), min_size=1, max_size=6))
    with VideoReader(groups, decoder=decoder) as reader:
        frames = reader.frames_at(times)
        shown = reader.info.pts_seconds
    assert len(frames) == len(times)
    assert frames.pts_seconds.tolist() == times
    for time, code, seconds in zip(times, codes(frames.images), frames.picture_seconds):
        slow = max(number for number in range(60) if shown[number] <= time + reader.info.tick_seconds / 2 + 1e-9)
        assert code == slow
        assert seconds == shown[slow]


@given(
    fps=st.fractions(Fraction(1, 3), 70, max_denominator=1001),
    start=st.floats(0, 1.9),
    length=st.floats(0.05, 2),
    chunk=st.integers(1, 50),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sampling_is_frames_at_in_chunks(
    fps: Fraction, start: float, length: float, chunk: int, groups: Path, codes: Codes
) -> None:
    with VideoReader(groups, decoder="pyav") as reader:
        end = min(2.0, start + length)
        pieces = list(reader.sample(fps, start=start, end=end, chunk=chunk))
        times = [start + k / float(fps) for k in range(200) if start + k / float(fps) < end]
        at_once = reader.frames_at(times)
    assert [len(piece) for piece in pieces[:-1]] == [chunk] * (len(pieces) - 1)
    assert 1 <= len(pieces[-1]) <= chunk
    assert [code for piece in pieces for code in codes(piece.images)] == codes(at_once.images)
    np.testing.assert_allclose(
        np.concatenate([piece.pts_seconds for piece in pieces]), at_once.pts_seconds, atol=1e-12
    )
    np.testing.assert_array_equal(np.concatenate([piece.picture_seconds for piece in pieces]), at_once.picture_seconds)


@pytest.mark.parametrize("name", ["variable.mp4", "variable.mkv"])
@pytest.mark.parametrize("decoder", INSTALLED)
def test_variable_rate_keeps_true_times(name: str, decoder: str, coded_video: Make, codes: Codes) -> None:
    times = [0, 40, 80, 1000, 1033, 1066, 5000, 5001, 9000]
    with VideoReader(coded_video(name, count=9, times=times), decoder=decoder) as reader:
        np.testing.assert_allclose(reader.info.pts_seconds, np.array(times) / 1000, atol=1e-9)
        assert codes(reader.frames_at([0.9, 4.999, 0.08, 8.99, 5.001]).images) == [2, 5, 2, 7, 7]
        sampled = next(reader.sample(1))
        assert codes(sampled.images) == [0, 3, 5, 5, 5, 6, 7, 7, 7, *([8] * (len(sampled) - 9))]
        assert sampled.pts_seconds.tolist() == list(range(len(sampled)))
        shown = [0, 1, 1.066, 1.066, 1.066, 5, 5.001, 5.001, 5.001, *([9] * (len(sampled) - 9))]
        np.testing.assert_allclose(sampled.picture_seconds, shown, atol=1e-9)


def test_matroska_rounding_does_not_lose_a_frame(coded_video: Make, codes: Codes) -> None:
    with VideoReader(coded_video("plain.mkv")) as reader:
        assert codes(reader.frames_at([number / 30 for number in range(40)]).images) == list(range(40))


def test_rotated_files_stand_upright(coded_video: Make, coded_frame: Callable[..., np.ndarray]) -> None:
    for name, rotation in (("left.mp4", 90), ("upside_down.mp4", 180), ("right.mp4", -90)):
        with VideoReader(coded_video(name, rotation=rotation)) as reader:
            turned = np.rot90(coded_frame(5), rotation // 90)
            assert reader.info.rotation == rotation % 360
            assert (reader.info.height, reader.info.width) == turned.shape[:2]
            image = reader.frames_at([5 / 30]).images[0]
            assert np.abs(image.astype(int) - turned).mean() < 12


@needs_decord
def test_edit_lists_hide_frames(coded_video: Make, remux: Make, tmp_path: Path, codes: Codes) -> None:
    source = coded_video("one_group.mp4", options={"g": "60", "sc_threshold": "0"})
    cut = remux(source, tmp_path / "cut.mp4", shift=-10 * 512, options={"avoid_negative_ts": "disabled"})
    with VideoReader(cut) as reader:
        assert reader.info.decoder == "pyav"
        assert "edit list" in reader.info.reason
        assert codes([image for image, _ in reader]) == list(range(10, 40))
        assert codes(reader.frames_at([0, 0.5]).images) == [10, 25]
    with pytest.raises(VideoError, match=r"decord cannot be trusted with this file: an edit list hides frames"):
        VideoReader(cut, decoder="decord")


@needs_decord
def test_packets_that_show_nothing_are_no_frames(coded_video: Make, tmp_path: Path, codes: Codes) -> None:
    """VP8 files hold such packets for other frames to refer to; here the bit that shows a frame is cleared in one."""
    source = coded_video("shown.webm", codec="libvpx", options={"auto-alt-ref": "0"})
    path = tmp_path / "hidden.webm"
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for position, packet in enumerate(given.demux(video=0)):
            if packet.size:
                data = bytearray(bytes(packet))
                data[0] &= 0xFF if position != 5 else 0xEF
                copy = av.Packet(bytes(data))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                made.mux(copy)
    with VideoReader(path) as reader:
        assert reader.info.reason.endswith("some packets show no frame")
        assert codes([image for image, _ in reader]) == [*range(5), *range(6, 40)]
        assert codes(reader.frames_at([5.2 / 30, 7 / 30]).images) == [4, 7]


def test_a_late_start_is_time_zero(coded_video: Make, remux: Make, tmp_path: Path, codes: Codes) -> None:
    with VideoReader(remux(coded_video("plain.mp4"), tmp_path / "late.mkv", shift=512 * 300)) as reader:
        assert reader.info.start_seconds == pytest.approx(10, abs=0.01)
        assert reader.info.pts_seconds[0] == 0
        assert codes(reader.frames_at([0, 1.0]).images) == [0, 30]


@pytest.mark.parametrize("name", ["headless.ts", "headless.mkv"])
def test_frames_before_the_first_keyframe_are_not_shown(
    name: str, coded_video: Make, remux: Make, tmp_path: Path, codes: Codes
) -> None:
    source = coded_video("tails.mp4", options={"g": "10", "sc_threshold": "0"})
    with VideoReader(remux(source, tmp_path / name, drop=5)) as reader:
        assert codes([image for image, _ in reader]) == list(range(10, 40))
        assert reader.info.pts_seconds[0] == 0


@needs_decord
def test_streams_are_chosen_by_number(tmp_path: Path, coded_frame: Callable[..., np.ndarray], codes: Codes) -> None:
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=10) for _ in range(2)]
        for which, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 160 * (which + 1), 96 * (which + 1), "yuv420p"
        for number in range(5):
            for which, stream in enumerate(streams):
                image = coded_frame(number + 100 * which, stream.height, stream.width)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode(None))
    with VideoReader(path) as reader:
        assert reader.info.stream == 0
        assert codes(reader.frames_at([0.2]).images) == [2]
        assert "another video stream" in reader.info.reason
    with VideoReader(path, stream=1) as reader:
        assert (reader.info.stream, reader.info.width) == (1, 320)
        assert codes(reader.frames_at([0.2]).images) == [102]
    with pytest.raises(VideoError, match=r"two\.mp4: stream 2 is no video stream\. Video streams: 0, 1\."):
        VideoReader(path, stream=2)


@pytest.mark.parametrize("decoder", INSTALLED)
def test_frames_are_resized_on_the_way(decoder: str, groups: Path, codes: Codes) -> None:
    with VideoReader(groups, decoder=decoder, size=Size(64, "whole")) as reader:
        assert reader.size is not None
        frames = reader.frames_at([1.0, 0.0])
        assert frames.images.shape[1:3] == reader.size.output(96, 160)
        assert codes(frames.images) == [30, 0]
        assert next(reader.sample(1)).images.shape[1:3] == frames.images.shape[1:3]
    with VideoReader(groups, decoder=decoder, size=Size(64)) as reader:
        assert reader.frames_at([0]).images.shape == (1, 64, 64, 3)


def test_no_times_give_no_frames(groups: Path) -> None:
    with VideoReader(groups, size=Size(32)) as reader:
        assert reader.frames_at([]).images.shape == (0, 32, 32, 3)


@pytest.mark.parametrize("time", [-0.1, 2.1, float("nan"), float("inf")])
def test_times_outside_the_video(time: float, groups: Path) -> None:
    with (
        VideoReader(groups) as reader,
        pytest.raises(UserError, match=r"expects times from 0 to 2 s, got .* 0 is the"),
    ):
        reader.frames_at([0.5, time])


def test_ranges_outside_the_video(groups: Path) -> None:
    with VideoReader(groups) as reader:
        with pytest.raises(UserError, match=r"0 <= start < end <= 2 s \(the video's end\), got 2\.5 to 2\.0 s"):
            reader.sample(4, start=2.5)
        with pytest.raises(UserError, match=r"got 0\.0 to 3 s"):
            reader.sample(4, end=3)
        with pytest.raises(UserError, match=r"chunk of at least 1 frame, got 0"):
            reader.sample(4, chunk=0)
