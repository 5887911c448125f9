import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.examples import Examples, check_features, frame_labels_of
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import DataError
from vidseq.features.store import VideoFeatures

INFO = DatasetInfo(name="kitchen", labels={"action": ("idle", "cut", "stir")}, fps=Fraction(2))


class FakeStore:
    """Features in memory."""

    dim, tokens = 3, None

    def __init__(self, **features: np.ndarray) -> None:
        self.features = features

    def __contains__(self, video: str) -> bool:
        return video in self.features

    def read(self, video: str) -> VideoFeatures:
        features = self.features[video]
        return VideoFeatures(features, np.arange(len(features)) / 2)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    videos = [
        Video(video="a", split="train", duration=5.0),
        Video(video="b", split="train", duration=5.0),
        Video(video="c", split="test", duration=5.0),
    ]
    segments = [
        Segment(video="a", start=1.0, end=2.0, label="cut"),
        Segment(video="a", start=3.0, end=4.0, label="stir"),
    ]
    queries = [
        Query(video="a", time=2.5, kind="question", question="What?", answer="cut"),
        Query(video="a", time=1.25, kind="next_action", answer="stir"),
    ]
    return write_dataset(tmp_path, INFO, videos, segments, queries)


def ones(num_frames: int = 10) -> np.ndarray:
    return np.ones((num_frames, 3), dtype=np.float16)


def test_examples_of_a_split(dataset: Dataset) -> None:
    examples = Examples(dataset, FakeStore(a=ones(), b=ones(4)), "train")
    assert len(examples) == 2
    first = examples[0]
    assert first.video == "a" and first.features.dtype == torch.float32 and first.features.shape == (10, 3)
    assert [query.time for query in first.queries] == [1.25, 2.5]
    assert first.frame_labels is not None
    assert first.frame_labels.tolist() == [-100, -100, 1, 1, -100, -100, 2, 2, -100, -100]
    assert examples[1].frame_labels.tolist() == [-100] * 4


def test_derived_queries_come_beside_own_ones_by_time(dataset: Dataset) -> None:
    def derive(video: str) -> list[Query]:
        return [Query(video=video, time=time, kind="next_action", answer="cut") for time in (2.0, 0.0)]

    examples = Examples(dataset, FakeStore(a=ones(), b=ones()), "train", derive=derive)
    assert [(query.kind, query.time) for query in examples[0].queries] == [
        *(("next_action", 0.0), ("next_action", 1.25), ("next_action", 2.0), ("question", 2.5))
    ]


def test_background_fills_what_no_segment_covers(dataset: Dataset) -> None:
    dataset = dataclasses.replace(dataset, info=dataclasses.replace(INFO, background="idle"))
    labels = Examples(dataset, FakeStore(a=ones(), b=ones()), "train")[0].frame_labels
    assert labels.tolist() == [0, 0, 1, 1, 0, 0, 2, 2, 0, 0]


def test_no_labels_without_segments(dataset: Dataset) -> None:
    dataset = dataclasses.replace(dataset, segments=[])
    assert Examples(dataset, FakeStore(c=ones()), "test")[0].frame_labels is None


def test_missing_features(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"Split 'train' .* got none of 1 of 2: b\. Run `vidseq features`"):
        Examples(dataset, FakeStore(a=ones()), "train")


def test_nan_features_name_the_video(dataset: Dataset) -> None:
    broken = ones()
    broken[4, 1] = np.nan
    with pytest.raises(DataError, match=r"Features of 'c' expect finite .* 1 of 10 frames, first at 2.000 s"):
        Examples(dataset, FakeStore(c=broken), "test")[0]


def test_width_and_times() -> None:
    with pytest.raises(DataError, match=r"Features of 'v' expect \(T, 4\) with T times, .* got \(2, 3\) with 2 times"):
        check_features("v", torch.zeros(2, 3), np.arange(2.0), 4)
    with pytest.raises(DataError, match=r"got \(2, 3\) with 3 times"):
        check_features("v", torch.zeros(2, 3), np.arange(3.0), 3)
    with pytest.raises(DataError, match=r"got \(0, 3\) with 0 times"):
        check_features("v", torch.zeros(0, 3), np.arange(0.0), 3)
    with pytest.raises(DataError, match=r"Features of 'v' expect times that never fall"):
        check_features("v", torch.zeros(2, 3), np.array([1.0, 0.0]), 3)


def test_tokens() -> None:
    features = torch.zeros(2, 4, 3)
    check_features("v", features, np.arange(2.0), 3, tokens=4)
    for tokens, wanted in ((None, r"\(T, 3\)"), (5, r"\(T, 5, 3\)")):
        with pytest.raises(DataError, match=rf"Features of 'v' expect {wanted} with T times, .* got \(2, 4, 3\)"):
            check_features("v", features, np.arange(2.0), 3, tokens)
    features[1, 2, 1] = torch.nan
    with pytest.raises(DataError, match=r"got NaN or infinity in 1 of 2 frames, first at 1\.000 s"):
        check_features("v", features, np.arange(2.0), 3, tokens=4)


def test_frames_at_a_third_of_a_second_keep_their_label() -> None:
    # 1/3 s is written as 0.333 and 2/3 s as 0.667: one is below the frame's time, one above.
    pts_seconds = np.arange(7) / 3
    segments = [
        Segment(video="v", start=0.333, end=0.667, label="a"),
        Segment(video="v", start=0.667, end=2, label="b"),
    ]
    assert frame_labels_of(segments, pts_seconds, ["a", "b"]).tolist() == [-100, 0, 1, 1, 1, 1, -100]


def test_unknown_label_in_frames() -> None:
    with pytest.raises(
        DataError, match=r"Frame labels expect labels of the data set, got 'cutt'. Did you mean 'cut'\?"
    ):
        frame_labels_of([Segment(video="v", start=0, end=1, label="cutt")], np.zeros(1), ["cut"])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9), st.integers(0, 2)), max_size=6),
    st.lists(st.integers(0, 30), unique=True),
)
def test_frame_labels_against_a_slow_reference(rows: list[tuple[int, int, int]], times: list[int]) -> None:
    labels = ["x", "y", "z"]
    segments = [Segment(video="v", start=s / 8, end=(s + n) / 8, label=labels[c]) for s, n, c in rows]
    times = sorted(times)
    expected = []
    for time in times:
        here = [item for item in segments if item.start <= time / 8 < item.end]
        # The one that started last; of those, the one that ends first; of those, the last row.
        best = max(enumerate(here), key=lambda item: (item[1].start, -item[1].end, item[0]), default=None)
        expected.append(-100 if best is None else labels.index(best[1].label))
    assert frame_labels_of(segments, np.array(times) / 8, labels).tolist() == expected
