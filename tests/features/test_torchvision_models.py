"""Any classification model of torchvision, and what every open kind shares: layers, grids, tokens, copies."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from vidseq.errors import UserError
from vidseq.features.encoder import with_seed_0
from vidseq.features.network_entry import ImageNetwork, image_network
from vidseq.features.rebuild import backbone_like
from vidseq.features.registry import BACKBONES, build_backbone

NAME = "torchvision:shufflenet_v2_x0_5"
SMALL = {"weights": "random", "engine": "torch", "device": "cpu", "input_size": 64}


def normalised(images: np.ndarray) -> torch.Tensor:
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    return (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std


@pytest.fixture
def squares(noise):
    return np.ascontiguousarray(noise[:2, :, :64])


@image_network("rows", input_size=32, mean=(0.0,) * 3, std=(1.0,) * 3)
def rows() -> nn.Module:
    """The mean colour of each row, as tokens."""
    return nn.Sequential(nn.AdaptiveAvgPool2d((32, 1)), nn.Flatten(2), Swap())


class Swap(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


def test_features_are_what_the_model_classifies(squares):
    network = with_seed_0(lambda: torchvision.models.get_model("shufflenet_v2_x0_5"))
    backbone = build_backbone(NAME, **SMALL)
    seen = []
    network.fc.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].numpy()))
    network(normalised(squares))
    np.testing.assert_allclose(backbone(squares), seen[0], rtol=1e-3, atol=1e-3 * np.abs(seen[0]).max())
    wanted = backbone.fingerprint(4)
    assert (wanted.pooling, wanted.layer, wanted.resize, wanted.weights) == ("own", "last", "crop", "random-seed0")
    assert wanted.preprocessing == "73 bilinear; 123.675,116.28,103.53; 58.395,57.12,57.375"


def test_a_named_layer_is_what_its_module_makes(squares):
    network = with_seed_0(lambda: torchvision.models.get_model("shufflenet_v2_x0_5"))
    x = network.stage2(network.maxpool(network.conv1(normalised(squares))))
    cells = build_backbone(NAME, **SMALL, layer="stage2", tokens=True)
    assert cells.tokens == 64 and cells.fingerprint(4).pooling == "8x8" and cells.fingerprint(4).layer == "stage2"
    np.testing.assert_allclose(
        cells(squares), x.flatten(2).transpose(1, 2).numpy(), rtol=1e-3, atol=1e-3 * float(x.abs().max())
    )
    mean = build_backbone(NAME, **SMALL, layer="stage2")
    np.testing.assert_allclose(mean(squares), x.mean((2, 3)).numpy(), rtol=1e-3, atol=1e-4)
    grid = build_backbone(NAME, **SMALL, layer="stage2", pooling="2x4")
    pooled = nn.functional.adaptive_avg_pool2d(x, (2, 4)).permute(0, 2, 3, 1).flatten(1)
    np.testing.assert_allclose(grid(squares), pooled.numpy(), rtol=1e-3, atol=1e-4)
    whole = build_backbone(NAME, **SMALL, layer="stage2", resize="whole")
    assert whole(np.zeros((1, 32, 96, 3), np.uint8)).shape == (1, 48)


@pytest.mark.parametrize("options", [{}, {"tokens": True}, {"pooling": "2x2", "layer": "stage3", "resize": "stretch"}])
def test_the_fingerprint_makes_the_backbone_again(options, squares):
    backbone = build_backbone(NAME, **SMALL, **options)
    wanted = backbone.fingerprint("4", decoder="pyav")
    again = backbone_like(wanted, engine="torch", device="cpu")
    assert again.fingerprint("4", decoder="pyav") == wanted
    np.testing.assert_array_equal(again(squares), backbone(squares))
    for copied in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        np.testing.assert_array_equal(copied(squares), backbone(squares))
    for name, other in (("preprocessing", "64 bilinear; 0,0,0; 1,1,1"), ("layer", "stage4"), ("pooling", "cls")):
        assert not wanted.matches(dataclasses.replace(wanted, **{name: other}))


def test_weights_of_a_file(tmp_path, squares):
    network = with_seed_0(lambda: torchvision.models.get_model("shufflenet_v2_x0_5", num_classes=7))
    with torch.no_grad():
        network.conv5[1].weight.add_(1)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    mine = build_backbone(NAME, **{**SMALL, "weights": tmp_path / "mine.pth"})
    random = build_backbone(NAME, **SMALL)(squares)
    assert np.abs(mine(squares) - random).max() > np.abs(random).max() / 2
    assert len(mine.fingerprint(4).weights) == 12
    with pytest.raises(
        UserError, match=r"expects to belong to this network, but .* lacks .* Check the backbone's name"
    ):
        build_backbone("torchvision:resnet18", **{**SMALL, "weights": tmp_path / "mine.pth"})


def test_a_function_is_a_backbone(monkeypatch):
    monkeypatch.setitem(BACKBONES, "rows", rows)
    assert isinstance(rows, ImageNetwork)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    backbone = build_backbone("rows", device="cpu")
    np.testing.assert_allclose(backbone(images), images.mean((1, 2)), rtol=1e-4)
    assert copy.deepcopy(backbone).entry is rows and len(backbone.fingerprint(4).weights) == 12


@pytest.mark.parametrize(
    "name, options, message",
    [
        (
            "torchvision:shufflenet",
            {},
            r"Unknown model 'shufflenet' of torchvision\. Did you mean 'torchvision:shuffle",
        ),
        ("torchvision:", {}, r"Backbone 'torchvision:' expects the name of a model behind 'torchvision:', got none"),
        ("torch:resnet18", {}, r"Unknown backbone 'torch:resnet18'.* torchvision:NAME"),
        (NAME, {"layer": "stage22"}, r"Unknown layer 'stage22' of .*Did you mean 'stage2.*Known are last and"),
        (
            NAME,
            {"layer": "fc", "pooling": "mean"},
            r"pooling 'mean' expects states with places .*layer 'fc' of torchv",
        ),
        (NAME, {"layer": "stage2", "pooling": "own"}, r"pooling 'own' expects a network that pools its last states"),
        (NAME, {"pooling": "cls"}, r"pooling 'cls' expects a network with a class token, got torchvision"),
        (NAME, {"pooling": "max"}, r"pooling expects own, mean, cls or ROWSxCOLUMNS, got 'max'"),
        (NAME, {"pooling": "3x2"}, r"pooling expects at most 2x2, the patches of .* at input_size 64, got '3x2'"),
        (NAME, {"pooling": "mean", "tokens": True}, r"tokens expect a grid of cells, got pooling 'mean'"),
        (NAME, {"resize": "squash"}, r"expects resize crop, stretch or whole, got 'squash'"),
        (NAME, {"batch_size": 0}, r"expects batch_size of at least 1, got 0"),
        (NAME, {"weights": "none.pth"}, r"Weights expect a \.pth or \.safetensors file, got none\.pth"),
    ],
)
def test_misuse(name, options, message):
    with pytest.raises((UserError, FileNotFoundError), match=message):
        build_backbone(name, **{**SMALL, **options})
