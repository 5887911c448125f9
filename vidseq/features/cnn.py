"""Per-frame CNNs: a network cut off before its classifier, on an engine."""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.base import no_window
from vidseq.features.engine_backbone import EngineBackbone
from vidseq.features.engines import ENGINES, choose_engine
from vidseq.features.layers import cut_after, stride_of
from vidseq.features.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from vidseq.features.weights import load_weights, weights_hash
from vidseq.video.resizing import Size

CNN_PIXELS = 224


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
    """Cuts the part from images to the last feature map out of the network; a sequence, if earlier ones are wanted."""
    pretrained: Callable[[], Path]
    """Finds the file of the weights that "pretrained" means, or downloads it."""
    norm: Callable[[nn.Module], nn.Module] = no_norm
    """Cuts out what the network does to pooled features before it classifies them."""
    classifier: str = "fc."
    """Start of the names of the classifier's weights."""
    pixels: int = CNN_PIXELS
    """Side of the square that it was trained on."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def build(self, config: BackboneConfig) -> "CnnBackbone":
        """Makes the CNN with the options of a config."""
        return CnnBackbone(self, config)


class FeatureNetwork(nn.Module):
    """Turns images into pooled features; it normalises pixels itself, so that every engine gets raw frames.

    Args:
        cnn: which network this is.
        layers: its part up to the feature map.
        norm: what follows the pooling.
        grid: rows and columns of cells.
        tokens: keep the cells apart.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, cnn: Cnn, layers: nn.Module, norm: nn.Module, grid: tuple[int, int], tokens: bool) -> None:
        super().__init__()
        self.layers, self.norm, self.tokens = layers, norm, tokens
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.register_buffer("mean", torch.tensor(cnn.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / torch.tensor(cnn.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Turns images, uint8 (N, H, W, 3), into features, row by row of cells.

        Returns:
            (N, cells, channels) with tokens, else (N, cells * channels).
        """
        x = (images.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        cells = self.norm(self.pool(self.layers(x))).permute(0, 2, 3, 1)
        return cells.flatten(1, 2) if self.tokens else cells.flatten(1)


class CnnBackbone(EngineBackbone):
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
        if config.window is not None:
            raise no_window(cnn.name)
        config = _without_auto(config, cnn.pixels)
        assert config.input_size is not None
        self.size = Size(config.input_size, config.resize)  # type: ignore[arg-type]
        grid = _grid(config)
        engine = choose_engine(config.engine, config.device)
        network, self.weights = make_network(cnn, config.weights)
        self.cnn, self.config, self.pooling, self.layer = cnn, config, config.pooling, config.layer
        layers, channels, norm = _cut(cnn, network, config.layer)
        self.name, self.batch_size, cells = cnn.name, config.batch_size, grid[0] * grid[1]
        self.tokens, self.dim = (cells, channels) if config.tokens else (None, channels * cells)
        self.engine = ENGINES[engine](FeatureNetwork(cnn, layers, norm, grid, config.tokens), config)

    def __reduce__(self) -> tuple[type["CnnBackbone"], tuple[Cnn, BackboneConfig]]:
        return CnnBackbone, (self.cnn, self.config)

    def torch_network(self) -> nn.Module:
        """The network that the engine runs; see `Backbone.torch_network`."""
        return self.engine.network


def _without_auto(config: BackboneConfig, pixels: int) -> BackboneConfig:
    """Says what is left to the backbone: the mean of the middle square of the pixels that it was trained on."""
    return dataclasses.replace(
        config,
        pooling="mean" if config.pooling == "auto" else config.pooling,
        resize="crop" if config.resize == "auto" else config.resize,
        input_size=pixels if config.input_size is None else config.input_size,
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


def _cut(cnn: Cnn, network: nn.Module, layer: str) -> tuple[nn.Module, int, nn.Module]:
    """Cuts out the part up to a feature map, its channels, and the norm after pooling, which only the last map has."""
    if layer == "last":
        return cnn.layers(network), cnn.dim, cnn.norm(network)
    earlier = cut_after(cnn.layers(network), layer, cnn.name)
    return earlier.network, earlier.channels, nn.Identity()


def _grid(config: BackboneConfig) -> tuple[int, int]:
    """Reads the rows and columns of the grid that features are averaged over; "mean" is one cell."""
    pooling, input_size = config.pooling, config.input_size or CNN_PIXELS
    if pooling == "mean":
        if config.tokens:
            raise UserError(
                "tokens expect a grid of cells, got pooling 'mean'. Example: `vidseq features --pooling 7x7 --tokens`."
            )
        return 1, 1
    match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", pooling)
    if match is None:
        raise UserError(f"pooling expects 'mean' or ROWSxCOLUMNS, got {pooling!r}. Example: '2x3'.")
    rows, columns = int(match[1]), int(match[2])
    most = input_size // stride_of(config.layer)
    if max(rows, columns) > most:
        raise UserError(
            f"pooling expects at most {most} rows and columns at input_size {input_size}, got {pooling!r}. "
            "Use fewer, larger images, or an earlier layer."
        )
    return rows, columns
