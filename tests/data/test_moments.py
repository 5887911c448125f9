import dataclasses
import functools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vidseq.data.action_sequences import read_future
from vidseq.data.dataset import Dataset
from vidseq.data.examples import Examples
from vidseq.data.moments import NUM_TIMES, classes_of, moment_name, moments_of, observed_frames, whole_segments
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.errors import DataError
from vidseq.tasks import ActionSequence

LABELS = ("cut", "mix", "serve")


def dataset_of(folder: Path, *actions: tuple[str, float], fps: int | None = 15) -> Dataset:
    ends = np.cumsum([seconds for _, seconds in actions])
    segments = [
        Segment(video="a", start=round(float(end - seconds), 3), end=round(float(end), 3), label=label)
        for (label, seconds), end in zip(actions, ends)
    ]
    rate = None if fps is None else Fraction(fps)
    info = DatasetInfo(name="d", labels={"action": LABELS}, fps=rate)
    video = Video(video="a", split="train", duration=segments[-1].end, group="p")
    return Dataset(folder, info, {"a": video}, segments, [])


def test_frames_are_what_was_observed(tmp_path: Path) -> None:
    segments = dataset_of(tmp_path, ("cut", 2.0), ("mix", 3.0), ("cut", 5.0)).segments
    frames = observed_frames(segments, 6.0, LABELS)
    assert frames.shape == (3, 3 * 3 + NUM_TIMES)
    assert frames[:, :3].tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert frames[:, 3:6].tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 0]]
    np.testing.assert_allclose(frames[-1, 6:9], [0.3, 0.3, 0])
    np.testing.assert_allclose(frames[-1, 9:], [np.log(2), 0.1, np.log(6), 0.5, np.log(5), 0.6])


def test_nothing_of_the_future_shows(tmp_path: Path) -> None:
    """Two videos that agree until a time, and in length, show the same until then."""
    one = dataset_of(tmp_path, ("cut", 2.0), ("mix", 3.0), ("cut", 5.0)).segments
    other = dataset_of(tmp_path, ("cut", 2.0), ("mix", 2.5), ("serve", 5.5)).segments
    for time in (1.0, 2.0, 4.5):
        assert (observed_frames(one, time, LABELS) == observed_frames(other, time, LABELS)).all()
    assert observed_frames(one, 4.6, LABELS).shape != observed_frames(other, 4.6, LABELS).shape


def test_what_begins_with_the_next_frame_is_not_observed(tmp_path: Path) -> None:
    """20% of 103 frames are 20; the second action begins with the 21st, at 1.333 s in files that round."""
    dataset = dataset_of(tmp_path, ("cut", 20 / 15), ("mix", 83 / 15))
    moments, store = moments_of(dataset, ["a"], [0.2, 0.3])
    first, second = (store.read(moment_name("a", number)).features for number in (0, 1))
    assert len(first) == 1 and len(second) == 2  # 30 frames
    assert second[-1, 9] == pytest.approx(np.log1p(10 / 15), abs=1e-3)
    (query,) = moments.queries_of(moment_name("a", 1))
    assert query.time == store.read(query.video).pts_seconds[-1]
    ((label, seconds),) = read_future(query.answer)
    assert label == "mix" and seconds == pytest.approx(73 / 15, abs=2e-3)


def test_moments_are_asked_as_they_are(tmp_path: Path) -> None:
    moments, store = moments_of(dataset_of(tmp_path, ("cut", 2.0), ("mix", 3.0)), ["a"], [0.2, 0.6])
    task = ActionSequence(2, ("cut", "mix"), {"queries_per_video": 5}, 0.0)
    derive = functools.partial(task.derive_queries, moments)
    examples = Examples(moments, store, "train", derive=derive)
    assert [len(example.queries) for example in examples] == [1, 1]  # none is derived besides
    assert {moments.group_of(video) for video in moments.videos} == {"p"}


def test_stretched_moments_differ_and_repeat(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("cut", 20.0), ("mix", 30.0), ("cut", 50.0), fps=None)
    shares = [0.6] * 40
    moments, store = moments_of(dataset, ["a"], shares, stretch=0.3)
    again, _ = moments_of(dataset, ["a"], shares, stretch=0.3)
    assert moments.queries == again.queries
    lasts = np.array([read_future(query.answer)[-1][1] for query in moments.queries])
    assert len(set(lasts.tolist())) == 40
    cuts = [np.expm1(float(store.read(v).features[0, 9])) for v in moments.videos]
    whole = [cut for cut in cuts if cut > 0]
    assert 0.2 < np.std(np.log(np.array(whole) / 20)) < 0.4  # the first action is over in all of them
    plain, _ = moments_of(dataset, ["a"], shares)
    assert {query.answer for query in plain.queries} == {'[["cut", 40.0]]'}


def test_gaps_are_refused(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("cut", 2.0), ("mix", 3.0))
    late = [dataclasses.replace(segment, start=segment.start + 0.1) for segment in dataset.segments]
    for segments in (late, []):
        with pytest.raises(DataError, match=r"Moments expect segments of 'a' from 0 s on without gaps, got \d"):
            moments_of(dataclasses.replace(dataset, segments=segments), ["a"], [0.2])
    with pytest.raises(DataError, match=r"Moments of 'a' expect the classes that the model knows, got 'mix'"):
        moments_of(dataset, ["a"], [0.2], labels=("cut", "wash"))


def test_a_background_fills_gaps_and_the_end(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("cut", 2.0), ("mix", 3.0), fps=10)
    late = [dataclasses.replace(segment, start=segment.start + 1) for segment in dataset.segments]
    info = dataclasses.replace(dataset.info, background="serve")
    videos = {"a": dataclasses.replace(dataset.videos["a"], duration=6.0)}
    gaps = dataclasses.replace(dataset, segments=late, info=info, videos=videos)
    assert [(item.label, item.start, item.end) for item in whole_segments(gaps, "a")] == [
        *(("serve", 0, 1), ("cut", 1, 2), ("serve", 2, 3), ("mix", 3, 5), ("serve", 5, 6))
    ]
    assert classes_of(gaps, "a").tolist() == [2] * 10 + [0] * 10 + [2] * 10 + [1] * 20 + [2] * 10
    assert len(moments_of(gaps, ["a"], [0.5])[1].read(moment_name("a", 0)).features) == 3


def test_features_stand_in_the_order_of_the_labels_that_are_given(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("cut", 2.0), ("mix", 3.0))
    _, own = moments_of(dataset, ["a"], [0.6])
    _, turned = moments_of(dataset, ["a"], [0.6], labels=("serve", "mix", "cut"))
    for block in range(3):
        columns = slice(3 * block, 3 * block + 3)
        one, other = own.read(moment_name("a", 0)).features, turned.read(moment_name("a", 0)).features
        assert (one[:, columns] == other[:, columns][:, ::-1]).all()
