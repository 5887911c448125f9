"""`timm:NAME`, any image model of timm."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.encoder import Encoder, Encoding, unknown_model, with_seed_0
from vidseq.features.encoder_backbone import EncoderEntry
from vidseq.features.hub import find_on_hub, first_files, missing_package
from vidseq.features.preprocessing import MAX_PIXEL, Preprocessing, to_triple
from vidseq.features.weights import cached_or_downloaded, load_weights, weights_hash

#: The file of a model on the hub.
_FILES = ("model.safetensors", "pytorch_model.bin")
_WAY_OUT = "Pass a file of its state dict as weights, or use efficientnet_lite0, whose weights are installed."


@dataclass(frozen=True)
class TimmModel(EncoderEntry):
    """Reads what a model pools before it classifies, or its last tokens or map."""

    def open(self, config: BackboneConfig) -> Encoder:
        """Makes the model; see the base class."""
        timm = _timm(self.name)
        network = with_seed_0(lambda: _make(timm, self.name, config))
        facts = timm.data.resolve_model_data_config(network)
        preprocessing = _preprocessing(self.name, facts)
        weights = "random-seed0"
        if config.weights != "random":
            path = self._published(network) if config.weights == "pretrained" else Path(config.weights)
            load_weights(network, path, optional=_classifiers(network), translate=_filter_of(network))
            weights = weights_hash(path)
        return Encoder(
            network=BeforeHead(network), body=network, weights=weights, preprocessing=preprocessing,
            patch=_patch(network),
        )  # fmt: skip

    def _published(self, network: Any) -> Path:
        """Finds or downloads the published weights."""
        facts = network.pretrained_cfg
        if facts.get("hf_hub_id"):
            files = (facts["hf_hub_filename"],) if facts.get("hf_hub_filename") else _FILES
            return first_files(find_on_hub(self.name, facts["hf_hub_id"], [files], _WAY_OUT), files)[0]
        if facts.get("url"):
            return cached_or_downloaded(facts["url"], self.name)
        raise UserError(f"Backbone '{self.name}' expects weights, got none: no file of them is published. {_WAY_OUT}")


class BeforeHead(nn.Module):
    """A model of timm up to where it classifies."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Encoding:
        """Returns what the model pools, and its last states."""
        states = self.network.forward_features(images)
        return Encoding(self.network.forward_head(states, pre_logits=True), states)


def _make(timm: ModuleType, name: str, config: BackboneConfig) -> nn.Module:
    """Makes a model with random weights; for other pictures than its own, one whose positions follow, if any."""
    model = name.partition(":")[2]
    if not timm.is_model(model.partition(".")[0]):
        raise unknown_model("timm", model, timm.list_models(), "timm.list_models()")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that have newer ones
        try:
            if config.input_size is not None or config.resize == "whole":
                try:
                    return timm.create_model(model, pretrained=False, dynamic_img_size=True)
                except TypeError:
                    pass
            return timm.create_model(model, pretrained=False)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"Backbone '{name}' expects a model and weights that timm knows, got: {reason} Check its name."
            ) from error


def _preprocessing(name: str, facts: dict[str, Any]) -> Preprocessing:
    """Reads timm's data config.

    Raises:
        UserError: the model sees no squares of three colours.
    """
    channels, height, width = facts["input_size"]
    if channels != 3 or height != width:
        raise UserError(
            f"Backbone '{name}' expects a model that sees squares of three colours, got one of "
            f"{channels} x {height} x {width}. Use another."
        )
    return Preprocessing(
        pixels=height,
        resize="stretch" if facts["crop_mode"] == "squash" else "crop",
        scaled=int(height / facts["crop_pct"]),
        interpolation="bilinear" if facts["interpolation"] == "bilinear" else "bicubic",
        mean=to_triple(MAX_PIXEL * value for value in facts["mean"]),
        std=to_triple(MAX_PIXEL * value for value in facts["std"]),
    )


def _classifiers(network: Any) -> tuple[str, ...]:
    """Starts of the names of the classifier's weights."""
    named = network.pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ((named,) if isinstance(named, str) else named))


def _filter_of(network: nn.Module) -> Callable[[dict[str, Tensor]], dict[str, Tensor]] | None:
    """What turns published weights of other software into timm's, where timm has it for the model."""
    function = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    return None if function is None else lambda weights: function(weights, network)


def _patch(network: Any) -> int | None:
    sides = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    return sides[0] if isinstance(sides, tuple) else sides


def _timm(name: str) -> ModuleType:
    """Imports timm, which is an optional package."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import timm
            import timm.data
    except ImportError:
        raise missing_package(name, "timm") from None
    return timm
