"""The sliding-window attention head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, option
from vidseq.heads.blocks import advance
from vidseq.heads.transformer_block import TransformerBlock, check_heads
from vidseq.ops.banded import banded_attention
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
    """The latest window - 1 frames as every layer keeps them, and how many frames there have been."""

    keys: Tensor
    """(B, layers, heads, window - 1, width), rotated to their positions, oldest first."""
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
        config = self.config
        shape = (batch_size, config.layers, config.heads, config.window - 1, self._width)
        weight = self.last_norm.weight
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return WindowState(weight.new_zeros(shape), weight.new_zeros(shape), position)

    def scan(self, x: Tensor, state: WindowState, mask: Tensor) -> tuple[Tensor, WindowState]:
        """Reads new frames; see `TemporalHead.scan`."""
        past, num_frames = self.config.window - 1, x.shape[1]
        angles = self._angles(state.position[:, None] + torch.arange(num_frames, device=x.device))
        in_past = torch.arange(past, device=x.device) >= past - state.position[:, None]
        valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        keys, values = [], []
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, angles)
            old_k, old_v = state.keys[:, index], state.values[:, index]
            read = banded_attention(q, torch.cat([old_k, k], dim=2), torch.cat([old_v, v], dim=2), valid, past)
            x = block.finish(x, read)
            keys.append(advance(old_k, k, mask, dim=2))
            values.append(advance(old_v, v, mask, dim=2))
        new_state = WindowState(torch.stack(keys, dim=1), torch.stack(values, dim=1), state.position + mask.sum(dim=1))
        return self.last_norm(x), new_state

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
