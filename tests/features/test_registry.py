"""A backbone is one entry in the registry: a class of its own, or a row for a CNN."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from color_backbone import ColorBackbone
from torch import nn

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.base import Backbone
from vidseq.features.cnn import Cnn
from vidseq.features.extract import extract_features
from vidseq.features.registry import BACKBONES, build_backbone, make_backbone
from vidseq.features.store import FeatureStore
from vidseq.features.torchvision_cnns import TORCHVISION_CNNS
from vidseq.video.writer import VideoWriter


def make_tiny() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 32, stride=32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def first_layer(network: nn.Module) -> nn.Module:
    return network.get_submodule("0")


def no_weights() -> Path:
    raise UserError("Backbone 'tiny' expects weights='random', got 'pretrained'.")


TINY = Cnn(name="tiny", dim=4, make=make_tiny, layers=first_layer, pretrained=no_weights, classifier="3.")


class Registered(ColorBackbone):
    """The mean colour of a frame, as an entry of the registry."""

    name = "mean_color"

    @classmethod
    def build(cls, config: BackboneConfig) -> Backbone:
        backbone = cls()
        backbone.batch_size = config.batch_size
        return backbone


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "v.mp4", fps=8) as writer:
        writer.write(np.full((16, 64, 64, 3), 100, np.uint8))
    return tmp_path / "v.mp4"


@pytest.mark.parametrize(("entry", "dim"), [(Registered, 3), (TINY, 4)], ids=["class", "row"])
def test_a_new_backbone_makes_features(
    entry: type[Registered] | Cnn, dim: int, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, entry.name, entry)
    backbone = build_backbone(entry.name, weights="random", engine="torch", input_size=64, batch_size=3)
    assert backbone.batch_size == 3 and backbone.dim == dim
    store = FeatureStore.create(tmp_path / "store", backbone.fingerprint(4))
    assert not extract_features([("v", video)], store, backbone, 4, workers=1).failed
    assert store.read("v").features.shape == (8, dim)


def test_pretrained_is_what_the_row_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "tiny", TINY)
    with pytest.raises(UserError, match="Backbone 'tiny' expects weights='random', got 'pretrained'"):
        make_backbone(BackboneConfig(backbone="tiny", engine="torch"))


def test_an_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"Unknown backbone 'resnet81'. Did you mean 'resnet18'"):
        make_backbone(BackboneConfig(backbone="resnet81"))


def test_every_row_is_listed_once() -> None:
    assert len(BACKBONES) == 2 + len(TORCHVISION_CNNS)
    assert all(entry.name == name for name, entry in BACKBONES.items())


def test_the_options_need_no_torch() -> None:
    code = "import sys, vidseq.features.backbone_config; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
