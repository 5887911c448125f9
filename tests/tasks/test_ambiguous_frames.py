"""Frames of an ambiguous label count neither in training nor in scores."""

import numpy as np
import pytest
import torch

from vidseq.data.dataset import Dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.errors import UserError
from vidseq.tasks.frame_labels import FrameLabels

LABELS = ("background", "jump", "ambiguous")


@pytest.fixture
def dataset(tmp_path):
    """Ten seconds: a jump from 2 to 7, of which 5 to 7 are ambiguous, and an ambiguous second alone."""
    info = DatasetInfo(name="sports", labels={"action": LABELS}, background="background", splits=("train",))
    segments = [
        Segment(video="a", start=2.0, end=7.0, label="jump"),
        Segment(video="a", start=5.0, end=7.0, label="ambiguous"),
        Segment(video="a", start=8.0, end=9.0, label="ambiguous"),
    ]
    return Dataset(tmp_path, info, {"a": Video(video="a", split="train", duration=10.0)}, segments, [])


def targets(dataset, options, times=tuple(range(10))):
    task = FrameLabels(4, LABELS, options, 0.0)
    return task, task.targets(dataset, "a", np.array(times, float), LABELS).tolist()


def test_ambiguous_frames_have_no_class(dataset):
    assert targets(dataset, {})[1] == [0, 0, 1, 1, 1, 2, 2, 0, 2, 0]
    assert targets(dataset, {"ambiguous": "ambiguous"})[1] == [0, 0, 1, 1, 1, -100, -100, 0, -100, 0]


def test_an_action_that_starts_later_does_not_make_them_clear(dataset):
    later = Segment(video="a", start=6.0, end=9.5, label="jump")
    dataset = Dataset(dataset.folder, dataset.info, dataset.videos, [*dataset.segments, later], [])
    assert targets(dataset, {"ambiguous": "ambiguous"})[1] == [0, 0, 1, 1, 1, -100, -100, 1, -100, 1]


def test_they_change_no_loss(dataset):
    task, classes = targets(dataset, {"ambiguous": "ambiguous"})
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 10, 3, generator=random)
    other = logits.clone()
    other[:, [5, 6, 8]] += 5 * torch.randn(3, 3, generator=random)
    losses = [
        task.loss(part, torch.tensor([classes]), torch.ones(1, 10, dtype=torch.bool)) for part in (logits, other)
    ]
    assert losses[0] == losses[1]


def test_an_unknown_label_is_refused(dataset):
    assert FrameLabels.find_labels(dataset, ["a"], {"ambiguous": "ambiguous"}) == LABELS
    with pytest.raises(UserError, match="ambiguous label 'ambigous'"):
        FrameLabels.find_labels(dataset, ["a"], {"ambiguous": "ambigous"})
