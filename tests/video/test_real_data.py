"""Real files: phone clips held every way, several streams, variable rates, a corrupted one."""

import os
from pathlib import Path

import numpy as np
import pytest

from vidseq.errors import VideoError
from vidseq.video.reader import VideoReader
from vidseq.video.resizing import Size

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("VIDSEQ_DATA" not in os.environ, reason="VIDSEQ_DATA does not name the folder of real data"),
]
VIDEOS = Path(os.environ.get("VIDSEQ_DATA", ".")) / "videos"


def test_every_file_is_read_or_refused_in_one_line() -> None:
    paths = sorted(path for path in VIDEOS.rglob("*") if path.suffix in (".mp4", ".mkv", ".mov"))
    assert len(paths) > 20
    for path in paths:
        if path.name == "corrupted.mp4":
            continue
        with VideoReader(path, size=Size(96)) as reader:
            count = sum(len(frames) for frames in reader.sample(4))
            assert count == int(np.ceil(reader.info.duration_seconds * 4 - 1e-9)), path.name


def test_both_decoders_agree() -> None:
    for path in sorted(VIDEOS.glob("**/*.mkv")):
        with VideoReader(path, size=Size(96)) as ours, VideoReader(path, size=Size(96), decoder="pyav") as other:
            for left, right in zip(ours.sample(5), other.sample(5), strict=True):
                np.testing.assert_array_equal(left.pts_seconds, right.pts_seconds)
                assert np.abs(left.images.astype(int) - right.images).max() <= 2, path.name


def test_the_corrupted_file() -> None:
    path = VIDEOS / "awkward" / "corrupted.mp4"
    with pytest.raises(VideoError, match=r"corrupted\.mp4: damaged at 3\.00 s of 5\.00 s") as raised:
        list(VideoReader(path))
    assert len(str(raised.value).splitlines()) == 1
    with VideoReader(path, skip_bad=True) as reader:
        times = [time for _, time in reader]
        assert len(reader) == 50
        assert times == pytest.approx([number / 10 for number in range(len(times))])
        assert 25 < len(times) < 32


@pytest.mark.parametrize(("name", "rotation"), [("0", 0), ("90", 270), ("180", 180), ("270", 90)])
def test_phone_clips_stand_upright(name: str, rotation: int) -> None:
    with VideoReader(VIDEOS / "awkward" / f"video_{name}.mov") as reader:
        info = reader.info
        assert info.rotation == rotation
        assert (info.width, info.height) == ((320, 568) if name in ("90", "270") else (568, 320))
        assert reader.frames_at([0]).images.shape[1:3] == (info.height, info.width)


def test_two_video_streams() -> None:
    path = VIDEOS / "nasa_13013.mp4"
    with VideoReader(path) as first, VideoReader(path, stream=3) as other:
        assert (first.info.stream, first.info.width, first.info.num_frames) == (0, 320, 325)
        assert (other.info.stream, other.info.width, other.info.num_frames) == (3, 480, 390)
