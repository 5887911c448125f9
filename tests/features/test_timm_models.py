"""Any image model of timm, prepared as timm itself prepares pictures."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from vidseq.errors import UserError
from vidseq.features.encoder import with_seed_0
from vidseq.features.rebuild import backbone_like
from vidseq.features.registry import build_backbone
from vidseq.video.resizing import resize

NAME = "timm:test_vit"
TORCH = {"engine": "torch", "device": "cpu"}


@pytest.fixture(scope="module")
def timm():
    return pytest.importorskip("timm")


@pytest.fixture(scope="module")
def network(timm):
    return with_seed_0(lambda: timm.create_model("test_vit"))


def test_pictures_are_prepared_as_timm_does(timm, network, photos):
    """Frame, resize, normalise and network agree with timm's own transform."""
    frame = photos["palace"]
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    expected = network.forward_head(network.forward_features(transform(Image.fromarray(frame[0]))[None]), True)
    backbone = build_backbone(NAME, weights="random", **TORCH)
    made = backbone(resize(frame, backbone.size))
    assert backbone.size.pixels == 160
    np.testing.assert_allclose(made, expected.detach().numpy(), atol=0.02 * float(expected.std()))


def test_tokens_are_the_patches(network, noise):
    images = np.resize(noise, (2, 160, 160, 3))
    x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    states = network.forward_features(x)
    patches = build_backbone(NAME, weights="random", tokens=True, **TORCH)
    assert patches.tokens == 100 and patches.fingerprint(4).pooling == "10x10"
    np.testing.assert_allclose(patches(images), states[:, 1:].numpy(), rtol=1e-3, atol=1e-4)
    token = build_backbone(NAME, weights="random", pooling="cls", **TORCH)
    np.testing.assert_allclose(token(images), states[:, 0].numpy(), rtol=1e-3, atol=1e-4)
    inner = build_backbone(NAME, weights="random", layer="blocks.1", pooling="5x5", **TORCH)
    assert inner.dim == 25 * states.shape[-1] and inner.fingerprint(4).layer == "blocks.1"
    smaller = build_backbone(NAME, weights="random", input_size=64, tokens=True, **TORCH)
    assert smaller.tokens == 16


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_saved_state_dict(suffix, network, tmp_path, noise):
    images = np.resize(noise, (2, 160, 160, 3))
    weights = {name: value + 0.01 for name, value in network.state_dict().items()}
    path = tmp_path / f"mine{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(weights, path)
    mine = build_backbone(NAME, weights=path, **TORCH)
    wanted = mine.fingerprint(4)
    assert len(wanted.weights) == 12
    assert np.abs(mine(images) - build_backbone(NAME, weights="random", **TORCH)(images)).max() > 0.01
    np.testing.assert_array_equal(backbone_like(wanted, weights=str(path), device="cpu")(images), mine(images))
    with pytest.raises(UserError, match=r"but .* lacks .*Check the backbone's name"):
        build_backbone("timm:test_resnet", weights=path, **TORCH)


def test_a_map_whose_channels_are_last(timm, noise):
    """Swin's last map is (N, H, W, D)."""
    assert timm.is_model("swin_tiny_patch4_window7_224")
    from vidseq.features.readout import _has_channels_last

    assert _has_channels_last(torch.zeros(1, 7, 7, 768)) and not _has_channels_last(torch.zeros(1, 768, 7, 7))


def test_weights_that_are_not_here(monkeypatch, tmp_path, timm):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(
        UserError, match=r"got none: they are not in the cache .*hub, and the hub did not .*Pass a file"
    ):
        build_backbone(NAME, **TORCH)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("timm:test_vitt", {}, r"Unknown model 'test_vitt' of timm\. Did you mean 'timm:test_vit"),
        (
            "timm:test_vit.none",
            {},
            r"Backbone 'timm:test_vit.none' expects a model and weights that timm knows, got: Inv",
        ),
        (NAME, {"layer": "blocks.77"}, r"Unknown layer 'blocks.77' of timm:test_vit"),
        ("timm:test_resnet", {"pooling": "cls"}, r"pooling 'cls' expects a network with a class token"),
    ],
)
def test_misuse(name, options, message, timm):
    with pytest.raises(UserError, match=message):
        build_backbone(name, weights="random", **TORCH, **options)


def test_timm_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"expects the package timm, got none\. Run `pip install vidseq\[backbones\]`"):
        build_backbone(NAME, weights="random")
