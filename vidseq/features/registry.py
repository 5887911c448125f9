"""Every backbone by its name. A new backbone is one entry in a file of its own, imported and listed here."""

from pathlib import Path

from vidseq.errors import unknown_name
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.base import Backbone, BackboneEntry
from vidseq.features.efficientnet_lite import EFFICIENTNET_LITE0
from vidseq.features.torchvision_cnns import TORCHVISION_CNNS

BACKBONES: dict[str, BackboneEntry] = {entry.name: entry for entry in (EFFICIENTNET_LITE0, *TORCHVISION_CNNS)}


def make_backbone(config: BackboneConfig) -> Backbone:
    """Makes the backbone that a config names.

    Raises:
        UserError: the name or an option is unknown, or the weights cannot be found or downloaded.
        FileNotFoundError: the weights file does not exist.
    """
    if config.backbone not in BACKBONES:
        raise unknown_name("backbone", config.backbone, BACKBONES)
    return BACKBONES[config.backbone].build(config)


def build_backbone(
    backbone: str = BackboneConfig.backbone,
    *,
    weights: str | Path = BackboneConfig.weights,
    engine: str = BackboneConfig.engine,
    precision: str = BackboneConfig.precision,
    pooling: str = BackboneConfig.pooling,
    tokens: bool = BackboneConfig.tokens,
    layer: str = BackboneConfig.layer,
    resize: str = BackboneConfig.resize,
    input_size: int = BackboneConfig.input_size,
    device: str = BackboneConfig.device,
    batch_size: int = BackboneConfig.batch_size,
    threads: int | None = BackboneConfig.threads,
) -> Backbone:
    """Makes a backbone that turns frames into features; `BackboneConfig` explains the arguments.

    Raises:
        UserError: the name or an option is unknown, or the weights cannot be found or downloaded.
        FileNotFoundError: the weights file does not exist.
    """
    return make_backbone(
        BackboneConfig(
            backbone=backbone,
            weights=str(weights),
            engine=engine,
            precision=precision,
            pooling=pooling,
            tokens=tokens,
            layer=layer,
            resize=resize,
            input_size=input_size,
            device=device,
            batch_size=batch_size,
            threads=threads,
        )
    )
