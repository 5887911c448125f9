"""Makes a backbone of one function that returns a network."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.encoder import Encoder, Plain, with_seed_0
from vidseq.features.encoder_backbone import EncoderEntry
from vidseq.features.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, Triple
from vidseq.features.weights import load_weights, weights_hash
from vidseq.video.resizing import Interpolation, Policy


@dataclass(frozen=True)
class ImageNetwork(EncoderEntry):
    """An entry of `BACKBONES` that a function makes. Other processes find it under the function's name."""

    make: Callable[[], nn.Module]
    preprocessing: Preprocessing

    def __reduce__(self) -> str:
        object.__setattr__(self, "__module__", self.make.__module__)
        return self.make.__qualname__

    def open(self, config: BackboneConfig) -> Encoder:
        """Makes the network; "pretrained" and "random" leave its weights as the function makes them."""
        network = with_seed_0(self.make)
        if config.weights in ("pretrained", "random"):
            weights = _hash_of(network)
        else:
            load_weights(network, Path(config.weights), optional=())
            weights = weights_hash(config.weights)
        return Encoder(network=Plain(network), body=network, weights=weights, preprocessing=self.preprocessing)


def image_network(
    name: str,
    *,
    input_size: int = 224,
    resize: Policy = "crop",
    interpolation: Interpolation = "bilinear",
    mean: Triple = IMAGENET_MEAN,
    std: Triple = IMAGENET_STD,
) -> Callable[[Callable[[], nn.Module]], ImageNetwork]:
    """Makes a decorator that turns a function into an entry of `BACKBONES`.

    The function returns a network from normalised images (N, 3, H, W) to vectors (N, D), tokens (N, T, D) or a map
    (N, D, H, W). It is called with seed 0, and may load weights. Engines, pooling, tokens, inner layers and the
    fingerprint follow.

    Args:
        name: of the backbone.
        input_size: side of the square that the network sees.
        resize: which part of a frame it sees, as in `BackboneConfig`.
        interpolation: how frames are scaled.
        mean: of each colour, from 0 to 255, which is subtracted.
        std: of each colour, which divides it then.
    """
    preprocessing = Preprocessing(input_size, resize, None, interpolation, mean, std)
    return lambda make: ImageNetwork(name, make, preprocessing)


def _hash_of(network: nn.Module) -> str:
    """The short SHA-256 of a network's weights."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
