"""`vidseq features` with cells, a projection, and a model whose features it repeats."""

import json
from pathlib import Path

import numpy as np
import pytest

from vidseq.checkpoint import load_model
from vidseq.cli import main
from vidseq.data.dataset import write_dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.errors import FingerprintError
from vidseq.features.projection import FeatureProjection
from vidseq.features.registry import build_backbone
from vidseq.features.store import FeatureStore
from vidseq.inference.offline import video_features
from vidseq.inference.sources import backbone_of
from vidseq.video.writer import VideoWriter

NUM_VIDEOS = 3
SMALL = ["--backbone", "resnet18", "--weights", "random", "--engine", "torch", "--device", "cpu"]
SMALL += ["--input_size", "64", "--workers", "1"]
CELLS = [*SMALL, "--pooling", "2x2", "--tokens"]


def make_dataset(folder: Path, seed: int) -> Path:
    """Three videos of noise that grows brighter, with two actions each; the last one is for tests."""
    rng = np.random.default_rng(seed)
    videos, segments = [], []
    for number in range(NUM_VIDEOS):
        name = f"v{number}"
        (folder / "videos").mkdir(parents=True, exist_ok=True)
        with VideoWriter(folder / "videos" / f"{name}.mp4", fps=4) as writer:
            for shade in np.linspace(40, 200, 16):
                writer.write(rng.normal(shade, 20, (64, 96, 3)).clip(0, 255).astype(np.uint8))
        split = "test" if number == NUM_VIDEOS - 1 else "train"
        videos.append(Video(video=name, path=f"videos/{name}.mp4", split=split, duration=4.0))
        segments += [Segment(video=name, start=0.0, end=2.0, label="dark")]
        segments += [Segment(video=name, start=2.0, end=4.0, label="bright")]
    write_dataset(folder, DatasetInfo(name="x", labels={"action": ("bright", "dark")}), videos, segments)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), 0)


@pytest.fixture(scope="module")
def store(data: Path) -> FeatureStore:
    """Four cells of six numbers each; made in two goes."""
    command = ["features", str(data), *CELLS, "--pca", "6"]
    assert main([*command, "--limit", "2"]) == 0
    first = FeatureStore.open_in(data)
    assert len(first) == 2
    assert main(command) == 0
    assert [store.folder for store in FeatureStore.all_in(data)] == [first.folder], "the projection is not fitted anew"
    return first


@pytest.fixture(scope="module")
def run(data: Path, store: FeatureStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained on these features."""
    out = tmp_path_factory.mktemp("runs") / "run"
    options = ["--features", store.folder.name, "--epochs", "1", "--dim", "8", "--device", "cpu"]
    assert main(["train", str(data), "--out", str(out), *options]) == 0
    return out


def test_cells_cost_what_the_projection_says(data: Path, store: FeatureStore) -> None:
    assert (len(store), store.tokens, store.dim) == (NUM_VIDEOS, 4, 6) and "2x2-4tokens-pca" in store.folder.name
    plain = build_backbone(
        "resnet18", weights="random", engine="torch", device="cpu", input_size=64, pooling="2x2", tokens=True
    )
    found, _ = video_features(data / "videos/v2.mp4", plain, "4")
    projection = store.projection
    assert projection is not None and projection.num_videos == 2
    expected = (found.features.astype(np.float32) - projection.mean) @ projection.components
    np.testing.assert_allclose(store.read("v2").features, expected, atol=0.02 * np.abs(expected).max())


def test_what_the_projection_loses_is_said(
    data: Path, store: FeatureStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["features", str(data), *CELLS, "--pca", "6"]) == 0
    printed = capsys.readouterr().out
    assert store.projection is not None and f"3 were there already; 0 failed.\n{store.projection.summary()}" in printed
    assert "PCA: 6 of 512 numbers a cell keep" in printed


def test_a_projection_is_used_for_other_data(store: FeatureStore, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "other", 1)
    file = store.folder / "projection.safetensors"
    assert main(["features", str(other), *CELLS, "--projection", str(file)]) == 0
    assert FeatureStore.open_in(other).fingerprint == store.fingerprint
    assert FeatureStore.open_in(other).projection is not None


def test_predicting_on_a_video_with_a_model_of_projected_cells(
    data: Path, store: FeatureStore, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert FeatureProjection.load(run / "checkpoints/last/projection.safetensors").dim == 6
    model = load_model(run, "cpu")
    found, _ = video_features(data / "videos/v2.mp4", backbone_of(model, device="cpu"), "4")
    stored = store.read("v2").features.astype(np.float32)
    np.testing.assert_allclose(found.features, stored, atol=0.01 * np.abs(stored).max())
    capsys.readouterr()
    assert main(["predict", "--model", str(run), "--source", str(data / "videos/v2.mp4"), "--device", "cpu"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows and all(row["answer"] in ("bright", "dark") for row in rows)


def test_a_model_expects_its_tokens(data: Path, run: Path, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "other", 3)
    assert main(["features", str(other), *SMALL]) == 0
    with pytest.raises(FingerprintError, match=r"Features expect pooling '2x2', got 'mean'\."):
        load_model(run, "cpu", fingerprint=FeatureStore.open_in(other).fingerprint)


def test_a_model_whose_projection_is_gone(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run / "checkpoints/last" / name).read_bytes())
    (run.parent / "x.mp4").touch()
    assert main(["predict", "--model", str(tmp_path), "--source", str(run.parent / "x.mp4"), "--device", "cpu"]) == 2
    assert "projection.safetensors, got none. Copy it from where they were made." in capsys.readouterr().err


def test_features_like_those_of_a_model(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_dataset(tmp_path / "other", 2)
    hardware = ["--engine", "torch", "--device", "cpu", "--workers", "1"]
    assert main(["features", str(other), "--like", str(run), *hardware]) == 0
    store = FeatureStore.open_in(other)
    model = load_model(run, "cpu", fingerprint=store.fingerprint)
    assert len(store) == NUM_VIDEOS and model.config.feature_dim == store.dim == 6
    capsys.readouterr()
    for options, message in (
        (["--pooling", "2x2"], "--like says all of the backbone, got --pooling too. Leave it out."),
        (["--fps", "8"], "--like says all of the backbone, got --fps too. Leave it out."),
        (["--pca", "3"], "features expects one of --pca, --projection and --like, got --pca and --like."),
    ):
        assert main(["features", str(other), "--like", str(run), *options]) == 2
        assert message in capsys.readouterr().err
