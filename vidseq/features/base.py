"""The interface of backbones, which turn frames into features."""

import abc
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.fingerprint import Fingerprint
from vidseq.video.resizing import Size

if TYPE_CHECKING:
    from torch import nn


class Backbone(abc.ABC):
    """Turns each image, or each window of images, into a vector, or into a vector a token, independently of others."""

    name: str
    """Its name on the command line and in fingerprints."""
    dim: int
    """Width D of a feature vector."""
    tokens: int | None = None
    """Tokens N of an image, such as cells of a grid; None: one vector, no token axis."""
    size: Size
    """The size of its input images, and which part of a frame they show."""
    batch_size: int
    """The fastest number of images per call."""
    window: int = 1
    """Samples that it reads at each sample: that sample and those just before it (`PastWindows`)."""
    side_by_side: int = 1
    """The number of calls, each from its own thread, that run at the same time."""

    @abc.abstractmethod
    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turns images into features.

        Args:
            images: uint8 RGB (N, H, W, 3), or (N, window, H, W, 3) with a window above 1; any N.

        Returns:
            float32 (N, D), or (N, tokens, D) with tokens.
        """

    @abc.abstractmethod
    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        """Returns the fingerprint of its features of frames sampled at `fps`.

        Args:
            fps: samples per second.
            decoder: how the decoder is chosen.
        """

    def torch_network(self) -> "nn.Module | None":
        """The network itself, from images uint8 (N, H, W, 3) to features, on the CPU; None: it is none of torch."""
        return None

    def limit_threads(self, threads: int) -> None:  # noqa: B027 - most backbones have nothing to limit
        """Limits the CPU threads that it uses from now on, because several processes may share the machine."""


class BackboneEntry(Protocol):
    """What `BACKBONES` holds: a row of `Cnn`, or a class of `Backbone` with the class method `build`."""

    @property
    def name(self) -> str:
        """Its name on the command line and in fingerprints."""

    def build(self, config: BackboneConfig) -> Backbone:
        """Makes the backbone with the options of a config.

        Raises:
            UserError: an option is invalid, or the weights cannot be found or downloaded.
        """


def no_window(name: str) -> UserError:
    """The error for a window of a backbone that sees one picture at a time."""
    return UserError(
        f"window expects a clip encoder, such as VideoMAE or V-JEPA 2, got {name}, which sees one picture at a time. "
        "Leave it out."
    )
