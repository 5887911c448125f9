"""Perception that is fitted to a model's reasoning."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.checkpoint import save_model
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.training import TrainConfig
from vidseq.training.perception import FramePairs, even_weights, fit_perception, make_perceiving


@pytest.fixture
def seeing(toy_config: ModelConfig) -> VideoReasoner:
    config = dataclasses.replace(
        toy_config, tokens=5, token_dim=6, token_queries=3, standing_questions=("what was it",)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VideoReasoner(config)


def pairs_of(model: VideoReasoner, seed: int = 0) -> FramePairs:
    """Frames of two videos; the target is a map of the place that a frame marks."""
    rng = np.random.default_rng(seed)
    features = [rng.normal(0, 0.1, (frames, 5, 6)).astype(np.float32) for frames in (30, 50)]
    marked = rng.integers(0, 5, 80)
    for frame, place in zip(np.concatenate([*features]), marked):
        frame[place] += 1
    whole = np.concatenate(features)
    whole[np.arange(80), marked, 0] += 3
    map_of_places = torch.as_tensor(np.random.default_rng(9).normal(size=(5, model.config.dim)), dtype=torch.float32)
    return FramePairs([whole[:30], whole[30:]], map_of_places[marked], np.ones(80))


def test_frames_become_what_the_head_reads_and_nothing_else_changes(seeing: VideoReasoner) -> None:
    before = {name: part.clone() for name, part in seeing.state_dict().items()}
    said: list[str] = []
    error = fit_perception(seeing, pairs_of(seeing), steps=200, report=said.append)
    assert error < 0.3
    assert [line.split(":")[0] for line in said] == ["step 100 of 200", "step 200 of 200"]
    fresh = pairs_of(seeing, seed=1)
    with torch.no_grad():
        x = seeing.split(seeing.project(torch.as_tensor(np.concatenate(fresh.features))[:, None])).x[:, 0]
    assert (x - fresh.targets).square().mean() / fresh.targets.var(dim=0).mean() < 0.4
    changed = {name.split(".")[0] for name, part in seeing.state_dict().items() if not torch.equal(part, before[name])}
    assert changed == {"projection", "look", "standing"}
    assert not any(module.training for module in seeing.modules())


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=20))
def test_each_thing_is_drawn_as_often_as_any_other(rows: list[list[bool]]) -> None:
    present = np.array(rows)
    weights = even_weights(present)
    for frame, weight in zip(present, weights):
        things = sum(1 / present[:, thing].sum() for thing in range(3) if frame[thing])
        assert weight == pytest.approx(1 / len(present) + things)
    assert weights.sum() == pytest.approx(1 + present.any(axis=0).sum())


def test_a_model_perceives_what_another_reasons_about(
    toy_world: tuple[Dataset, FeatureStore], toy_config: ModelConfig, tmp_path: Path
) -> None:
    """The other one reads four numbers a frame, a map of this one's six; both remember alike."""
    dataset, store = toy_world
    mixed = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    reasoning = VideoReasoner(dataclasses.replace(toy_config, feature_dim=4)).eval()
    save_model(reasoning, tmp_path / "reasoning")
    symbols = {video.video: store.read(video.video).features @ mixed for video in dataset.split("train")}
    config = TrainConfig(dim=8, start=str(tmp_path / "reasoning"))
    model = make_perceiving(dataset, store, config, symbols, steps=300)
    frames = torch.tensor(store.read("test03").features)[None].float()
    with torch.no_grad():
        own, other = model(frames), reasoning(frames @ torch.as_tensor(mixed))
    assert (own - other).square().mean() < 0.3 * other.var()
    for start, shown, said in ((None, symbols, "start to name"), (config.start, {}, "none of 'train00'")):
        with pytest.raises(UserError, match=said):
            make_perceiving(dataset, store, dataclasses.replace(config, start=start), shown, steps=1)


def test_targets_of_other_frames_are_refused(seeing: VideoReasoner) -> None:
    pairs = pairs_of(seeing)
    with pytest.raises(UserError, match=r"targets \(80, 8\) and weights \(80,\), got 1, \(79, 8\)"):
        fit_perception(seeing, dataclasses.replace(pairs, targets=pairs.targets[1:]), steps=1)
