"""Cuts a CNN after its last feature map, or after an earlier one, which is larger and knows less."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn

from vidseq.errors import UserError, unknown_name

#: Pixels between neighbours of the last feature map, in all of our networks.
LAST_STRIDE = 32
#: What `layer` may name: the last feature map, or the last one with so many pixels between neighbours.
LAYERS = {"last": LAST_STRIDE, "stride16": 16, "stride8": 8, "stride4": 4}
#: Side of the image that shows the size of each feature map.
_TRIAL_PIXELS = 64


class FeatureMap(NamedTuple):
    """The part of a CNN up to a feature map."""

    network: nn.Module
    channels: int
    stride: int
    """Pixels of the image between neighbours."""


def stride_of(layer: str) -> int:
    """Returns the pixels between neighbours of a layer's feature map.

    Raises:
        UserError: the layer is unknown.
    """
    if layer not in LAYERS:
        raise unknown_name("layer", layer, LAYERS)
    return LAYERS[layer]


def cut_after(layers: nn.Module, layer: str, name: str) -> FeatureMap:
    """Cuts a CNN after the last feature map of a stride.

    Args:
        layers: from images to the last feature map; a sequence of modules, which may hold further sequences.
        layer: one of `LAYERS`, an earlier one than "last".
        name: of the CNN, for messages.

    Raises:
        UserError: the CNN is no sequence, or has no feature map of that stride.
    """
    wanted, x = stride_of(layer), torch.zeros(1, 3, _TRIAL_PIXELS, _TRIAL_PIXELS)
    steps, found = list(_steps(layers)), None
    with torch.inference_mode():
        for number, step in enumerate(steps, start=1):
            x = step(x)
            if x.ndim == 4 and _TRIAL_PIXELS // x.shape[-1] == wanted:
                found = number, x.shape[1]
    if found is None:
        raise UserError(f"layer expects a feature map that {name} has, got '{layer}'. Use layer 'last'.")
    return FeatureMap(nn.Sequential(*steps[: found[0]]), found[1], wanted)


def _steps(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that run one after another, however deep their sequences are nested."""
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for child in module.children():
            yield from _steps(child)
    else:
        yield module
