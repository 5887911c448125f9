"""The sliding-window attention head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, option
from vidseq.heads.blocks import latest
from vidseq.heads.transformer_block import TransformerBlock, check_heads
from vidseq.ops.banded import banded_attention
from vidseq.ops.dense import causal_attention, read_by_queries
from vidseq.ops.rotary import rotary_angles

SEGMENT = 512
"""Frames that are read at once where no gradients are wanted."""


@dataclass(frozen=True, kw_only=True)
class WindowConfig(HeadConfig):
    """Options of the window head."""

    window: int = option(256, at_least=1)
    """Frames a layer sees, the current one included; when not causal, as many to the other side."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the network on each frame; 0: four times dim."""


class WindowState(NamedTuple):
    """The latest frames as every layer keeps them, and how many there have been.

    There are N of them, as many as the longest row has had, at most window - 1; in a shorter row the last ones count.
    """

    keys: Tensor
    """(B, layers, heads, N, width), rotated to their positions, oldest first."""
    values: Tensor
    """Like `keys`."""
    position: Tensor
    """int64 (B,): frames so far, and so where the next one stands."""


class Window(TemporalHead):
    """A transformer whose frames attend to the latest W frames only.

        y_t = softmax(q_t . k_j / sqrt(d), t - W < j <= t) v_j          q, k turned to their positions

        t │ ■ . . . . .        W = 3: a row is an output, a column a frame.
          │ ■ ■ . . . .        Two layers see 2 (W - 1) + 1 = 5 frames.
          │ ■ ■ ■ . . .
          │ . ■ ■ ■ . .
          │ . . ■ ■ ■ .
          ▼ . . . ■ ■ ■

    Source: Vaswani et al., arXiv:1706.03762; sliding window: Beltagy et al., arXiv:2004.05150, section 3.1; rotary
    positions: Su et al., arXiv:2104.09864. Here: pre-norm, no global frames. Not causal: W - 1 frames to either side.
    """

    name = "window"
    Config = WindowConfig
    supports_noncausal = True
    forgets = True
    config: WindowConfig

    def __init__(self, config: WindowConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        self.last_norm = nn.LayerNorm(config.dim)
        self._width = config.dim // config.heads

    @property
    def context_frames(self) -> int:
        """Each layer reaches window - 1 frames further."""
        return self.config.layers * (self.config.window - 1) + 1

    @property
    def segment_frames(self) -> int:
        """Enough that the window before a segment is not most of the work."""
        return max(SEGMENT, 2 * self.config.window)

    def init_state(self, batch_size: int) -> WindowState:
        """An empty past."""
        return self._state_after(batch_size, 0)

    def _state_after(self, batch_size: int, frames: int) -> WindowState:
        config, weight = self.config, self.last_norm.weight
        shape = (batch_size, config.layers, config.heads, min(frames, config.window - 1), self._width)
        position = torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device)
        return WindowState(weight.new_zeros(shape), weight.new_zeros(shape), position)

    def scan(self, x: Tensor, state: WindowState, mask: Tensor) -> tuple[Tensor, WindowState]:
        """Reads new frames; see `TemporalHead.scan`."""
        num_frames, position = x.shape[1], state.position + mask.sum(dim=1)
        angles = self._angles(state.position[:, None] + torch.arange(num_frames, device=x.device))
        valid = F.pad(
            self._in_past(state), (0, num_frames), value=True
        )  # a valid frame never sees a later, invalid one
        most = min(self.config.window - 1, int(position.max())) if len(x) else 0
        keys, values = [], []
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, angles)
            k, v = (torch.cat([old[:, index], new], dim=2) for old, new in ((state.keys, k), (state.values, v)))
            x = block.finish(x, self._attend(q, k, v, valid))
            keys.append(latest(k, mask, most, dim=2))
            values.append(latest(v, mask, most, dim=2))
        return self.last_norm(x), WindowState(torch.stack(keys, dim=1), torch.stack(values, dim=1), position)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, valid: Tensor) -> Tensor:
        """Queries on their window of the keys, of which the last ones are their own."""
        missing = self.config.window - 1 + q.shape[2] - k.shape[2]
        if missing >= q.shape[2] - 1:  # the last one sees as far as the first key
            return causal_attention(q, k, v, valid)
        k, v = (F.pad(part, (0, 0, missing, 0)) for part in (k, v))
        return banded_attention(q, k, v, F.pad(valid, (missing, 0)), self.config.window - 1)

    def read(self, queries: Tensor, state: WindowState) -> Tensor:
        """Reads the window with queries, without a copy of the state for each; see `TemporalHead.read`."""
        x, angles, valid = queries, self._angles(state.position[:, None]), self._in_past(state)
        for index, block in enumerate(self.blocks):
            past_k, past_v = state.keys[:, index], state.values[:, index]
            x = block.finish(x, read_by_queries(*block.project(x, angles), past_k, past_v, valid))
        return self.last_norm(x)

    def _in_past(self, state: WindowState) -> Tensor:
        """Bool (B, N): which places of the state hold a frame."""
        size = state.keys.shape[3]
        return torch.arange(size, device=state.keys.device) >= size - state.position[:, None]

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        size = x.shape[1] if torch.is_grad_enabled() else self.segment_frames
        side = self.config.window - 1
        valid, beyond = F.pad(mask, (side, side)), x.new_zeros(len(x), self.config.heads, side, self._width)
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None]).split(size, dim=2)
        parts = list(x.split(size, dim=1))
        for block in self.blocks:
            queries, *kv = zip(*(block.project(part, angle) for part, angle in zip(parts, angles)))
            k, v = (torch.cat([beyond.to(some[0].dtype), *some, beyond.to(some[0].dtype)], dim=2) for some in kv)
            for index, (part, q) in enumerate(zip(parts, queries)):
                near = slice(index * size, index * size + q.shape[2] + 2 * side)
                read = banded_attention(q, k[:, :, near], v[:, :, near], valid[:, near], side, side)
                parts[index] = block.finish(part, read)
        return torch.cat([self.last_norm(part) for part in parts], dim=1)

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
