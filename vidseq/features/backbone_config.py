"""The options of a backbone. Needs no torch, so that the command line can list them at once."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """Which backbone makes features of frames, and how."""

    backbone: str = "efficientnet_lite0"
    """The backbone by its name; `vidseq info` lists them."""
    weights: str = "pretrained"
    """The word "pretrained" (ImageNet), the path of a .pth or .safetensors file, or "random" (seed 0)."""
    engine: str = "auto"
    """What runs a CNN, torch or openvino; auto is OpenVINO on CPUs and torch elsewhere."""
    precision: str = "float32"
    """float32, or bf16, which is faster and less exact (feature cosine about 0.998)."""
    pooling: str = "mean"
    """The mean over the picture, or a grid of means such as 2x3, which keeps where things are."""
    resize: str = "crop"
    """crop: the middle square; whole: all of the picture in its own shape."""
    input_size: int = 224
    """Side of the square that the backbone sees; "whole" keeps about its area."""
    device: str = "auto"
    """The device of torch; auto takes the best there is."""
    batch_size: int = 8
    """Images at a time."""
    threads: int | None = None
    """CPU threads; none: all."""
