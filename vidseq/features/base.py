"""The one interface of what turns frames into features."""

import abc
from fractions import Fraction

import numpy as np

from vidseq.features.fingerprint import Fingerprint
from vidseq.video.resizing import Size


class Backbone(abc.ABC):
    """A per-frame network: images in, one vector a frame out. Frames do not see each other."""

    name: str
    """What it is called on the command line and in fingerprints."""
    dim: int
    """Width D of a feature vector."""
    size: Size
    """How large it wants images, and what of them."""
    batch_size: int
    """Images at a time that run best."""
    side_by_side: int = 1
    """How many calls, from as many threads, it serves at the same time."""

    @abc.abstractmethod
    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turns images into features.

        Args:
            images: uint8 RGB (N, H, W, 3); any N.

        Returns:
            float32 (N, D).
        """

    @abc.abstractmethod
    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        """The fingerprint of features that it makes of frames sampled at `fps`.

        Args:
            fps: frames a second.
            decoder: how the decoder is chosen.
        """

    def limit_threads(self, threads: int) -> None:  # noqa: B027 - most backbones have nothing to limit
        """Uses no more than so many CPU threads from now on; several processes may share the machine."""
