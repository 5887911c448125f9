import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vidseq.checkpoint import WEIGHTS_FILE, load_model, save_model
from vidseq.errors import FingerprintError, ModelError
from vidseq.model import ModelConfig, VideoReasoner

OPTIONS_OF_VERSION_1 = ["feature_dim", "labels", "tasks", "dim", "head", "head_options", "causal", "vocabulary"]
OPTIONS_OF_VERSION_1 += ["fps", "fingerprint", "dropout", "feature_dropout", "word_dropout"]


@pytest.fixture
def folder(toy_model: VideoReasoner, tmp_path: Path) -> Path:
    save_model(toy_model, tmp_path / "model")
    return tmp_path / "model"


def test_what_is_saved_is_what_is_loaded(toy_model: VideoReasoner, folder: Path) -> None:
    loaded = load_model(folder, "cpu")
    assert loaded.config == toy_model.config
    assert not loaded.training
    features = torch.randn(1, 5, 6)
    assert torch.equal(loaded(features), toy_model(features))


def test_a_model_from_before_places_had_statistics_of_their_own_answers_as_it_did(
    toy_config: ModelConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(toy_config, tokens=4, place_dim=3)
    model = VideoReasoner(config).eval()
    model.projection.standardise_by(torch.randn(4, 6), torch.rand(4, 6) + 0.1)
    model.projection.place_mean.copy_(model.projection.mean)  # type: ignore[operator,union-attr]
    model.projection.place_share.fill_(1.0)  # type: ignore[operator,union-attr]
    save_model(model, tmp_path)
    weights = load_file(tmp_path / WEIGHTS_FILE)
    for name in ("place_mean", "place_share"):
        del weights[f"projection.{name}"]
    save_file(weights, tmp_path / WEIGHTS_FILE)
    features = torch.randn(2, 5, 4, 6)
    assert torch.equal(load_model(tmp_path, "cpu")(features), model(features))


def test_a_model_of_version_1_answers_as_it_did(toy_model: VideoReasoner, folder: Path) -> None:
    """Version 1 read questions without the sum of their words, and its configs lack what came later."""
    assert toy_model.encoder is not None
    torch.nn.init.zeros_(toy_model.encoder.words.weight)
    torch.nn.init.zeros_(toy_model.encoder.words.bias)
    weights = load_file(folder / WEIGHTS_FILE)
    for name in ("weight", "bias"):
        del weights[f"encoder.words.{name}"]
    save_file(weights, folder / WEIGHTS_FILE)
    with pytest.raises(ModelError, match=r"it does not fit config\.json: encoder\.words\.bias"):
        load_model(folder)
    _change_config(folder, {"version": 1})
    config = json.loads((folder / "config.json").read_text())
    config["model"] = {name: config["model"][name] for name in OPTIONS_OF_VERSION_1}
    (folder / "config.json").write_text(json.dumps(config))
    loaded, tokens = load_model(folder, "cpu"), torch.tensor([[2, 3, 0], [3, 0, 0]])
    assert loaded.encoder is not None
    assert torch.equal(loaded.encoder(tokens), toy_model.eval().encoder(tokens))
    save_model(loaded, folder)
    load_model(folder, "cpu")
    assert json.loads((folder / "config.json").read_text())["version"] == 2


def test_loading_does_not_move_the_dice(folder: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_model(folder, "cpu")
    assert torch.equal(torch.rand(3), expected)


def test_a_run_gives_its_best_model_and_else_its_last(toy_model: VideoReasoner, tmp_path: Path) -> None:
    save_model(toy_model, tmp_path / "checkpoints" / "last")
    load_model(tmp_path, "cpu")
    save_model(toy_model, tmp_path / "checkpoints" / "best")
    (tmp_path / "checkpoints" / "last" / "config.json").write_text("{")
    load_model(tmp_path, "cpu")


def test_a_full_disk_leaves_the_old_model(
    toy_model: VideoReasoner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(toy_model, folder)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"Model file .*{name} cannot be used: it is missing\. Copy"):
        load_model(folder)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_weights_are_refused(folder: Path, share: float) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be used: it is truncated or no safetensors file"):
        load_model(folder)


def test_a_truncated_config_is_refused(folder: Path) -> None:
    file = folder / "config.json"
    file.write_text(file.read_text()[:100])
    with pytest.raises(ModelError, match=r"config\.json cannot be used: it is no JSON"):
        load_model(folder)


def _change_config(folder: Path, change: dict[str, object], inside: str | None = None) -> None:
    file = folder / "config.json"
    values = json.loads(file.read_text())
    (values if inside is None else values[inside]).update(change)
    file.write_text(json.dumps(values))


def test_another_version_is_refused(folder: Path) -> None:
    _change_config(folder, {"version": 99, "vidseq": "9.0"})
    message = r"expects a model of format version 2, got 99 in .*config\.json \(written by vidseq 9\.0\)\. Use"
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "inside", "message"),
    [
        ({"format": "other"}, None, r"it does not say format 'vidseq model'"),
        ({"dim": 10}, "model", r"it does not fit config\.json: .*expected, .* there"),
        ({"dim": "wide"}, "model", r"no model can be built from it"),
        ({"head": "transformer9"}, "model", r"no model can be built from it \(Unknown head 'transformer9'"),
        ({"surprise": 1}, "model", r"surprise"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    folder: Path, change: dict[str, object], inside: str | None, message: str
) -> None:
    _change_config(folder, change, inside)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_a_config_that_lacks_a_field_is_refused(folder: Path) -> None:
    file = folder / "config.json"
    values = json.loads(file.read_text())
    del values["model"]["labels"]
    file.write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"config\.json cannot be used: 'labels' is missing\."):
        load_model(folder)


def test_features_made_in_another_way_are_refused(toy_model: VideoReasoner, folder: Path) -> None:
    own = toy_model.config.fingerprint
    assert own is not None
    load_model(folder, "cpu", fingerprint=own)
    with pytest.raises(FingerprintError, match=r"Model .*: Features expect fps '4', got '8'\."):
        load_model(folder, "cpu", fingerprint=dataclasses.replace(own, fps="8"))


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expects config\.json and model\.safetensors, got neither in"):
        load_model(tmp_path)
    with pytest.raises(
        ModelError, match=r"one of the shipped classroom, classroom_stream, got nothing at '.*nowhere'\. Train one"
    ):
        load_model(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"A model expects a folder, got a file at"):
        load_model(tmp_path / "file")


def test_a_compact_model_is_small_and_answers_alike(toy_config: ModelConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = VideoReasoner(dataclasses.replace(toy_config, dim=64)).eval()
    for name, compact in (("plain", False), ("compact", True)):
        save_model(model, tmp_path / name, compact=compact)
    sizes = [(tmp_path / name / WEIGHTS_FILE).stat().st_size for name in ("plain", "compact")]
    assert sizes[1] < 0.35 * sizes[0]
    features = torch.randn(2, 9, toy_config.feature_dim)
    y, again = (load_model(tmp_path / name, "cpu")(features) for name in ("plain", "compact"))
    assert 0 < (y - again).abs().max() < 0.1
    weights = load_file(tmp_path / "compact" / WEIGHTS_FILE)
    del weights[next(name for name in weights if name.endswith(".scale"))]
    save_file(weights, tmp_path / "compact" / WEIGHTS_FILE)
    with pytest.raises(ModelError, match="expects a scale for each of its"):
        load_model(tmp_path / "compact", "cpu")
