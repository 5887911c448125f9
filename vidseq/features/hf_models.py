"""`hf:NAME`, image encoders of transformers: an id on the hub, or a folder as `save_pretrained` writes it."""

import inspect
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.encoder import Encoder, Encoding
from vidseq.features.encoder_backbone import EncoderEntry
from vidseq.features.hf_clips import CLIP_INPUTS, open_clips, own_window
from vidseq.features.hf_files import HfFolder
from vidseq.features.preprocessing import Preprocessing, to_triple

#: The part of an image-text model that reads images.
VISION = "vision_model"
#: Pillow's number of bilinear scaling. Others, such as bicubic and Lanczos, become bicubic.
_BILINEAR = 2
#: The side from which ConvNeXt's processor cuts nothing off.
_NO_CUT = 384


@dataclass(frozen=True)
class HfModel(EncoderEntry):
    """Reads what a model pools, or its last hidden states."""

    def open(self, config: BackboneConfig) -> Encoder:
        """Makes the model; see the base class."""
        files = HfFolder(self.name, self.name.partition(":")[2], config.weights)
        facts = files.config()
        vision = getattr(facts, "vision_config", None)
        preprocessing = read_processor(self.name, files.processor())
        network, missing = files.load(VISION if vision is not None else "")
        if own_window(facts) is not None and getattr(network, "main_input_name", "") in CLIP_INPUTS:
            return open_clips(files, facts, network, preprocessing, config)
        if getattr(network, "main_input_name", "") != "pixel_values":
            raise UserError(
                f"Backbone '{self.name}' expects a model that reads images, got one of type '{facts.model_type}'. "
                "Use an image encoder, such as one of DINOv2, SigLIP or CLIP."
            )
        side = getattr(vision or facts, "image_size", None)
        stretched = preprocessing.size(config).pixels != side
        return Encoder(
            network=HiddenStates(network, pools=not missing, stretched=stretched),
            body=network,
            weights=files.hash(),
            preprocessing=preprocessing,
            patch=patch_of(vision or facts),
        )


class HiddenStates(nn.Module):
    """An image encoder of transformers.

    Args:
        network: the model.
        pools: whether to use what it pools, which is random where its files lack the weights.
        stretched: whether its positions have to be stretched to another number of patches.
    """

    def __init__(self, network: nn.Module, *, pools: bool, stretched: bool) -> None:
        super().__init__()
        self.network, self.pools = network, pools
        can = "interpolate_pos_encoding" in inspect.signature(network.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if stretched and can else {}

    def forward(self, images: Tensor) -> Encoding:
        """Returns what the model pools, or the first token, and its last hidden states."""
        made = self.network(pixel_values=images, return_dict=True, **self.options)
        states = made.last_hidden_state
        pooled = getattr(made, "pooler_output", None) if self.pools else None
        return Encoding(None if pooled is None else pooled.flatten(1), states)


def read_processor(name: str, processor: Any) -> Preprocessing:
    """Reads how pictures are prepared from an image or video processor.

    Raises:
        UserError: it prepares them in a way that this does not know.
    """
    size, cut = processor.size or {}, processor.crop_size or {}
    shorter, pixels = _get(size, "shortest_edge"), _get(size, "height") or _get(size, "shortest_edge")
    resize, scaled = ("crop", shorter) if shorter else ("stretch", pixels)
    share = getattr(processor, "crop_pct", None)
    if share is not None and shorter:  # as ConvNeXt: what is small is scaled to more, and cut
        resize, scaled = ("crop", int(shorter / share)) if shorter < _NO_CUT else ("stretch", shorter)
    elif getattr(processor, "do_center_crop", False):
        pixels = _get(cut, "height") or _get(cut, "shortest_edge")
    if not pixels or _get(size, "width") not in (None, _get(size, "height")):
        raise UserError(
            f"Backbone '{name}' expects a processor that makes squares of pictures, got {size}. Use another."
        )
    factor = processor.rescale_factor if getattr(processor, "do_rescale", True) else 1.0
    normalises = getattr(processor, "do_normalize", True)
    mean, std = (processor.image_mean, processor.image_std) if normalises else ((0.0,) * 3, (1.0,) * 3)
    return Preprocessing(
        pixels=pixels,
        resize=resize,
        scaled=scaled,
        interpolation="bilinear" if processor.resample == _BILINEAR else "bicubic",
        mean=to_triple(value / factor for value in mean),
        std=to_triple(value / factor for value in std),
    )


def patch_of(facts: Any) -> int | None:
    """Pixels of the side of a patch, as a model's config says it."""
    sides = getattr(facts, "patch_size", None)
    side = sides[-1] if isinstance(sides, (tuple, list)) else sides
    return side if isinstance(side, int) else None


def _get(size: Any, side: str) -> int | None:
    """A side of a size, which is a dictionary or an object like one."""
    value = size.get(side) if isinstance(size, dict) else getattr(size, side, None)
    return None if value is None else int(value)
