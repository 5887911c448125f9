"""The dilated sliding-window attention head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, option
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.dense import read_by_queries
from vidseq.ops.dilated import dilated_attention
from vidseq.ops.recent import every, fits_page, last_frames, latest, page_frames
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
    """The latest (window - 1) * dilation frames as every layer keeps them, and how many frames there have been.

    They are in two parts (see `ops.recent`), of which the first is always as long as that.
    """

    keys: Tensor
    """(B, heads, all layers' frames, width): layer after layer, each oldest first, rotated to their positions."""
    values: Tensor
    """Like `keys`."""
    page_keys: Tensor
    """(B, layers, heads, N, width): those since."""
    page_values: Tensor
    """Like `page_keys`."""
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
        config, weight = self.config, self.last_norm.weight
        keys = weight.new_zeros(batch_size, config.heads, sum(self._pasts), self._width)
        page = weight.new_zeros(batch_size, config.layers, config.heads, 0, self._width)
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return DilatedState(keys, keys.clone(), page, page.clone(), position)

    def scan(self, x: Tensor, state: DilatedState, mask: Tensor) -> tuple[Tensor, DilatedState]:
        """Reads new frames; see `TemporalHead.scan`."""
        angles = self._angles(state.position[:, None] + torch.arange(x.shape[1], device=x.device))
        keys, values = [], []
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, angles)
            x = block.finish(x, self._attend(index, q, k, v, state))
            keys.append(k)
            values.append(v)
        return self.last_norm(x), self._take_in(state, keys, values, mask)

    def _attend(self, index: int, q: Tensor, k: Tensor, v: Tensor, state: DilatedState) -> Tensor:
        """New frames' queries on a layer's past and on their own keys."""
        num_frames, past, dilation = q.shape[2], self._pasts[index], self.dilations[index]
        in_past = torch.arange(past, device=q.device) >= past - state.position[:, None]
        old_k, old_v = (last_frames(parts, past, dim=2) for parts in self._parts(index, state))
        if num_frames == 1:  # a live frame does not copy the past
            seen_k, seen_v = (every(parts, dilation, dim=2) for parts in (old_k, old_v))
            return read_by_queries(q, k, v, [*zip(seen_k, seen_v)], in_past[:, ::dilation])
        valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        all_k, all_v = torch.cat([*old_k, k], dim=2), torch.cat([*old_v, v], dim=2)
        return dilated_attention(q, all_k, all_v, valid, self.config.window - 1, dilation=dilation)

    def _take_in(self, state: DilatedState, keys: list[Tensor], values: list[Tensor], mask: Tensor) -> DilatedState:
        """The state after new frames, (B, heads, T, width) of every layer."""
        position = state.position + mask.sum(dim=1)
        if fits_page(state.page_keys, mask, page_frames(self.config.window), dim=3):
            page_k = torch.cat([state.page_keys, torch.stack(keys, dim=1)], dim=3)
            page_v = torch.cat([state.page_values, torch.stack(values, dim=1)], dim=3)
            return DilatedState(state.keys, state.values, page_k, page_v, position)
        olds_k, olds_v = zip(*(self._parts(index, state) for index in range(len(keys))))
        new_k, new_v = (
            torch.cat(
                [latest([*old, new], mask, past, dim=2) for old, new, past in zip(olds, news, self._pasts)], dim=2
            )
            for olds, news in ((olds_k, keys), (olds_v, values))
        )
        page_k, page_v = (page[:, :, :, :0].clone() for page in (state.page_keys, state.page_values))
        return DilatedState(new_k, new_v, page_k, page_v, position)

    def _parts(self, index: int, state: DilatedState) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """A layer's keys and values, each in both parts of the state."""
        end = sum(self._pasts[: index + 1])
        its = slice(end - self._pasts[index], end)
        return (
            (state.keys[:, :, its], state.page_keys[:, index]),
            (state.values[:, :, its], state.page_values[:, index]),
        )

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
