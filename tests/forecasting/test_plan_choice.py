"""What plans are drawn with is chosen on held-out videos."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vidseq.data.action_sequences import derive_action_sequences
from vidseq.data.dataset import Dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.forecasting import best_setting
from vidseq.forecasting.plan_report import _best_chain, _chain
from vidseq.tasks import ActionSequence

#: After "b" comes "c" where "a" was before, and else "d": one past label does not say, two do.
ROUND = ("a", "b", "c", "e", "b", "d")


def dataset_of(groups: int) -> Dataset:
    videos, segments = {}, []
    for number in range(groups):
        name, first = f"v{number}", number % len(ROUND)
        labels = np.tile(ROUND, 8)[first : first + 30].tolist()
        segments += [Segment(video=name, start=k, end=k + 1.0, label=label) for k, label in enumerate(labels)]
        videos[name] = Video(video=name, split="train", duration=30.0)
    info = DatasetInfo(name="rounds", labels={"action": tuple("abcde")}, splits=("train",))
    return Dataset(Path("rounds"), info, videos, segments, [])


def test_of_equal_settings_the_first_is_taken():
    dataset = dataset_of(1)
    queries = derive_action_sequences(dataset.segments_of("v0"), [3.0, 9.0])
    coming = [item.label for item in dataset.segments_of("v0")]

    def planner(wrong):
        return lambda video, times: [[[*coming[int(time) :][: 20 - wrong], *["z"] * wrong]] for time in times]

    best, distances = best_setting(planner, [5, 1, 0, 2], dataset, queries, 20)
    assert best == 0 and distances == pytest.approx({5: 0.25, 1: 0.05, 0: 0.0, 2: 0.1})
    assert best_setting(lambda _: planner(3), ["first", "second"], dataset, queries, 20)[0] == "first"


def test_the_chain_sees_as_many_labels_as_help():
    dataset = dataset_of(12)
    task = ActionSequence(8, dataset.action_labels, {"queries_per_video": 6}, 0.0)
    order, temperature = _best_chain(task, dataset, 1)
    assert order >= 2 and 0 < temperature <= 1
    (plan,) = _chain(dataset, 1, order, temperature)("v0", [4.5])[0]
    assert plan[:6] == ["b", "d", "a", "b", "c", "e"], "what goes on is the first action"


def test_one_group_leaves_nothing_to_choose_by():
    task = ActionSequence(8, tuple("abcde"), {}, 0.0)
    assert _best_chain(task, dataset_of(1), 1) == (2, 1.0)
    one_group = dataset_of(3)
    videos = {name: replace(video, group="p") for name, video in one_group.videos.items()}
    assert _best_chain(task, replace(one_group, videos=videos), 1) == (2, 1.0)
