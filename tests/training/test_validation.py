from dataclasses import replace

import pytest
import torch

from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.training.build import build_model, fit_statistics
from vidseq.training.clips import make_clip_dataset
from vidseq.training.config import TrainConfig
from vidseq.training.fabric import make_fabric
from vidseq.training.losses import read_batch, right_answers, task_losses
from vidseq.training.validation import Validation, validation_score

World = tuple[Dataset, FeatureStore]


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_losses_and_accuracies_are_means_over_queries(toy_world: World, batch_size: int) -> None:
    config = TrainConfig(dim=16, batch_size=batch_size)
    model = build_model(*toy_world, config)
    clips = make_clip_dataset(*toy_world, "val", model)
    fit_statistics(model, clips)
    metrics = Validation(make_fabric(config, torch.device("cpu")), clips, config, causal=True).measure(model.train())
    batch = clips.batch([(video, clips.whole(video)) for video in clips.videos])
    with torch.no_grad():
        reading = read_batch(model.eval(), batch)
        losses, right = task_losses(model, batch, reading), right_answers(model, batch, reading)
    assert metrics == pytest.approx(
        {f"val_{name}_loss": float(loss) for name, loss in losses.items()}
        | {f"val_{name}_accuracy": float(part.float().mean()) for name, part in right.items()},
        rel=1e-5,
    )


def test_each_process_measures_a_share_of_the_videos(toy_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(dim=16, batch_size=2)
    model = build_model(*toy_world, config)
    clips = make_clip_dataset(*toy_world, "val", model)
    fabric = make_fabric(config, torch.device("cpu"))
    shares = []
    for rank in range(3):
        monkeypatch.setattr(type(fabric), "global_rank", rank)
        shares += Validation(fabric, clips, replace(config, devices=3), causal=True)._videos
    assert sorted(shares) == clips.videos


def test_tasks_count_alike_in_the_score() -> None:
    metrics = {
        "train_loss": 9.0,
        "val_question_loss": 2.0,
        "val_question_accuracy": 0.5,
        "val_next_action_loss": 1.0,
        "val_next_action_accuracy": 1.0,
    }
    assert validation_score(metrics, "accuracy") == (0.75, -1.5)
    assert validation_score(metrics, "loss") == (-1.5, 0.75)
    assert validation_score({"train_loss": 9.0}, "loss") is None
