"""Every backbone by its name. A new backbone is one entry in a file of its own, imported and listed here."""

from collections.abc import Callable
from pathlib import Path

from vidseq.errors import UserError, unknown_name
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.base import Backbone, BackboneEntry
from vidseq.features.efficientnet_lite import EFFICIENTNET_LITE0, EFFICIENTNET_LITE2
from vidseq.features.hf_models import HfModel
from vidseq.features.timm_models import TimmModel
from vidseq.features.torchvision_cnns import TORCHVISION_CNNS
from vidseq.features.torchvision_models import TorchvisionModel

BACKBONES: dict[str, BackboneEntry] = {
    entry.name: entry for entry in (EFFICIENTNET_LITE0, EFFICIENTNET_LITE2, *TORCHVISION_CNNS)
}
#: The open kinds, which have any model of a library as "library:name"; its packages are imported when one is made.
BACKBONE_KINDS: dict[str, Callable[[str], BackboneEntry]] = {
    "torchvision": TorchvisionModel,
    "timm": TimmModel,
    "hf": HfModel,
}


def find_backbone(name: str) -> BackboneEntry:
    """Finds a backbone by its name, or by the name of a model of an open kind.

    Raises:
        UserError: there is none.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    kind, colon, model = name.partition(":")
    if colon and kind in BACKBONE_KINDS:
        if not model:
            raise UserError(f"Backbone '{name}' expects the name of a model behind '{kind}:', got none. Add it.")
        return BACKBONE_KINDS[kind](name)
    raise unknown_name("backbone", name, backbone_names())


def backbone_names() -> list[str]:
    """Every name, and the form of those of each open kind."""
    return [*BACKBONES, *(f"{kind}:NAME" for kind in BACKBONE_KINDS)]


def make_backbone(config: BackboneConfig) -> Backbone:
    """Makes the backbone that a config names.

    Raises:
        UserError: the name or an option is unknown, or the weights cannot be found or downloaded.
        FileNotFoundError: the weights file does not exist.
    """
    return find_backbone(config.backbone).build(config)


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
    input_size: int | None = BackboneConfig.input_size,
    window: int | None = BackboneConfig.window,
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
            window=window,
            device=device,
            batch_size=batch_size,
            threads=threads,
        )
    )
