"""Backbones of open kinds: any network of torchvision, timm or transformers, on an engine."""

import abc
from dataclasses import dataclass

import torch

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.base import no_window
from vidseq.features.encoder import Encoder
from vidseq.features.engine_backbone import EngineBackbone
from vidseq.features.engines import ENGINES, choose_engine
from vidseq.features.readout import Readout
from vidseq.video.resizing import Size

#: Height of the trial picture of resize "whole", as a multiple of its width.
_TRIAL_SHAPE = 2


@dataclass(frozen=True)
class EncoderEntry(abc.ABC):
    """Opens an encoder by name. It is sent to other processes, which open the encoder anew."""

    name: str
    """As on the command line and in fingerprints."""

    @abc.abstractmethod
    def open(self, config: BackboneConfig) -> Encoder:
        """Makes the network and finds its weights.

        Raises:
            UserError: an unknown name, a package that is not installed, or weights that cannot be had.
            FileNotFoundError: the file of the weights does not exist.
        """

    def build(self, config: BackboneConfig) -> "EncoderBackbone":
        """Makes the backbone with the options of a config."""
        return EncoderBackbone(self, config)


class EncoderBackbone(EngineBackbone):
    """An encoder on an engine. Copies and other processes make it anew.

    Engine "auto" is torch, which runs every network; openvino is faster on CPUs for those that it can convert.

    Args:
        entry: opens the encoder.
        config: how it runs; its `backbone` is not read.

    Raises:
        UserError: an option that does not fit, or weights that cannot be had.
        FileNotFoundError: the file of the weights does not exist.
    """

    def __init__(self, entry: EncoderEntry, config: BackboneConfig) -> None:
        if config.batch_size < 1:
            raise UserError(f"Backbone expects batch_size of at least 1, got {config.batch_size}.")
        engine = choose_engine(config.engine, config.device)
        engine = "torch" if config.engine == "auto" else engine
        encoder = entry.open(config)
        if config.window is not None and encoder.window == 1:
            raise no_window(entry.name)
        self.entry, self.config, self.name, self.batch_size = entry, config, entry.name, config.batch_size
        self.size, self.window = encoder.preprocessing.size(config), encoder.window
        self.weights, self.preprocessing = encoder.weights, encoder.preprocessing.describe(self.size)
        network = _readout(entry.name, encoder, config, self.size)
        self.pooling, self.layer = network.choice.pooling, network.choice.layer
        shape = _try(network, self.size)
        self.tokens, self.dim = (shape[1], shape[2]) if len(shape) == 3 else (None, shape[1])
        self.engine = ENGINES[engine](network, config)

    def __reduce__(self) -> tuple[type["EncoderBackbone"], tuple[EncoderEntry, BackboneConfig]]:
        return EncoderBackbone, (self.entry, self.config)


def _readout(name: str, encoder: Encoder, config: BackboneConfig, size: Size) -> Readout:
    try:
        with torch.no_grad():
            return Readout(name, encoder, config, size.pixels)
    except UserError:
        raise
    except (RuntimeError, ValueError, AssertionError) as error:
        if config.window is not None:
            raise UserError(
                f"window expects a number of samples that {name} can read, got {config.window} ({_line(error)}). "
                f"Its own is {encoder.own_window}."
            ) from error
        if config.input_size is None:
            raise
        raise UserError(
            f"input_size expects pictures that {name} can read, got {size.pixels} pixels ({_line(error)}). "
            f"Its own are of {encoder.preprocessing.pixels} pixels."
        ) from error


def _try(network: Readout, size: Size) -> torch.Size:
    """The shape of the features of a picture, which is no square where others need not be.

    Raises:
        UserError: the network takes squares alone.
    """
    sides = size.output(size.pixels * _TRIAL_SHAPE, size.pixels) if size.resize == "whole" else (size.pixels,) * 2
    try:
        with torch.no_grad():
            shape: torch.Size = network(network.blank(*sides)).shape
    except UserError:
        raise
    except (RuntimeError, ValueError, AssertionError) as error:
        raise UserError(
            f"resize 'whole' expects a network that takes pictures of any shape, got {network.name} ({_line(error)}). "
            "Use resize crop or stretch."
        ) from error
    return shape


def _line(error: Exception) -> str:
    """The first line of an error's text."""
    return next(iter(str(error).splitlines()), type(error).__name__)
