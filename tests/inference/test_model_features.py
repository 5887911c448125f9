"""Of several kinds of features, those that models need are read, by one rule in every command."""

import dataclasses
from pathlib import Path

import pytest
from conftest import TOY_FINGERPRINT, make_toy_world

from vidseq.checkpoint import save_model
from vidseq.cli import main
from vidseq.errors import FingerprintError
from vidseq.features.store import FeatureStore
from vidseq.inference.model_features import open_features
from vidseq.model import VideoReasoner

OTHER = dataclasses.replace(TOY_FINGERPRINT, backbone="other")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A toy world with two kinds of features; those of `OTHER` come first."""
    folder = tmp_path_factory.mktemp("two")
    _, store = make_toy_world(folder, videos={"train": 4, "val": 2, "test": 4})
    other = FeatureStore.create_in(folder, OTHER)
    for video in store.videos():
        seen = store.read(video)
        other.write(video, -seen.features, seen.pts_seconds)
    assert [made.fingerprint for made in FeatureStore.all_in(folder)] == [OTHER, TOY_FINGERPRINT]
    return folder


@pytest.fixture
def models(toy_config, tmp_path) -> list[Path]:
    """One model of each kind of features."""
    folders = [tmp_path / "toy", tmp_path / "other"]
    for folder, fingerprint in zip(folders, (TOY_FINGERPRINT, OTHER)):
        save_model(VideoReasoner(dataclasses.replace(toy_config, fingerprint=fingerprint)), folder)
    return folders


def test_each_model_gets_its_features(data, models):
    for model, fingerprint in zip(models, (TOY_FINGERPRINT, OTHER)):
        assert open_features(data, [model]).fingerprint == fingerprint
        assert open_features(data, [model, model], "toy-").fingerprint == TOY_FINGERPRINT, "a name decides"


def test_what_does_not_fit_is_one_line(data, models, toy_config, tmp_path):
    with pytest.raises(FingerprintError, match=r"got several that fit\. Name one of: other"):
        open_features(data, [])
    with pytest.raises(FingerprintError, match=r"Models expect one kind of features, got .*other with other-.* toy-"):
        open_features(data, models)
    third = dataclasses.replace(TOY_FINGERPRINT, fps="8")
    save_model(VideoReasoner(dataclasses.replace(toy_config, fingerprint=third)), tmp_path / "third")
    with pytest.raises(FingerprintError, match=r"third expects features toy-.*8fps.*, got other-.*, toy-.*--like"):
        open_features(data, [tmp_path / "third"])


def test_of_two_engines_the_exact_one_is_read_first(tmp_path, toy_config):
    plain = dataclasses.replace(TOY_FINGERPRINT, engine="torch", resize="crop")
    by_openvino = dataclasses.replace(plain, engine="openvino")
    for fingerprint in (plain, by_openvino):
        store = FeatureStore.create_in(tmp_path, fingerprint)
        store.write("a", [[0.0] * 6], [0.0])
    for fingerprint in (plain, by_openvino):
        save_model(VideoReasoner(dataclasses.replace(toy_config, fingerprint=fingerprint)), tmp_path / "model")
        assert open_features(tmp_path, [tmp_path / "model"]).fingerprint == fingerprint


@pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
@pytest.mark.parametrize(
    "command",
    [
        "evaluate --limit 4",
        "timeline --limit 2",
        "context --contexts 1s,full --controls none --limit 4",
        "explain --limit 1",
    ],
)
def test_commands_read_what_the_model_needs(command, data, models, tmp_path, capsys):
    name, *options = command.split()
    out = tmp_path / ("page.html" if name == "timeline" else "out")
    arguments = [name, "--data", str(data), "--model", str(models[0]), "--out", str(out), *options]
    code = main(arguments)
    assert "expects to hold the one kind" not in capsys.readouterr().err
    assert code == 0 or name == "explain"


def test_training_goes_on_with_the_features_of_its_start(data, models, tmp_path, capsys):
    options = ["--head", "lstm", "--dim", "8", "--epochs", "1", "--device", "cpu", "--monitor", "loss"]
    arguments = ["train", "--data", str(data), "--out", str(tmp_path / "run"), *options]
    assert main(arguments) == 2
    assert "Name one of: other-" in capsys.readouterr().err
    assert main([*arguments, "--start", str(models[0])]) == 0
    assert open_features(data, [tmp_path / "run"]).fingerprint == TOY_FINGERPRINT
