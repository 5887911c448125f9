"""Image-text models of transformers, such as CLIP and SigLIP: how well a picture fits each of some texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.encoder import Encoder, Encoding
from vidseq.features.encoder_backbone import EncoderBackbone, EncoderEntry
from vidseq.features.hf_files import HfFolder, quiet
from vidseq.features.hf_models import VISION, patch_of, read_processor


class ImageTextModel:
    """Compares pictures with texts.

    Args:
        name: of the backbone, "hf:NAME".
        texts: what pictures are compared with.
        config: weights, device and batch size; its `backbone` is not read.

    Raises:
        UserError: the model reads images only, or not here, or a text is too long for it.
        FileNotFoundError: the folder of the weights does not exist.
    """

    def __init__(self, name: str, texts: Sequence[str], config: BackboneConfig) -> None:
        kind, _, model = name.partition(":")
        if kind != "hf":
            raise _reads_images_only(name, "")
        files = HfFolder(name, model, config.weights)
        facts = files.config()
        if getattr(facts, "vision_config", None) is None or getattr(facts, "text_config", None) is None:
            raise _reads_images_only(name, f", a model of type '{facts.model_type}'")
        network: Any = files.load()[0]
        if not hasattr(network, "get_text_features") or not hasattr(network, "logit_scale"):
            raise _reads_images_only(name, f", a model of type '{facts.model_type}'")
        encoder = Encoder(
            network=_Shared(network),
            body=network.get_submodule(VISION),
            weights=files.hash(),
            preprocessing=read_processor(name, files.processor()),
            patch=patch_of(facts.vision_config),
        )
        self._texts = _encode_texts(name, network, files.tokenizer(), texts)
        self._scale = float(network.logit_scale.exp())
        self.backbone = EncoderBackbone(_Opened(name, encoder), config)
        """Makes the features that `probabilities` reads: pictures in the space that they share with texts."""

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """How well pictures fit the texts, beside one another: a softmax of scaled cosines.

        Args:
            features: of pictures, (T, D).

        Returns:
            (T, texts), which sum to 1 over the texts.
        """
        pictures = nn.functional.normalize(torch.from_numpy(features.astype(np.float32)), dim=-1)
        found: np.ndarray = (self._scale * pictures @ self._texts.T).softmax(dim=-1).numpy()
        return found


class _Shared(nn.Module):
    """Pictures as vectors in the space that they share with texts."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Encoding:
        return Encoding(_vectors(self.network.get_image_features(pixel_values=images)), None)


@dataclass(frozen=True)
class _Opened(EncoderEntry):
    """An encoder that is there already, for this process alone."""

    encoder: Encoder

    def open(self, config: BackboneConfig) -> Encoder:
        return self.encoder


def _encode_texts(name: str, network: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """The texts as vectors of length 1, (texts, D)."""
    most = network.config.text_config.max_position_embeddings
    with quiet():
        lengths = [len(tokenizer(text)["input_ids"]) for text in texts]
    for text, length in zip(texts, lengths):
        if length > most:
            raise UserError(f"labels expect at most {most} tokens of {name}, got {length} in '{text}'. Shorten it.")
    # SigLIP was trained on texts of one length, and CLIP does not look behind a text's end
    with quiet(), torch.no_grad():
        tokens = tokenizer(list(texts), padding="max_length", max_length=most, return_tensors="pt")
        given = {key: value for key, value in tokens.items() if key in ("input_ids", "attention_mask")}
        return nn.functional.normalize(_vectors(network.get_text_features(**given)), dim=-1)


def _vectors(made: Any) -> Tensor:
    """What `get_image_features` and its like return: a tensor, or an output that holds it."""
    found: Tensor = made if isinstance(made, Tensor) else made.pooler_output
    return found


def _reads_images_only(name: str, what: str) -> UserError:
    return UserError(
        f"Labels by text expect an image-text model such as CLIP or SigLIP (hf:NAME), got '{name}'{what}, which reads "
        "images only. Use another backbone."
    )
