"""The full attention head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.dense import attend_independent_queries, causal_attention
from vidseq.ops.growing import append_frames
from vidseq.ops.places import PlacedQueries
from vidseq.ops.rotary import rotary_angles


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(HeadConfig):
    """Options of the attention head."""

    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class AttentionState(NamedTuple):
    """Keys and values of all frames in every layer, and the number of frames. N is that of the longest row."""

    keys: Tensor
    """(B, layers, heads, N, width), rotated to their positions; zero behind a shorter row's end."""
    values: Tensor
    """Like `keys`."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class Attention(TemporalHead):
    """A transformer whose frames attend to all frames so far: the widest view and the highest cost.

        y_t = softmax(q_t . k_j / sqrt(d), j <= t) v_j                  q, k rotated to their positions

        t │ ■ . . . .        A row is an output, a column a frame.
          │ ■ ■ . . .        T frames cost T^2 / 2 scores a layer, and the state holds every one of them.
          │ ■ ■ ■ . .
          │ ■ ■ ■ ■ .
          ▼ ■ ■ ■ ■ ■

    Source: Vaswani et al., arXiv:1706.03762, eq. 1 and section 3.2.3; rotary positions: Su et al., arXiv:2104.09864.
    Here: the blocks of a decoder only, pre-norm. Not causal: the blocks of an encoder; every frame sees the whole
    video.
    """

    name = "attention"
    exportable = True
    Config = AttentionConfig
    supports_noncausal = True
    context_frames = None
    asks_in_one_pass = True
    config: AttentionConfig

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        self.last_norm = nn.LayerNorm(config.dim)
        self._width = config.dim // config.heads

    def init_state(self, batch_size: int) -> AttentionState:
        """Makes a state without frames."""
        return self._state_after(batch_size, 0)

    def fixed_state(self, frames: int) -> AttentionState:
        """Makes a store of so many frames that holds none; see `TemporalHead.fixed_state`."""
        state = self._state_after(1, frames)
        return state._replace(position=torch.zeros_like(state.position))

    def _state_after(self, batch_size: int, frames: int) -> AttentionState:
        shape = (batch_size, self.config.layers, self.config.heads, frames, self._width)
        weight = self.last_norm.weight
        position = torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device)
        return AttentionState(weight.new_zeros(shape), weight.new_zeros(shape), position)

    def scan(self, x: Tensor, state: AttentionState, mask: Tensor) -> tuple[Tensor, AttentionState]:
        """Reads new frames; see `TemporalHead.scan`."""
        y, new_state, _ = self.scan_with_queries(x, state, mask, PlacedQueries.none(x))
        return y, new_state

    def scan_with_queries(
        self, x: Tensor, state: AttentionState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, AttentionState, Tensor]:
        """Reads new frames and answers queries; see `TemporalHead.scan_with_queries`."""
        num_frames, past, asked = x.shape[1], state.keys.shape[3], queries.by_row(len(x))
        angles = self._angles(asked.positions(state.position, num_frames))
        in_past = torch.arange(past, device=x.device) < state.position[:, None]
        valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        visible, keys, values = asked.visible(in_past, num_frames), [], []
        x = asked.behind(x)
        for index, block in enumerate(self.blocks):
            (q, asked_q), (k, asked_k), (v, asked_v) = map(asked.split, block.project(x, angles))
            all_k = torch.cat([state.keys[:, index], k], dim=2)
            all_v = torch.cat([state.values[:, index], v], dim=2)
            read = causal_attention(q, all_k, all_v, valid)
            if asked.width:
                own = attend_independent_queries(asked_q, asked_k, asked_v, [(all_k, all_v)], visible)
                read = torch.cat([read, own], dim=2)
            x = block.finish(x, read)
            keys.append(k)
            values.append(v)
        new_keys, new_values = (
            append_frames(old, state.position, torch.stack(new, dim=1), mask, dim=3)
            for old, new in ((state.keys, keys), (state.values, values))
        )
        y, answers = asked.split(self.last_norm(x), dim=1)
        new_state = AttentionState(new_keys, new_values, state.position + mask.sum(dim=1))
        return y, new_state, asked.flatten(answers)

    def attend_queries(self, queries: Tensor, state: AttentionState) -> Tensor:
        """Answers queries from all frames without copies of the state; see `TemporalHead.attend_queries`."""
        x, angles = queries, self._angles(state.position[:, None])
        valid = torch.arange(state.keys.shape[3], device=x.device) < state.position[:, None]
        for index, block in enumerate(self.blocks):
            past_k, past_v = state.keys[:, index], state.values[:, index]
            x = block.finish(x, attend_independent_queries(*block.project(x, angles), [(past_k, past_v)], valid))
        return self.last_norm(x)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None])
        seen = None if bool(mask.all()) else mask[:, None, None]
        for block in self.blocks:
            x = block.finish(x, F.scaled_dot_product_attention(*block.project(x, angles), attn_mask=seen))
        return self.last_norm(x)

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
