"""Per-frame CNNs: a network cut off before its classifier, on an engine."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.base import Backbone
from vidseq.features.engines import ENGINES, choose_engine
from vidseq.features.fingerprint import Fingerprint, rational
from vidseq.features.weights import load_weights, weights_hash
from vidseq.video.resizing import Size

IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
#: Pixels between neighbours of the last feature map, in all of these networks.
STRIDE = 32


def no_norm(network: nn.Module) -> nn.Module:
    """Returns what leaves pooled features as they are."""
    return nn.Identity()


@dataclass(frozen=True, kw_only=True)
class Cnn:
    """An entry of `BACKBONES`: how to make a CNN, and where to cut its classifier off.

    Its functions are functions of a module, or `functools.partial` of such, so that other processes can make it too.
    """

    name: str
    dim: int
    """Channels of the last feature map."""
    make: Callable[[], nn.Module]
    """Makes the whole network with random weights and its classifier."""
    layers: Callable[[nn.Module], nn.Module]
    """Cuts the part from images to the last feature map out of the network."""
    pretrained: Callable[[], Path]
    """Finds the file of the weights that "pretrained" means, or downloads it."""
    norm: Callable[[nn.Module], nn.Module] = no_norm
    """Cuts out what the network does to pooled features before it classifies them."""
    classifier: str = "fc."
    """Start of the names of the classifier's weights."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def build(self, config: BackboneConfig) -> "CnnBackbone":
        """Makes the CNN with the options of a config."""
        return CnnBackbone(self, config)


class FeatureNetwork(nn.Module):
    """Turns images into pooled features; it normalises pixels itself, so that every engine gets raw frames."""

    mean: Tensor
    scale: Tensor

    def __init__(self, cnn: Cnn, network: nn.Module, grid: tuple[int, int]) -> None:
        super().__init__()
        self.layers = cnn.layers(network)
        self.norm = cnn.norm(network)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.register_buffer("mean", torch.tensor(cnn.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(cnn.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Turns images, uint8 (N, H, W, 3), into features (N, cells * channels), row by row of cells."""
        x = (images.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        return self.norm(self.pool(self.layers(x))).permute(0, 2, 3, 1).flatten(1)


class CnnBackbone(Backbone):
    """A CNN on an engine. Copies and other processes make it anew.

    Args:
        cnn: which CNN.
        config: how it runs; its `backbone` is not read.

    Raises:
        UserError: an option that does not fit, or weights that cannot be had.
    """

    def __init__(self, cnn: Cnn, config: BackboneConfig) -> None:
        if config.batch_size < 1:
            raise UserError(f"Backbone expects batch_size of at least 1, got {config.batch_size}.")
        self.size = Size(config.input_size, config.resize)  # type: ignore[arg-type]
        grid = _grid(config.pooling, config.input_size)
        engine = choose_engine(config.engine, config.device)
        network, self.weights = make_network(cnn, config.weights)
        self.cnn, self.config = cnn, config
        self.name, self.batch_size, self.dim = cnn.name, config.batch_size, cnn.dim * grid[0] * grid[1]
        self.engine = ENGINES[engine](FeatureNetwork(cnn, network, grid), config)

    def __reduce__(self) -> tuple[type["CnnBackbone"], tuple[Cnn, BackboneConfig]]:
        return CnnBackbone, (self.cnn, self.config)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turns uint8 RGB images (N, H, W, 3) into float32 features (N, D)."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise UserError(f"Backbone expects uint8 images (N, H, W, 3), got {images.dtype} {images.shape}.")
        return self.engine(images) if len(images) else np.zeros((0, self.dim), np.float32)

    @property
    def side_by_side(self) -> int:  # type: ignore[override]
        """The number of calls, from as many threads, that it serves at the same time."""
        return self.engine.side_by_side

    def limit_threads(self, threads: int) -> None:
        """Limits the CPU threads that it uses from now on."""
        self.engine.limit_threads(threads)

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        """Returns the fingerprint of features that it makes of frames sampled at `fps`."""
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


def make_network(cnn: Cnn, weights: str) -> tuple[nn.Module, str]:
    """Makes the whole network, classifier included, in evaluation mode.

    Args:
        cnn: which network.
        weights: as in `BackboneConfig`.

    Returns:
        the network, and what a fingerprint says of its weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = cnn.make().eval().requires_grad_(False)
    if weights == "random":
        return network, "random-seed0"
    path = cnn.pretrained() if weights == "pretrained" else Path(weights)
    load_weights(network, path, optional=cnn.classifier)
    return network, weights_hash(path)


def _grid(pooling: str, input_size: int) -> tuple[int, int]:
    """Reads the rows and columns of the grid that features are averaged over; "mean" is one cell."""
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
