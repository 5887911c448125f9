"""The options of a backbone. Needs no torch, so that the command line can list them at once."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """Which backbone makes features of frames, and how."""

    backbone: str = "efficientnet_lite0"
    """Backbone; `vidseq info` lists them."""
    weights: str = "pretrained"
    """Weights: pretrained (ImageNet), random (seed 0), or a file.

    The file is a .pth or .safetensors file."""
    engine: str = "auto"
    """What runs a CNN: torch or openvino; auto: openvino on CPUs."""
    precision: str = "float32"
    """Numbers of the backbone: float32, or bf16, which is faster and less exact.

    The cosine between both features is about 0.998."""
    pooling: str = "mean"
    """Mean of the picture, or means of a grid such as 2x3."""
    tokens: bool = False
    """Keep the cells of the grid as tokens, not as one long vector."""
    layer: str = "last"
    """Feature map: last, or the earlier stride16, stride8 or stride4.

    An earlier one has smaller cells and knows less of what is in them."""
    resize: str = "crop"
    """The middle square of a picture (crop), or all of it (whole)."""
    input_size: int = 224
    """Side of the square that the backbone sees; "whole" keeps about its area.

    The last feature map has a cell every 32 pixels: 320 is for grids up to 10x10."""
    device: str = "auto"
    """Device of torch; auto: the best there is."""
    batch_size: int = 8
    """Images at a time."""
    threads: int | None = None
    """CPU threads; all if left out."""
