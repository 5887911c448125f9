"""What several sources know about a video stands together."""

from pathlib import Path

import pytest

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import DataError
from vidseq.timeline import Answer, Bar, Line, TimelineBuilder


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one.mp4").write_bytes(b"")
    videos = [
        Video(video="b", split="test", duration=9.0, path="clips/one.mp4"),
        Video(video="a", split="test", duration=5.0, path="clips/two.mp4"),
        Video(video="c", split="test", duration=5.0),
    ]
    segments = [
        Segment(video="b", start=0, end=2, label="cut", track="left"),
        Segment(video="b", start=1, end=4, label="stir", track="right"),
        Segment(video="b", start=5, end=6, label="cut", track="left"),
    ]
    query = Query(video="b", time=3.0, kind="question", question="Why?", answer="cut", evidence=((0.5, 1.0),))
    return write_dataset(
        tmp_path, DatasetInfo(name="d", labels={"action": ("stir", "cut")}), videos, segments, [query]
    )


def answer(model: str, words: str = "cut") -> Answer:
    return Answer(model=model, answer=words, probability=0.5)


def test_the_truth_comes_first_a_line_a_track(dataset: Dataset) -> None:
    builder = TimelineBuilder(dataset)
    builder.add_line("b", Line(name="model", role="predicted", bars=[Bar(start=0, end=9, label="new")]))
    timeline = builder.build("title")
    (video,) = timeline.videos
    assert [line.name for line in video.lines] == ["truth · left", "truth · right", "model"]
    assert [(bar.start, bar.label) for bar in video.lines[0].bars] == [(0, "cut"), (5, "cut")]
    assert video.duration == 9.0 and video.media == dataset.folder / "clips/one.mp4"
    assert timeline.all_labels == ["stir", "cut", "new"]


def test_answers_to_one_query_stand_together(dataset: Dataset) -> None:
    builder = TimelineBuilder(dataset)
    for model, time in (("x", 3.0), ("y", 3.0004), ("x", 2.0)):
        builder.add_answer("b", answer(model), time=time, kind="question", question="Why?", truth="cut")
    builder.add_answer("b", answer("x"), time=3.0, kind="question", question="Why?", truth="stir")
    (video,) = builder.build("title").videos
    assert [(query.time, query.truth, [item.model for item in query.answers]) for query in video.queries] == [
        (2.0, "cut", ["x"]), (3.0, "cut", ["x", "y"]), (3.0, "stir", ["x"]),
    ]  # fmt: skip
    assert video.queries[1].evidence == ((0.5, 1.0),) and video.queries[0].evidence == ()


def test_files_name_videos_as_predictions_do(dataset: Dataset) -> None:
    builder = TimelineBuilder(dataset)
    for name in ("two", "one", "b"):
        builder.add_video(name)
    assert [video.name for video in builder.build("t").videos] == ["b", "a"], "in the order of the data set"
    assert builder.build("t").videos[1].media is None, "its file is missing"
    with pytest.raises(
        DataError, match=r"expects names of the data set's videos, got 'onne', the name of 0\. Did you"
    ):
        builder.add_video("onne")


def test_the_page_shows_some_or_those_that_are_named(dataset: Dataset) -> None:
    builder = TimelineBuilder(dataset)
    for name in "abc":
        builder.add_video(name)
    assert [video.name for video in builder.build("t", ["c", "a"], limit=1).videos] == ["c", "a"]
    timeline = builder.build("t", limit=2)
    assert [video.name for video in timeline.videos] == ["b", "a"]
    assert timeline.notes == ["2 of 3 videos are shown. `vidseq timeline --video` shows others."]
    with pytest.raises(DataError, match="A timeline expects videos that it is given, got 'd'"):
        builder.build("t", ["d"])


def test_without_a_data_set_a_video_is_as_long_as_what_is_known(tmp_path: Path) -> None:
    builder = TimelineBuilder(files={"v": tmp_path / "v.mp4"})
    builder.add_line("v", Line(name="m", role="predicted", bars=[Bar(start=0, end=2, label="a")]))
    builder.add_line("v", Line(name="f", role="forecast", bars=[Bar(start=3, end=90, label="a")]))
    builder.add_answer("v", answer("m"), time=4.0, kind="question", question="Why?", truth=None)
    builder.add_video("empty")
    timed, empty = builder.build("t").videos
    assert (timed.duration, timed.media) == (4.0, tmp_path / "v.mp4") and 0 < empty.duration < 1
