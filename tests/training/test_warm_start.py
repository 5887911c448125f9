"""A model that starts from a trained one: same words, same classes, new parts drawn anew."""

import dataclasses
from pathlib import Path

import pytest
import torch
import yaml

from vidseq.checkpoint import load_model, save_model
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.features.store import FeatureStore
from vidseq.language.question import pad_tokens
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.training import TrainConfig, fit
from vidseq.training.warm_start import freeze, start_from


def ask(model: VideoReasoner, text: str, features: torch.Tensor) -> torch.Tensor:
    state = model.step(features, model.init_state(1))[1]
    return model.ask(pad_tokens([model.vocabulary.encode(text)])[None], state, "question")


def test_the_same_model_is_copied_whole_whatever_the_order_of_words(toy_config: ModelConfig, tmp_path: Path) -> None:
    trained = VideoReasoner(toy_config).eval()
    save_model(trained, tmp_path)
    turned = dataclasses.replace(toy_config, vocabulary=toy_config.vocabulary[::-1])
    model = VideoReasoner(turned).eval()
    assert start_from(model, tmp_path) == []
    features = torch.randn(1, 5, toy_config.feature_dim)
    for text in ("what colour was it", "it was colour", "never heard"):
        torch.testing.assert_close(ask(model, text, features), ask(trained, text, features))


def test_new_parts_and_other_classes_stay_as_they_were_drawn(toy_config: ModelConfig, tmp_path: Path) -> None:
    save_model(VideoReasoner(dataclasses.replace(toy_config, tokens=5, token_dim=6, token_queries=3)), tmp_path)
    labels = {**toy_config.labels, "answer": tuple(f"new {label}" for label in toy_config.labels["answer"])}
    config = dataclasses.replace(toy_config, tokens=5, token_dim=6, token_queries=3, place_dim=2, labels=labels)
    model = VideoReasoner(config)
    before = {name: part.clone() for name, part in model.state_dict().items()}
    fresh = start_from(model, tmp_path)
    assert {name.split(".")[0] for name in fresh} == {"projection", "tasks"}
    assert all(name.startswith(("projection.place", "tasks.question.")) for name in fresh)
    after, trained = model.state_dict(), load_model(tmp_path, "cpu").state_dict()
    for name, part in after.items():
        assert torch.equal(part, before[name] if name in fresh else trained[name])


def test_later_starts_go_over_earlier_ones(toy_config: ModelConfig, tmp_path: Path) -> None:
    tokens = dataclasses.replace(toy_config, tokens=5, token_dim=6, token_queries=3)
    first, second = VideoReasoner(tokens), VideoReasoner(toy_config)
    for name, model in (("first", first), ("second", second)):
        save_model(model, tmp_path / name)
    model = VideoReasoner(tokens)
    assert start_from(model, tmp_path / "first", tmp_path / "second") == []
    after, seen, memory = model.state_dict(), first.state_dict(), second.state_dict()
    for name, part in after.items():
        is_sight = name.startswith(("projection.", "look."))
        assert torch.equal(part, (seen if is_sight else memory)[name]), name


def test_frozen_parts_stay_as_they_are(toy_world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    config = TrainConfig(dim=8, epochs=1, batch_size=16, device="cpu")
    first = fit(*toy_world, config, tmp_path / "first")
    frozen = dataclasses.replace(config, start=str(first), frozen="head,encoder")
    second = fit(*toy_world, frozen, tmp_path / "second")
    assert fit(*toy_world, frozen, tmp_path / "second", resume=True) == second
    one, two = (load_model(run / "checkpoints" / "last", "cpu").state_dict() for run in (first, second))
    changed = {name.split(".")[0] for name in one if not torch.equal(one[name], two[name])}
    assert changed == {"projection", "tasks"}


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        (("memory",), r"Unknown part of this model .memory.\. Known .*head, projection"),
        (("projection", "head", "tasks", "encoder"), "expects a part that is not frozen, got frozen=projection,head"),
    ],
)
def test_what_cannot_be_frozen_is_named(toy_model: VideoReasoner, frozen: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        freeze(toy_model, frozen)


def test_a_model_of_another_width_is_refused(toy_config: ModelConfig, tmp_path: Path) -> None:
    save_model(VideoReasoner(toy_config), tmp_path)
    config = dataclasses.replace(toy_config, dim=16, feature_dim=5, tasks={"question": {}})
    with pytest.raises(UserError, match=r"expects a model of the same head and width, got .* as there \(lstm, 8\)"):
        start_from(VideoReasoner(dataclasses.replace(config, labels={"answer": ("x", "y")})), tmp_path)


def test_training_starts_where_the_other_run_ended(toy_world: tuple[Dataset, FeatureStore], tmp_path: Path) -> None:
    config = TrainConfig(dim=8, epochs=1, batch_size=16, device="cpu")
    first = fit(*toy_world, config, tmp_path / "first")
    second = fit(*toy_world, dataclasses.replace(config, start=str(first), lr=1e-9), tmp_path / "second")
    one, two = (load_model(run / "checkpoints" / "last", "cpu").state_dict() for run in (first, second))
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-5, rtol=1e-4)
    assert yaml.safe_load((second / "config.yaml").read_text())["not_in_start"] == ""
