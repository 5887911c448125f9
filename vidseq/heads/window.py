"""The sliding-window attention head."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, frames_at_once, joined, option
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.banded import banded_attention
from vidseq.ops.dense import causal_attention, read_by_queries
from vidseq.ops.recent import fits_page, last_frames, latest, page_frames, with_both_sides
from vidseq.ops.rotary import rotary_angles

SEGMENT = 1024
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
    """The latest frames as every layer keeps them, in two parts (see `ops.recent`), and how many there have been.

    There are as many as the longest row has had, at most window - 1 and a page; in a shorter row the last ones count.
    """

    keys: Tensor
    """(B, layers, heads, N, width), rotated to their positions, oldest first."""
    values: Tensor
    """Like `keys`."""
    page_keys: Tensor
    """Those since, like `keys`."""
    page_values: Tensor
    """Like `page_keys`."""
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
        self._width, self._past = config.dim // config.heads, config.window - 1

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
        shape = (batch_size, config.layers, config.heads, min(frames, self._past), self._width)
        keys, page = weight.new_zeros(shape), weight.new_zeros(*shape[:3], 0, self._width)
        position = torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device)
        return WindowState(keys, keys.clone(), page, page.clone(), position)

    def scan(self, x: Tensor, state: WindowState, mask: Tensor) -> tuple[Tensor, WindowState]:
        """Reads new frames; see `TemporalHead.scan`."""
        num_frames, past, valid = x.shape[1], *self._in_sight(state)
        angles = self._angles(state.position[:, None] + torch.arange(num_frames, device=x.device))
        kept = []
        for index, block in enumerate(self.blocks):
            its_past = [(old_k[:, index], old_v[:, index]) for old_k, old_v in past]
            if num_frames == 1:  # a live frame does not copy the past
                q, k, v = block.project(x, angles)
                read, seen = read_by_queries(q, k, v, its_past, valid), [*its_past, (k, v)]
            else:
                q, k, v = block.project(x, angles, its_past)
                read, seen = self._attend(q, k, v, valid), [(k, v)]
            x = block.finish(x, read)
            kept.append(seen)
        return self.last_norm(x), self._take_in(state, kept, mask)

    def _in_sight(self, state: WindowState) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Keys and values of all layers that the next frame sees, and bool (B, N): which of them are there at all."""
        keys, values = (last_frames(parts, self._past, dim=3) for parts in self._parts(state))
        size = sum(part.shape[3] for part in keys)
        return [*zip(keys, values)], torch.arange(size, device=state.keys.device) >= size - state.position[:, None]

    def _take_in(self, state: WindowState, kept: list[list[tuple[Tensor, Tensor]]], mask: Tensor) -> WindowState:
        """The state after new frames: of every layer, keys and values in sight and new ones behind them, in parts."""
        position = state.position + mask.sum(dim=1)
        layers = [[*zip(*seen)] for seen in kept]  # parts of keys, parts of values
        if fits_page(state.page_keys, mask, page_frames(self.config.window), dim=3):
            new = (torch.stack([parts[-1][:, :, -mask.shape[1] :] for parts in kind], dim=1) for kind in zip(*layers))
            page_k, page_v = (torch.cat([*both], dim=3) for both in zip((state.page_keys, state.page_values), new))
            return WindowState(state.keys, state.values, page_k, page_v, position)
        most = min(self._past, int(position.max())) if len(position) else 0
        new_k, new_v = (
            torch.stack([latest(parts, mask, most, dim=2) for parts in kind], dim=1) for kind in zip(*layers)
        )
        page_k, page_v = (page[:, :, :, :0].clone() for page in (state.page_keys, state.page_values))
        return WindowState(new_k, new_v, page_k, page_v, position)

    def _parts(self, state: WindowState) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        return (state.keys, state.page_keys), (state.values, state.page_values)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, valid: Tensor) -> Tensor:
        """New frames' queries on keys of the past, of which valid says what is there, and their own behind them."""
        num_frames, missing = q.shape[2], self._past - valid.shape[1]
        valid = F.pad(valid, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        if missing >= num_frames - 1:  # the last one sees as far as the first key
            return causal_attention(q, k, v, valid)
        k, v = (F.pad(part, (0, 0, missing, 0)) if missing else part for part in (k, v))
        return banded_attention(q, k, v, F.pad(valid, (missing, 0)), self._past)

    def read(self, queries: Tensor, state: WindowState) -> Tensor:
        """Reads the window with queries, without a copy of the state for each; see `TemporalHead.read`."""
        x, angles, (past, valid) = queries, self._angles(state.position[:, None]), self._in_sight(state)
        for index, block in enumerate(self.blocks):
            its_past = [(keys[:, index], values[:, index]) for keys, values in past]
            x = block.finish(x, read_by_queries(*block.project(x, angles), its_past, valid))
        return self.last_norm(x)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        size = frames_at_once(self.segment_frames)
        side = self.config.window - 1
        valid = F.pad(mask, (side, side))
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None]).split(size, dim=2)
        near = [valid[:, start : start + size + 2 * side] for start in range(0, x.shape[1], size)]
        parts: Iterable[Tensor] = x.split(size, dim=1)
        for block in self.blocks:
            parts = self._layer_noncausal(block, parts, angles, near)
        return joined(map(self.last_norm, parts), x.shape[1])

    def _layer_noncausal(
        self, block: TransformerBlock, parts: Iterable[Tensor], angles: Sequence[Tensor], near: Sequence[Tensor]
    ) -> Iterator[Tensor]:
        """A layer's parts of videos, each made when it is due; near says which frames in and around each are there."""
        side = self.config.window - 1
        projected = ((part, block.project(part, turn)) for part, turn in zip(parts, angles))
        slabs = with_both_sides((((part, q), (k, v)) for part, (q, k, v) in projected), side)
        for ((part, q), (k, v)), known in zip(slabs, near):
            yield block.finish(part, banded_attention(q, k, v, known, side, side))

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
