"""The dilated sliding-window attention head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, option
from vidseq.heads.blocks import advance
from vidseq.heads.transformer_block import TransformerBlock, check_heads
from vidseq.ops.dilated import dilated_attention
from vidseq.ops.rotary import rotary_angles


@dataclass(frozen=True, kw_only=True)
class DilatedConfig(HeadConfig):
    """Options of the dilated head."""

    window: int = option(256, at_least=1)
    """Frames a layer sees, the current one included; when not causal, as many to the other side."""
    dilation: int = option(1, at_least=1)
    """Frames from one that the first layer sees to the next."""
    growth: int = option(2, at_least=1)
    """How many times wider each layer's dilation is than that of the layer below."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the network on each frame; 0: four times dim."""


class DilatedState(NamedTuple):
    """The latest (window - 1) * dilation frames as every layer keeps them, and how many frames there have been."""

    keys: Tensor
    """(B, heads, all layers' frames, width): layer after layer, each oldest first, rotated to their positions."""
    values: Tensor
    """Like `keys`."""
    position: Tensor
    """int64 (B,): frames so far, and so where the next one stands."""


class Dilated(TemporalHead):
    """A transformer whose frames attend to W frames, each d after the one before: far sight at a window's price.

        y_t = softmax(q_t . k_j / sqrt(d_k), j = t, t - d, ..., t - (W - 1) d) v_j      q, k turned to their positions

        t │ ■ . . . . . .        W = 3, d = 2: a row is an output, a column a frame.
          │ . ■ . . . . .        Even frames see even ones, odd ones odd ones: a layer of dilation 1 below
          │ ■ . ■ . . . .        brings them together. With d = 1, 2, 4, ... sight doubles with every layer.
          │ . ■ . ■ . . .
          │ ■ . ■ . ■ . .
          ▼ . ■ . ■ . ■ .

    Source: Beltagy et al., arXiv:2004.05150, section 3.1, "Dilated Sliding Window", and 4.1: dilation grows from the
    lowest layers up. Here: all heads of a layer share its dilation; pre-norm, rotary positions, no global frames. Not
    causal: W - 1 frames to either side.
    """

    name = "dilated"
    Config = DilatedConfig
    supports_noncausal = True
    forgets = True
    config: DilatedConfig

    def __init__(self, config: DilatedConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        self.last_norm = nn.LayerNorm(config.dim)
        self.dilations = [config.dilation * config.growth**layer for layer in range(config.layers)]
        self._pasts = [(config.window - 1) * dilation for dilation in self.dilations]
        self._width = config.dim // config.heads

    @property
    def context_frames(self) -> int:
        """Each layer reaches (window - 1) * dilation frames further."""
        return sum(self._pasts) + 1

    @property
    def segment_frames(self) -> int:
        """Several times as many as are kept, for those are copied from segment to segment."""
        return max(2048, 4 * sum(self._pasts))

    def init_state(self, batch_size: int) -> DilatedState:
        """An empty past."""
        shape = (batch_size, self.config.heads, sum(self._pasts), self._width)
        weight = self.last_norm.weight
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return DilatedState(weight.new_zeros(shape), weight.new_zeros(shape), position)

    def scan(self, x: Tensor, state: DilatedState, mask: Tensor) -> tuple[Tensor, DilatedState]:
        """Reads new frames; see `TemporalHead.scan`."""
        num_frames, reach = x.shape[1], self.config.window - 1
        angles = self._angles(state.position[:, None] + torch.arange(num_frames, device=x.device))
        keys, values = [], []
        pasts = (state.keys.split(self._pasts, dim=2), state.values.split(self._pasts, dim=2))
        for block, dilation, past, old_k, old_v in zip(self.blocks, self.dilations, self._pasts, *pasts):
            in_past = torch.arange(past, device=x.device) >= past - state.position[:, None]
            valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
            q, k, v = block.project(x, angles)
            all_k, all_v = torch.cat([old_k, k], dim=2), torch.cat([old_v, v], dim=2)
            x = block.finish(x, dilated_attention(q, all_k, all_v, valid, reach, dilation=dilation))
            keys.append(advance(old_k, k, mask, dim=2))
            values.append(advance(old_v, v, mask, dim=2))
        new_state = DilatedState(torch.cat(keys, dim=2), torch.cat(values, dim=2), state.position + mask.sum(dim=1))
        return self.last_norm(x), new_state

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        reach = self.config.window - 1
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None])
        for block, dilation, side in zip(self.blocks, self.dilations, self._pasts):
            q, k, v = block.project(x, angles)
            k, v = (F.pad(part, (0, 0, side, side)) for part in (k, v))
            valid = F.pad(mask, (side, side))
            x = block.finish(x, dilated_attention(q, k, v, valid, reach, reach, dilation))
        return self.last_norm(x)

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
