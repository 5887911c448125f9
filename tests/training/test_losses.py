import dataclasses

import pytest
import torch

from vidseq.clip_reader import output_of
from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.model import VideoReasoner
from vidseq.training.build import build_model, fit_statistics
from vidseq.training.clips import ClipDataset, make_clip_dataset
from vidseq.training.config import TrainConfig
from vidseq.training.losses import TrainingObjective, read_batch, right_answers, task_losses, weighted_sum

World = tuple[Dataset, FeatureStore]
TASKS = ("frame_labels", "next_action", "question")
CONFIG = TrainConfig(dim=16, tasks={name: {"weight": 1.0 + index} for index, name in enumerate(TASKS)})


@pytest.fixture(scope="module")
def trained(toy_world: World) -> tuple[VideoReasoner, ClipDataset]:
    model = build_model(*toy_world, CONFIG)
    clips = make_clip_dataset(*toy_world, "train", model)
    fit_statistics(model, clips)
    return model.eval(), clips


def test_frames_are_labelled_as_without_queries(trained: tuple[VideoReasoner, ClipDataset]) -> None:
    model, clips = trained
    batch = clips.batch([(0, clips.whole(0)), (1, dataclasses.replace(clips.whole(1), stop=13, asked=()))])
    logits = output_of(model, read_batch(model, batch), "frame_labels")
    for row, length in enumerate(batch.mask.sum(dim=1).tolist()):
        y = model(batch.features[row : row + 1, :length])
        torch.testing.assert_close(logits[row, :length], model.frame_logits(y, "frame_labels")[0])


def test_the_loss_is_the_weighted_sum_over_tasks(trained: tuple[VideoReasoner, ClipDataset]) -> None:
    model, clips = trained
    batch = clips.batch([(index, clips.whole(index)) for index in range(4)])
    losses = task_losses(model, batch, read_batch(model, batch))
    assert losses.keys() == set(TASKS)
    expected = sum((1.0 + index) * losses[name].item() for index, name in enumerate(TASKS))
    assert weighted_sum(model, losses).item() == pytest.approx(expected)
    assert TrainingObjective(model, CONFIG)(batch).item() == pytest.approx(expected)


def test_noise_is_for_training_only(trained: tuple[VideoReasoner, ClipDataset]) -> None:
    model, clips = trained
    batch = clips.batch([(0, clips.whole(0))])
    noisy = TrainingObjective(model, dataclasses.replace(CONFIG, feature_noise=1.0))
    assert noisy(batch).item() != TrainingObjective(model, CONFIG)(batch).item()


def test_with_processes_every_parameter_has_a_gradient(trained: tuple[VideoReasoner, ClipDataset]) -> None:
    model, clips = trained
    batch = clips.batch([(0, dataclasses.replace(clips.whole(0), asked=()))])
    assert list(batch.targets) == ["frame_labels"], "no query task has anything to learn"
    alone, together = (TrainingObjective(model, dataclasses.replace(CONFIG, devices=count)) for count in (1, 2))
    assert alone(batch).item() == together(batch).item()
    model.zero_grad()
    together(batch).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.zero_grad()


def test_right_answers_are_those_of_the_likeliest_class(trained: tuple[VideoReasoner, ClipDataset]) -> None:
    model, clips = trained
    batch = clips.batch([(index, clips.whole(index)) for index in range(4)])
    reading = read_batch(model, batch)
    right = right_answers(model, batch, reading)
    for name in ("next_action", "question"):
        assert torch.equal(right[name], reading.logits[name].argmax(dim=-1) == batch.targets[name])
    labels = batch.targets["frame_labels"]
    frames = output_of(model, reading, "frame_labels").argmax(dim=-1)
    assert torch.equal(right["frame_labels"], (frames == labels)[labels >= 0])
