"""The temporal convolution head."""

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import advance
from vidseq.heads.layers.conv import ConvLayer
from vidseq.ops.places import PlacedQueries

#: More layers would see more than a year at any rate.
MAX_LAYERS = 24


@dataclass(frozen=True, kw_only=True)
class ConvConfig(HeadConfig):
    """Options of the conv head."""

    layers: int = option(8, at_least=1, at_most=MAX_LAYERS)
    """Convolutions on top of one another, with dilations 1, 2, 4, ...; each doubles the context."""
    kernel_size: int = option(3, at_least=1)
    """Frames that a convolution reads; odd if not causal."""
    channels: int = option(64, at_least=1)
    """Width inside."""


class ConvState(NamedTuple):
    """The latest inputs of every layer, as many as its convolution needs."""

    past: Tensor
    """(B, sum over layers of (kernel_size - 1) * dilation, channels), layer by layer, oldest first."""


class Conv(TemporalHead):
    """Dilated convolutions over time: each layer doubles the context of an output.

        x = x + mix(relu(sum_k W_k norm(x)_(t - k d) + b)),    d = 1, 2, 4, ...

        d = 4   ────●───────────●───────────●        kernel_size 3: an output of three layers
        d = 2             ●─────●─────●     │        sees 1 + 2 (1 + 2 + 4) = 15 frames
        d = 1                   ●──●──●     ▼

    Source: causal form: Bai et al., arXiv:1803.01271; not causal: the dilated convolutions of Lea et al.,
    arXiv:1611.05267, in the residual layer of Abu Farha and Gall, arXiv:1903.01945, eq. 1. Here: a LayerNorm before
    each convolution, one convolution per layer. Not causal: the kernel is centred on the frame.
    """

    name = "conv"
    Config = ConvConfig
    supports_noncausal = True
    fixed_context = True
    asks_in_one_pass = True

    @classmethod
    def options_for_context(cls, frames: int, causal: bool) -> dict[str, int]:
        """The number of layers; see `TemporalHead.options_for_context`."""
        reach_of_first = (ConvConfig(dim=1).kernel_size - 1) // (1 if causal else 2)
        layers = math.ceil(math.log2(max(1, frames) / reach_of_first + 1))
        return {"layers": min(max(1, layers), MAX_LAYERS)}

    def __init__(self, config: ConvConfig) -> None:
        super().__init__(config)
        if not config.causal and config.kernel_size % 2 == 0:
            raise UserError(f"conv head with causal=False expects an odd kernel_size, got {config.kernel_size}.")
        channels = config.channels
        self.into = nn.Linear(config.dim, channels)
        layers = (ConvLayer(channels, config.kernel_size, 2**index) for index in range(config.layers))
        self.layers = cast("list[ConvLayer]", nn.ModuleList(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in self.layers)
        self.out = nn.Linear(channels, config.dim)
        self.last_norm = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self._reaches = [(config.kernel_size - 1) * 2**index for index in range(config.layers)]

    @property
    def context_frames(self) -> int:
        """Current frame and the reach of all layers; not causal: half of the reach lies in the future."""
        reach = sum(self._reaches)
        return 1 + (reach if self.config.causal else reach // 2)

    @property
    def segment_frames(self) -> int:
        """At least as many frames as the state keeps, because each segment copies them."""
        return max(2048, sum(self._reaches))

    def init_state(self, batch_size: int) -> ConvState:
        """Makes zeros, the padding of a convolution."""
        return ConvState(self.into.weight.new_zeros(batch_size, sum(self._reaches), self.into.out_features))

    def scan(self, x: Tensor, state: ConvState, mask: Tensor) -> tuple[Tensor, ConvState]:
        """Reads new frames; see `TemporalHead.scan`."""
        y, new_state, _ = self.scan_with_queries(x, state, mask, PlacedQueries.none(x))
        return y, new_state

    def scan_with_queries(
        self, x: Tensor, state: ConvState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, ConvState, Tensor]:
        """Reads new frames and answers queries; see `TemporalHead.scan_with_queries`."""
        inner, asked, new_pasts = self.into(x), self.into(queries.vectors), []
        for norm, layer, past in zip(self.norms, self.layers, state.past.split(self._reaches, dim=1)):
            normed = norm(inner)
            seen = torch.cat([past, normed], dim=1)
            inner = inner + self.dropout(layer(seen))
            if len(asked):
                asked = asked + self.dropout(layer.answer(norm(asked), seen, queries.places))
            new_pasts.append(advance(past, normed, mask))
        y, answers = self.last_norm(x + self.out(inner)), self.last_norm(queries.vectors + self.out(asked))
        return y, ConvState(torch.cat(new_pasts, dim=1)), answers

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        inner = self.into(x)
        for norm, layer, reach in zip(self.norms, self.layers, self._reaches):
            normed = norm(inner).masked_fill(~mask[..., None], 0)
            inner = inner + self.dropout(layer(F.pad(normed, (0, 0, reach // 2, reach // 2))))
        return self.last_norm(x + self.out(inner))
