"""The loop beside a slow one that knows neither Fabric nor processes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.model import VideoReasoner
from vidseq.training import TrainConfig, fit
from vidseq.training.build import build_model, fit_statistics
from vidseq.training.clip_sampler import ClipSampler
from vidseq.training.clips import make_clip_dataset
from vidseq.training.determinism import seed_step
from vidseq.training.losses import TrainingObjective
from vidseq.training.optimizer import make_optimizer, set_learning_rate
from vidseq.training.schedule import Schedule

World = tuple[Dataset, FeatureStore]
#: A last step of seven videos, which two processes do not share evenly.
CONFIG = TrainConfig(dim=16, epochs=2, patience=None, device="cpu", batch_size=41, gradient_clip=0.1)
TWO = TrainConfig(dim=16, epochs=12, patience=None, device="cpu", batch_size=10, devices=2, gradient_clip=0.1)


def train_slowly(world: World, config: TrainConfig) -> VideoReasoner:
    """Trains in one process, which does the work of all, one after the other."""
    model = build_model(*world, config)
    train = make_clip_dataset(*world, "train", model)
    fit_statistics(model, train)
    schedule, sampler = Schedule(config, len(train.videos)), ClipSampler(train, config, causal=True)
    optimizer, objective = make_optimizer(model, config), TrainingObjective(model, config)
    for epoch in range(config.epochs):
        model.train()
        order = sampler.order(epoch)
        for step in range(schedule.steps_per_epoch):
            optimizer.zero_grad()
            for rank in range(config.devices):
                batch = sampler.batch(schedule.videos_of_step(order, step, rank), epoch, step, rank)
                seed_step(config.seed, epoch, step, rank)
                (objective(batch) / config.devices).backward()
            norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
            for parameter in model.parameters():
                if parameter.grad is not None and norm > config.gradient_clip:
                    parameter.grad *= config.gradient_clip / (norm + 1e-6)
            set_learning_rate(optimizer, schedule.learning_rate(epoch * schedule.steps_per_epoch + step))
            optimizer.step()
    return model


def assert_same_weights(run: Path, expected: dict[str, torch.Tensor], *, tolerance: float) -> None:
    for name, weight in load_file(run / "checkpoints" / "last" / "model.safetensors").items():
        torch.testing.assert_close(weight, expected[name], atol=tolerance, rtol=tolerance, msg=name)


def test_the_loop_trains_as_the_slow_one_does(toy_world: World, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        expected = train_slowly(toy_world, CONFIG).state_dict()
    assert_same_weights(fit(*toy_world, CONFIG, tmp_path / "run"), expected, tolerance=1e-4)


@pytest.mark.slow
def test_two_processes_do_the_work_of_one(toy_world: World, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        expected = train_slowly(toy_world, TWO).state_dict()
    assert_same_weights(fit(*toy_world, TWO, tmp_path / "run"), expected, tolerance=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)  # seven processes start
def test_ctrl_c_ends_all_processes_and_the_run_resumes_as_if_never_stopped(toy_world: World, tmp_path: Path) -> None:
    whole = fit(*toy_world, TWO, tmp_path / "whole")
    code = f"""
from vidseq.data.dataset import Dataset
from vidseq.features.store import FeatureStore
from vidseq.training import TrainConfig, fit
dataset = Dataset.load({str(toy_world[0].folder)!r})
fit(dataset, FeatureStore.open({str(toy_world[1].folder)!r}), {TWO!r}, {str(tmp_path / "stopped")!r})
"""
    metrics = tmp_path / "stopped" / "metrics.csv"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    while not metrics.exists() or metrics.read_text().count("\n") < 4:  # three epochs: there is something to lose
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)  # to the process that waits for the others
    _, errors = process.communicate(timeout=60)  # returns when no process is left that could write an error
    assert errors.decode().splitlines()[-1] == "KeyboardInterrupt"
    assert metrics.read_text().count("\n") <= TWO.epochs, "it was not over"
    expected = load_file(whole / "checkpoints" / "last" / "model.safetensors")
    assert_same_weights(fit(*toy_world, TWO, tmp_path / "stopped", resume=True), expected, tolerance=0)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_one_error_of_all_processes(
    toy_world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        UserError, match=r"^Training expects a finite loss, got nan in step \d\. Lower lr \(now 1e\+30\)"
    ):
        fit(*toy_world, replace(TWO, lr=1e30), tmp_path / "run")
    assert capfd.readouterr() == ("", "")
