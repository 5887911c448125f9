"""Tools that play videos count from the first sound; data sets count from the first picture."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.errors import DataError
from vidseq.exporters import EXPORTERS, export_dataset
from vidseq.importers import IMPORTERS
from vidseq.timeline.builder import TimelineBuilder
from vidseq.timeline.page import render_timeline
from vidseq.video.probing import player_seconds, probe

LATE = 2.0
SEGMENTS = [Segment(video="v", start=0, end=0.5, label="sit"), Segment(video="v", start=0.5, end=1.5, label="jump")]
PLAYED = {"webvtt": ("00:00:02.500", "00:00:03.500"), "elan": ('"2500"', '"3500"'), "via": ("2.5", "3.5")}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video whose sound begins two seconds before its two seconds of pictures."""
    folder = tmp_path_factory.mktemp("films")
    with av.open(str(folder / "v.mkv"), "w") as file:
        video, sound = file.add_stream("mpeg4", rate=10), file.add_stream("pcm_s16le", rate=8000)
        assert isinstance(video, av.VideoStream) and isinstance(sound, av.AudioStream)
        video.width, video.height, sound.layout = 64, 48, "mono"
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4 * 8000), np.int16), "s16", "mono")
        silence.sample_rate, silence.pts, silence.time_base = 8000, 0, Fraction(1, 8000)
        file.mux(sound.encode(silence))
        for number in range(20):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8), "rgb24")
            picture.pts, picture.time_base = number + 10 * LATE, Fraction(1, 10)
            file.mux(video.encode(picture))
        file.mux(video.encode(None))
    return folder


@pytest.fixture
def dataset(films: Path, tmp_path: Path) -> Dataset:
    video = Video(video="v", split="train", duration=2, fps=Fraction(10), path=str(films / "v.mkv"))
    return write_dataset(tmp_path / "data", DatasetInfo(name="d"), [video], SEGMENTS)


def test_the_beginning_of_a_file_says_how_late_its_picture_is(films: Path, tmp_path: Path) -> None:
    assert player_seconds(films / "v.mkv") == pytest.approx(probe(films / "v.mkv").player_seconds) == LATE
    assert player_seconds(tmp_path / "none.mkv") == 0


@pytest.mark.parametrize("layout", [name for name in EXPORTERS if name in IMPORTERS])
def test_a_late_picture_survives_the_way_to_a_tool_and_back(
    layout: str, dataset: Dataset, films: Path, tmp_path: Path
) -> None:
    report = export_dataset(dataset, layout, tmp_path / "tool")
    text = "".join(path.read_text() for path in (tmp_path / "tool").iterdir())
    for time in PLAYED.get(layout, ()):
        assert time in text
    assert ("begin with sound" in report.summary()) == EXPORTERS[layout].plays
    if layout == "activitynet":  # no tool
        return
    for number, options in enumerate([{"like": dataset.folder}, {"videos": films}]):
        back = IMPORTERS[layout](tmp_path / "tool", tmp_path / f"back{number}", **options)
        assert Dataset.load(back.folder).segments == SEGMENTS
        assert ("begin with sound" in back.summary()) == EXPORTERS[layout].plays


def test_actions_before_the_first_picture_are_cut_or_refused(dataset: Dataset, tmp_path: Path) -> None:
    cues = tmp_path / "v.vtt"
    cues.write_text("WEBVTT\n\n00:01.000 --> 00:03.000\nwave\n")
    found = IMPORTERS["webvtt"](cues, tmp_path / "cut", like=dataset.folder)
    assert Dataset.load(found.folder).segments == [Segment(video="v", start=0, end=1, label="wave")]
    assert "1 actions begin before the first picture of their video: they were cut to it." in found.summary()
    cues.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nwave\n")
    with pytest.raises(DataError, match=r"the first picture of 'v', which players show at 2\.000 s, got 1\.000 s to"):
        IMPORTERS["webvtt"](cues, tmp_path / "refused", like=dataset.folder)


def test_a_page_knows_when_players_show_the_first_picture(dataset: Dataset, films: Path, tmp_path: Path) -> None:
    for builder in (TimelineBuilder(dataset), TimelineBuilder(None, {"v": films / "v.mkv"})):
        builder.add_video("v")
        assert f'"first":{LATE}' in render_timeline(builder.build("page"), tmp_path)
