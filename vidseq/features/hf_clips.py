"""Clip encoders of transformers, VideoMAE and V-JEPA 2, which read a window of samples up to each sample."""

import inspect
from typing import Any

from torch import Tensor, nn

from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.encoder import Encoder, Encoding
from vidseq.features.hf_files import HfFolder
from vidseq.features.preprocessing import Preprocessing

#: What the input of a clip encoder may be called.
CLIP_INPUTS = ("pixel_values_videos", "pixel_values")


class MeanOfClip(nn.Module):
    """Turns clips, (N, W, 3, H, W), into the mean of their last hidden states."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.input = network, network.main_input_name
        # V-JEPA 2 can also predict what was hidden, which is no feature
        can_skip = "skip_predictor" in inspect.signature(network.forward).parameters
        self.options = {"skip_predictor": True} if can_skip else {}

    def forward(self, clips: Tensor) -> Encoding:
        """See the class."""
        made = self.network(**{self.input: clips}, return_dict=True, **self.options)
        return Encoding(made.last_hidden_state.mean(dim=1), None)


def own_window(facts: Any) -> int | None:
    """The samples of a clip that a model's config says; None: it reads images."""
    own = getattr(facts, "num_frames", None) or getattr(facts, "frames_per_clip", None)
    return own if isinstance(own, int) and own > 1 else None


def open_clips(
    files: HfFolder, facts: Any, network: nn.Module, preprocessing: Preprocessing, config: BackboneConfig
) -> Encoder:
    """Makes the encoder of a clip model; `config.window` wins over the model's own."""
    own = own_window(facts)
    assert own is not None
    return Encoder(
        network=MeanOfClip(network),
        body=network,
        weights=files.hash(),
        preprocessing=preprocessing,
        window=own if config.window is None else config.window,
        own_window=own,
    )
