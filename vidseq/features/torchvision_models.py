"""`torchvision:NAME`, any image classification model of torchvision."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.encoder import Encoder, Encoding, unknown_model, with_seed_0
from vidseq.features.encoder_backbone import EncoderEntry
from vidseq.features.preprocessing import MAX_PIXEL, Preprocessing, to_triple
from vidseq.features.weights import cached_or_downloaded, load_weights, weights_hash

#: What these models need to be as their weights were trained: they normalise their input once more.
_OPTIONS = {"googlenet": {"transform_input": True}, "inception_v3": {"transform_input": True}}


@dataclass(frozen=True)
class TorchvisionModel(EncoderEntry):
    """Reads the input of a model's last linear layer, or the last tokens or map before it."""

    def open(self, config: BackboneConfig) -> Encoder:
        """Makes the model; see the base class."""
        import torchvision

        model = self.name.partition(":")[2]
        known = torchvision.models.list_models(module=torchvision.models)
        if model not in known:
            raise unknown_model("torchvision", model, known, "torchvision.models.list_models()")
        published = torchvision.models.get_model_weights(model).DEFAULT
        network = with_seed_0(lambda: _make(torchvision, model))
        weights = "random-seed0"
        preprocessing = _preprocessing(published.transforms())
        before = BeforeClassifier(network, preprocessing.pixels)
        if config.weights != "random":
            given = config.weights != "pretrained"
            path = Path(config.weights) if given else cached_or_downloaded(published.url, self.name)
            load_weights(network, path, optional=(f"{before.classifier}.", *AUXILIARY))
            weights = weights_hash(path)
        return Encoder(
            network=before, body=network, weights=weights, preprocessing=preprocessing,
            patch=getattr(network, "patch_size", None),
        )  # fmt: skip


#: Starts of the names of classifiers that learn along and are not used.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


class BeforeClassifier(nn.Module):
    """A classifier's states before it classifies.

    Args:
        network: the whole classifier.
        pixels: side of the square that it sees.
    """

    def __init__(self, network: nn.Module, pixels: int) -> None:
        super().__init__()
        self.network = network
        self._pooled: Tensor | None = None
        self._states: Tensor | None = None
        linear = [(path, module) for path, module in network.named_modules() if isinstance(module, nn.Linear)]
        linear = [(path, module) for path, module in linear if not path.startswith(AUXILIARY)]
        self.classifier = "no classifier"
        if linear:
            self.classifier = linear[-1][0]
            linear[-1][1].register_forward_pre_hook(self._keep_pooled)
        last = self._last_with_places(pixels)
        if last is not None:
            last.register_forward_hook(self._keep_states)

    def forward(self, images: Tensor) -> Encoding:
        """See the class."""
        self.network(images)
        made, self._pooled, self._states = Encoding(self._pooled, self._states), None, None
        return made

    def _keep_pooled(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._pooled = inputs[0] if inputs[0].ndim == 2 else None

    def _keep_states(self, module: nn.Module, inputs: object, output: Tensor) -> None:
        self._states = output

    def _last_with_places(self, pixels: int) -> nn.Module | None:
        """The module that is the last to make tokens, or a map with more than one place."""
        found: list[nn.Module] = []

        def note(module: nn.Module, inputs: object, output: Any) -> None:
            if isinstance(output, Tensor) and (output.ndim == 3 or (output.ndim == 4 and output.shape[-2] > 1)):
                found[:] = [module]

        hooks = [module.register_forward_hook(note) for module in self.network.modules() if module is not self.network]
        with torch.no_grad():
            self.network(torch.zeros(1, 3, pixels, pixels))
        for hook in hooks:
            hook.remove()
        return found[-1] if found else None


def _make(torchvision: ModuleType, model: str) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two models warn that their random weights will be others one day
        made: nn.Module = torchvision.models.get_model(model, weights=None, **_OPTIONS.get(model, {}))
    return made


def _preprocessing(transforms: Any) -> Preprocessing:
    """Reads the transforms that the published weights come with."""
    interpolation = transforms.interpolation.value
    return Preprocessing(
        pixels=transforms.crop_size[0],
        resize="crop",
        scaled=transforms.resize_size[0],
        interpolation="bilinear" if interpolation == "bilinear" else "bicubic",
        mean=to_triple(MAX_PIXEL * value for value in transforms.mean),
        std=to_triple(MAX_PIXEL * value for value in transforms.std),
    )
