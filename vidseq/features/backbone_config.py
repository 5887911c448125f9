"""The options of a backbone. Needs no torch, so that the command line can list them at once."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """Which backbone makes features of frames, and how."""

    backbone: str = "efficientnet_lite0"
    """Backbone by name, or torchvision:NAME, timm:NAME, hf:NAME.

    `vidseq info` lists the names. NAME is that of a model there; of hf, an id on the hub or a folder."""
    weights: str = "pretrained"
    """Weights: pretrained, random (seed 0), or a file; of hf, a folder.

    The file is a .pth or .safetensors file."""
    engine: str = "auto"
    """Engine: torch or openvino; auto: openvino for CNNs on CPUs."""
    precision: str = "float32"
    """Numbers of the backbone: float32, or bf16, which is faster and less exact.

    The cosine between both features is about 0.998."""
    pooling: str = "auto"
    """Mean, own (the network's), cls, or a grid such as 2x3.

    auto: own, where the network pools by itself, else the mean of the picture; with tokens, the grid of all patches.
    cls is the first token of a transformer."""
    tokens: bool = False
    """Keep the cells of the grid as tokens, not as one long vector."""
    layer: str = "last"
    """Feature map: last, or an earlier one.

    Of a CNN by name: stride16, stride8 or stride4, which have smaller cells and know less of what is in them. Of
    torchvision:, timm: and hf: the name of a module, such as blocks.5."""
    resize: str = "auto"
    """Middle square (crop), all as a square (stretch), or whole.

    auto: as the model's config says; crop for CNNs by name. whole keeps the shape, and needs a network that takes
    pictures of any shape."""
    input_size: int | None = None
    """Side of the square that the backbone sees; its own if left out.

    "whole" keeps about its area. CNNs by name have 224 and a cell every 32 pixels: 320 is for grids up to 10x10."""
    window: int | None = None
    """Samples that a clip encoder reads; its own if left out.

    They are the sample itself and those before it, of VideoMAE, V-JEPA 2 and the like."""
    device: str = "auto"
    """Device of torch; auto: the best there is."""
    batch_size: int = 8
    """Images at a time."""
    threads: int | None = None
    """CPU threads; all if left out."""
