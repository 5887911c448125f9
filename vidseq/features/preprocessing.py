"""How a model's own config prepares its input: scaling, cutting and normalising pixels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vidseq.features.backbone_config import BackboneConfig
from vidseq.video.resizing import Interpolation, Size

Triple = tuple[float, float, float]
MAX_PIXEL = 255.0
#: What ImageNet's pixels from 0 to 255 have.
IMAGENET_MEAN = (0.485 * MAX_PIXEL, 0.456 * MAX_PIXEL, 0.406 * MAX_PIXEL)
IMAGENET_STD = (0.229 * MAX_PIXEL, 0.224 * MAX_PIXEL, 0.225 * MAX_PIXEL)


@dataclass(frozen=True)
class Preprocessing:
    """From a frame to the input of a network."""

    pixels: int
    """Side of the square that the network sees."""
    resize: str = "crop"
    """As in `Size`."""
    scaled: int | None = None
    """As in `Size`; None: the square itself."""
    interpolation: Interpolation = "bilinear"
    mean: Triple = IMAGENET_MEAN
    """Of pixels from 0 to 255."""
    std: Triple = IMAGENET_STD

    def size(self, config: BackboneConfig) -> Size:
        """How frames are resized; options that are given win over the model's own.

        Raises:
            UserError: an option is invalid.
        """
        pixels = self.pixels if config.input_size is None else config.input_size
        resize = self.resize if config.resize == "auto" else config.resize
        scaled = None if self.scaled is None else round(pixels * self.scaled / self.pixels)
        return Size(pixels, resize, scaled or pixels, self.interpolation)  # type: ignore[arg-type]

    def describe(self, size: Size) -> str:
        """What a fingerprint says of it, beside the side and which part of a frame is kept."""
        numbers = "; ".join(",".join(f"{value:.6g}" for value in values) for values in (self.mean, self.std))
        return f"{size.scaled} {self.interpolation}; {numbers}"


class Normalise(nn.Module):
    """Turns pixels, uint8 (..., H, W, 3), into the input of a network, float (..., 3, H, W)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.register_buffer("mean", _column(preprocessing.mean), persistent=False)
        self.register_buffer("scale", 1 / _column(preprocessing.std), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return (images.movedim(-1, -3).float() - self.mean) * self.scale


def to_triple(values: Iterable[float]) -> Triple:
    """Three numbers, one a colour.

    Raises:
        ValueError: they are not three.
    """
    red, green, blue = values
    return float(red), float(green), float(blue)


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)
