"""Reads features out of a network: what it pools itself, its tokens, a grid of them, or those of an inner module."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.encoder import Encoder, Encoding
from vidseq.features.preprocessing import Normalise

#: What `pooling` may be beside a grid.
POOLINGS = ("own", "mean", "cls")
#: Modules that a message names as examples of layers.
_EXAMPLES = 3


@dataclass(frozen=True)
class Choice:
    """Which features are read."""

    layer: str
    """"last", or the name of a module."""
    pooling: str
    """One of `POOLINGS`, or rows x columns."""
    grid: tuple[int, int] | None
    """The rows and columns of `pooling`."""
    tokens: bool
    """Whether the cells of the grid stay apart."""


class Readout(nn.Module):
    """Turns images, uint8 (N, H, W, 3), or windows of them, (N, W, H, W, 3), into features (N, D) or (N, tokens, D).

    Args:
        name: of the backbone, for messages.
        encoder: the network.
        config: layer, pooling and tokens.
        pixels: side of the square that the network sees.

    Raises:
        UserError: an option that the network cannot follow.
    """

    def __init__(self, name: str, encoder: Encoder, config: BackboneConfig, pixels: int) -> None:
        super().__init__()
        self.name = name
        self.weights = encoder.weights  # the key of a compiled network depends on it
        self.normalise = Normalise(encoder.preprocessing)
        self.network, self.patch, self.window = encoder.network, encoder.patch, encoder.window
        self.inner = _Inner(encoder.body, config.layer, name) if config.layer != "last" else None
        self.channels_last = False
        found = self._encode(self.blank(pixels, pixels))
        states = found.states
        self.channels_last = states is not None and _has_channels_last(states)
        self.choice = self._choose(config, found, pixels)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        found, choice = self._encode(images), self.choice
        if choice.pooling == "own":
            assert found.pooled is not None
            return found.pooled
        assert found.states is not None
        if choice.pooling == "cls":
            return found.states[:, 0]
        if choice.grid is None and found.states.ndim == 3 and self.patch is None:
            return found.states.mean(dim=1)
        cells = self._cells(found.states, images.shape[-3], images.shape[-2])
        if choice.grid is None:
            return cells.mean(dim=(-2, -1))
        pooled = nn.functional.adaptive_avg_pool2d(cells, choice.grid).permute(0, 2, 3, 1)
        return pooled.flatten(1, 2) if choice.tokens else pooled.flatten(1)

    def blank(self, height: int, width: int) -> Tensor:
        """A black picture, or a window of them, as one input."""
        window = (self.window,) if self.window > 1 else ()
        return torch.zeros(1, *window, height, width, 3, dtype=torch.uint8)

    def _encode(self, images: Tensor) -> Encoding:
        encoding: Encoding = self.network(self.normalise(images))
        encoding = encoding if self.inner is None else self.inner.take()
        if self.window > 1 and encoding.states is not None:  # tokens of all times
            return Encoding(encoding.states.flatten(1, -2).mean(dim=1), None)
        return encoding

    def _cells(self, states: Tensor, height: int, width: int) -> Tensor:
        """The states as a map (N, D, rows, columns); tokens that are no patches, as the class's, stand first.

        Raises:
            UserError: the tokens make no map.
        """
        if states.ndim == 4:
            return states.permute(0, 3, 1, 2) if self.channels_last else states
        rows, columns = self._sides(states.shape[1], height, width)
        patches = states[:, states.shape[1] - rows * columns :]
        return patches.unflatten(1, (rows, columns)).permute(0, 3, 1, 2)

    def _sides(self, num_tokens: int, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the patches among the tokens."""
        if self.patch is not None and (height // self.patch) * (width // self.patch) <= num_tokens:
            return height // self.patch, width // self.patch
        if height != width:
            raise UserError(
                f"resize 'whole' expects a network whose tokens have a known patch size, got {self.name}. "
                "Use resize crop or stretch."
            )
        side = math.isqrt(num_tokens)
        if self.patch is None and side**2 != num_tokens:
            raise UserError(
                f"A grid expects tokens that make a square, got {num_tokens} of {self.name}. Use pooling mean."
            )
        return side, side

    def _choose(self, config: BackboneConfig, found: Encoding, pixels: int) -> Choice:
        """Says what "auto" means, and refuses what the network has not."""
        if config.tokens and config.pooling in POOLINGS:
            raise UserError(
                f"tokens expect a grid of cells, got pooling '{config.pooling}'. "
                "Example: `vidseq features --pooling 7x7 --tokens`."
            )
        pooling = config.pooling
        if pooling == "auto" and not config.tokens:
            pooling = "own" if found.pooled is not None else "mean"
        if pooling == "own" and found.pooled is None:
            raise UserError(
                f"pooling 'own' expects a network that pools its last states, got {self._where(config)}. Use 'mean'."
            )
        if pooling == "own":
            return Choice(config.layer, pooling, None, False)
        return self._choose_of_states(config, pooling, found.states, pixels)

    def _choose_of_states(self, config: BackboneConfig, pooling: str, states: Tensor | None, pixels: int) -> Choice:
        if states is None:
            raise UserError(
                f"pooling '{pooling}' expects states with places in the picture, got none of {self._where(config)}. "
                "Use pooling own, or another layer."
            )
        if pooling == "mean":
            return Choice(config.layer, pooling, None, False)
        rows, columns = self._cells(states, pixels, pixels).shape[-2:]
        if pooling == "cls" and (states.ndim != 3 or states.shape[1] == rows * columns):
            raise UserError(f"pooling 'cls' expects a network with a class token, got {self.name}. Use 'mean'.")
        if pooling in POOLINGS:
            return Choice(config.layer, pooling, None, False)
        grid = (rows, columns) if pooling == "auto" else parse_grid(pooling)
        if grid[0] > rows or grid[1] > columns:
            raise UserError(
                f"pooling expects at most {rows}x{columns}, the patches of {self._where(config)} at input_size "
                f"{pixels}, got {pooling!r}. Use fewer, or larger images."
            )
        return Choice(config.layer, f"{grid[0]}x{grid[1]}", grid, config.tokens)

    def _where(self, config: BackboneConfig) -> str:
        return self.name if config.layer == "last" else f"layer '{config.layer}' of {self.name}"


class _Inner:
    """Keeps what an inner module makes while its network runs.

    Raises:
        UserError: there is no such module.
    """

    def __init__(self, body: nn.Module, layer: str, name: str) -> None:
        modules = {path: module for path, module in body.named_modules() if path}
        if layer not in modules:
            raise _unknown_layer(layer, name, modules)
        self._layer, self._name, self._kept = layer, name, None
        modules[layer].register_forward_hook(self._keep)

    def take(self) -> Encoding:
        """What the module made last.

        Raises:
            UserError: it made nothing, or no states.
        """
        made, self._kept = first_tensor(self._kept), None
        if made is None or made.ndim not in (2, 3, 4):
            raise UserError(
                f"layer expects a module of {self._name} that runs and makes vectors, tokens or a map, "
                f"got '{self._layer}'. Use the module that holds it, or layer last."
            )
        return Encoding(made, None) if made.ndim == 2 else Encoding(None, made)

    def _keep(self, module: nn.Module, inputs: object, output: Any) -> None:
        self._kept = output


def parse_grid(pooling: str) -> tuple[int, int]:
    """Reads rows and columns such as "2x3".

    Raises:
        UserError: it is none.
    """
    match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", pooling)
    if match is None:
        raise UserError(f"pooling expects {', '.join(POOLINGS)} or ROWSxCOLUMNS, got {pooling!r}. Example: '2x3'.")
    return int(match[1]), int(match[2])


def first_tensor(output: Any) -> Tensor | None:
    """The tensor that a module returns, alone or first; None: there is none."""
    if isinstance(output, Mapping):
        output = next(iter(output.values()), None)
    while isinstance(output, (tuple, list)) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def _has_channels_last(states: Tensor) -> bool:
    """Whether a map of a square picture is (N, H, W, D); with as many channels as rows it counts as (N, D, H, W)."""
    return states.ndim == 4 and states.shape[1] == states.shape[2] != states.shape[3]


def _unknown_layer(layer: str, name: str, modules: Mapping[str, nn.Module]) -> UserError:
    near = difflib.get_close_matches(layer, modules, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    step = max(1, len(modules) // _EXAMPLES)
    examples = ", ".join(list(modules)[step // 2 :: step][:_EXAMPLES])
    return UserError(f"Unknown layer '{layer}' of {name}.{hint} Known are last and its modules, such as {examples}.")
