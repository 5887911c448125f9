"""Image encoders of transformers, as tiny random models that are saved to a folder."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
import torch

from vidseq.errors import UserError
from vidseq.features.extract import extract_features
from vidseq.features.hf_files import quiet
from vidseq.features.hf_models import read_processor
from vidseq.features.rebuild import backbone_like
from vidseq.features.registry import build_backbone
from vidseq.features.store import FeatureStore
from vidseq.video.resizing import Size, resize
from vidseq.video.writer import VideoWriter

TORCH = {"engine": "torch", "device": "cpu"}
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def dino(transformers, tmp_path_factory):
    """A tiny DINOv2 with patches of 14 pixels."""
    folder = tmp_path_factory.mktemp("models") / "dino"
    torch.manual_seed(0)
    with quiet():
        config = transformers.Dinov2Config(**SHAPE, image_size=56, patch_size=14)
        transformers.Dinov2Model(config).save_pretrained(folder)
        sides = {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}}
        transformers.BitImageProcessor(**sides, **HALF).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vit(transformers, tmp_path_factory):
    """A tiny ViT that was saved with a classifier, so that nothing of its pooler is there."""
    folder = tmp_path_factory.mktemp("models") / "vit"
    torch.manual_seed(0)
    with quiet():
        config = transformers.ViTConfig(**SHAPE, intermediate_size=32, image_size=32, patch_size=8)
        transformers.ViTForImageClassification(config).save_pretrained(folder)
        transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def expected_states(transformers, folder, images):
    with quiet():
        model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(pixel_values=(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5)


def test_features_are_what_the_model_makes(transformers, dino, noise):
    images = np.resize(noise, (3, 56, 56, 3))
    expected = expected_states(transformers, dino, images)
    backbone = build_backbone(f"hf:{dino}", **TORCH)
    assert (backbone.dim, backbone.tokens, backbone.size) == (32, None, Size(56, "crop", 64, "bicubic"))
    np.testing.assert_allclose(backbone(images), expected.pooler_output.numpy(), rtol=1e-3, atol=1e-5)
    patches = build_backbone(f"hf:{dino}", tokens=True, **TORCH)
    assert patches.tokens == 16
    np.testing.assert_allclose(patches(images), expected.last_hidden_state[:, 1:].numpy(), rtol=1e-3, atol=1e-5)
    token = build_backbone(f"hf:{dino}", pooling="cls", **TORCH)
    np.testing.assert_allclose(token(images), expected.last_hidden_state[:, 0].numpy(), rtol=1e-3, atol=1e-5)
    inner = build_backbone(f"hf:{dino}", layer="encoder.layer.0", pooling="2x2", **TORCH)
    assert inner(images).shape == (3, 4 * 32) and inner.fingerprint(4).layer == "encoder.layer.0"
    larger = build_backbone(f"hf:{dino}", tokens=True, input_size=112, **TORCH)
    assert larger.tokens == 64 and larger.size.scaled == 128


def test_a_pooler_without_weights_is_not_used(transformers, vit, noise):
    """It would be random, and another one each time."""
    images = np.resize(noise, (3, 32, 32, 3))
    expected = expected_states(transformers, vit, images).last_hidden_state
    backbone = build_backbone(f"hf:{vit}", **TORCH)
    assert backbone.fingerprint(4).pooling == "mean" and backbone.size.resize == "stretch"
    np.testing.assert_allclose(backbone(images), expected[:, 1:].mean(1).numpy(), rtol=1e-3, atol=1e-5)


def test_features_of_a_video_and_the_backbone_of_its_fingerprint(dino, tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (8, 60, 80, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "v.mp4", fps=8) as writer:
        writer.write(frames)
    backbone = build_backbone(f"hf:{dino}", pooling="2x2", tokens=True, **TORCH)
    wanted = backbone.fingerprint(4)
    store = FeatureStore.create(tmp_path / wanted.name, wanted)
    assert not extract_features([("v", tmp_path / "v.mp4")], store, backbone, 4).failed
    assert store.read("v").features.shape == (4, 4, 32)
    again = backbone_like(FeatureStore.open(tmp_path / wanted.name).fingerprint, device="cpu")
    assert again.fingerprint(4) == wanted
    moved = tmp_path / "moved"
    shutil.copytree(dino, moved)
    assert backbone_like(wanted, weights=str(moved), device="cpu").fingerprint(4) == wanted


def test_other_weights_or_another_config_have_another_hash(dino, tmp_path):
    wanted = build_backbone(f"hf:{dino}", **TORCH).fingerprint(4)
    shutil.copytree(dino, tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 0.1}))
    other = build_backbone(f"hf:{dino}", weights=tmp_path / "other", **TORCH).fingerprint(4)
    assert other.backbone == wanted.backbone and other.weights != wanted.weights and not wanted.matches(other)
    random = build_backbone(f"hf:{dino}", weights="random", **TORCH).fingerprint(4)
    assert random.weights == "random-seed0"


PROCESSORS = {
    "BitImageProcessor": {"size": {"shortest_edge": 50}, "crop_size": {"height": 40, "width": 40}},
    "SiglipImageProcessor": {"size": {"height": 48, "width": 48}},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 64}, "crop_pct": 0.875},
    "VideoMAEImageProcessor": {"size": {"shortest_edge": 50}, "crop_size": {"height": 40, "width": 40}},
    "DINOv3ViTImageProcessor": {"size": {"height": 48, "width": 48}},
}


@pytest.mark.parametrize("kind, options", PROCESSORS.items())
def test_pictures_are_prepared_as_the_processor_does(kind, options, transformers, photos):
    frame = photos["palace"]
    processor = getattr(transformers, kind)(**options)
    own = read_processor("hf:x", processor)
    size = Size(own.pixels, own.resize, own.scaled, own.interpolation)
    images = resize(frame, size).astype(np.float32)
    made = (images - own.mean) / own.std
    expected = np.asarray(processor(frame[0], return_tensors="np")["pixel_values"]).reshape(3, *made.shape[1:3])
    difference = np.abs(made[0].transpose(2, 0, 1) - expected)
    assert difference.mean() < 0.02 and difference.max() < 0.3


def test_the_hub_s_cache_is_read_offline(dino, tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match=r"they are not in the cache .*, and the hub did not give.* Name a folder with"
    ):
        build_backbone("hf:someone/tiny", **TORCH)
    revision = "0" * 40
    cached = tmp_path / "models--someone--tiny"
    shutil.copytree(dino, cached / "snapshots" / revision)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(revision)
    found = build_backbone("hf:someone/tiny", **TORCH).fingerprint(4)
    assert found.backbone == "hf:someone/tiny"
    assert found.weights == build_backbone(f"hf:{dino}", **TORCH).fingerprint(4).weights
    (cached / "snapshots" / revision / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"expects model.safetensors or .* of 'someone/tiny', got no such files"):
        build_backbone("hf:someone/tiny", **TORCH)


def test_bad_folders(transformers, dino, vit, tmp_path):
    def refused(message, name=None, **options):
        with pytest.raises((UserError, FileNotFoundError), match=message) as error:
            build_backbone(f"hf:{name or tmp_path / 'bad'}", **TORCH, **options)
        assert "\n" not in str(error.value)

    def broken(change, *, of=dino):
        shutil.rmtree(tmp_path / "bad", ignore_errors=True)
        shutil.copytree(of, tmp_path / "bad")
        change(tmp_path / "bad")

    nothing = tmp_path / "nothing"
    refused(rf"expects the id of a model or a folder, got '{re.escape(str(nothing))}'\. Name a folder", name=nothing)
    refused(r"expect a folder as save_pretrained writes it, got none, which is not there", name=dino, weights="none")
    broken(lambda folder: (folder / "config.json").unlink())
    refused(r"expects config.json in .*bad, got none")
    broken(lambda folder: (folder / "preprocessor_config.json").unlink())
    refused(r"expects \*processor_config.json in .*bad, got none")
    broken(lambda folder: (folder / "model.safetensors").unlink())
    refused(r"expects model.safetensors or .* in .*bad, got none")
    broken(lambda folder: shutil.copy(vit / "model.safetensors", folder))
    refused(
        r"Weights of hf:.* expect to belong to this network, but .*bad lacks|expects a model that transformers reads"
    )
    broken(lambda folder: (folder / "model.safetensors").write_bytes(b"nothing"))
    refused(r"expects a model that transformers reads in .*bad, got: ")
    broken(lambda folder: (folder / "config.json").write_text('{"model_type": "nothing"}'))
    refused(r"expects a model that transformers reads in .*bad, got: ")
    refused(r"Unknown layer 'encoder.layer.7' of hf:.*Did you mean", name=dino, layer="encoder.layer.7")
    refused(
        r"input_size expects pictures that hf:.* can read, got 32 pixels|expects at least 32", name=dino, input_size=8
    )
    with quiet():
        config = transformers.BertConfig(**SHAPE, intermediate_size=32, vocab_size=9)
        broken(lambda folder: transformers.BertModel(config).save_pretrained(folder))
    refused(r"expects a model that reads images, got one of type 'bert'\. Use an image encoder")


def test_transformers_that_is_not_installed(monkeypatch, dino):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"expects the package transformers, got none\. Run `pip install vidseq\[back"):
        build_backbone(f"hf:{dino}")
