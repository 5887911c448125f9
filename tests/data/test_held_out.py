"""Validation videos out of the training split."""

from vidseq.data.dataset import write_dataset
from vidseq.data.held_out import hold_out
from vidseq.data.schema import DatasetInfo, Query, Segment, Video


def test_whole_groups_are_held_out_and_the_test_is_gone(tmp_path):
    videos = [
        Video(video=f"v{number:02d}", split="train" if number < 40 else "test", duration=9.0, group=f"g{number // 2}")
        for number in range(48)
    ]
    segments = [Segment(video=video.video, start=0.0, end=1.0, label="a") for video in videos]
    queries = [Query(video=v.video, time=1.0, kind="question", question="Why?", answer="b") for v in videos]
    dataset = write_dataset(tmp_path, DatasetInfo(name="d"), videos, segments, queries)
    held = hold_out(dataset, 0.2)
    assert set(held.videos) == {video.video for video in videos[:40]}
    assert {item.video for item in held.segments} == {item.video for item in held.queries} == set(held.videos)
    assert len(held.split("val")) == 8 and held.split("test") == [] and held.shared_groups() == {}
    assert {v.video for v in hold_out(dataset, 0.2, seed=1).split("val")} != {v.video for v in held.split("val")}
    assert len(dataset.split("test")) == 8  # the data set itself is as it was


def test_a_data_set_without_a_split_for_validation_gets_one(tmp_path):
    videos = [Video(video=f"v{number}", split="train", duration=9.0) for number in range(10)]
    dataset = write_dataset(tmp_path, DatasetInfo(name="d", splits=("train", "test")), videos, [], [])
    assert len(hold_out(dataset, 0.2).split("val")) == 2
