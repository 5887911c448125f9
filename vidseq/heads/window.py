"""The sliding-window attention head."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import TemporalHead, concatenate_parts, segment_length
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.banded import banded_attention
from vidseq.ops.dense import attend_independent_queries, causal_attention
from vidseq.ops.places import PlacedQueries
from vidseq.ops.recent import fits_page, last_frames, latest, page_frames, with_surroundings
from vidseq.ops.rotary import rotary_angles

SEGMENT = 1024
"""Frames of a segment where no gradients are wanted."""


@dataclass(frozen=True, kw_only=True)
class WindowConfig(HeadConfig):
    """Options of the window head."""

    window: int = option(256, at_least=1)
    """Frames that a layer sees, the current one included; not causal: as many on the other side."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class WindowState(NamedTuple):
    """Keys and values of the latest frames in every layer, in two parts (see `ops.recent`), and the number of frames.

    They hold as many frames as the longest row has had, at most window - 1 and a page. A shorter row fills the end.
    """

    keys: Tensor
    """(B, layers, heads, N, width), rotated to their positions, oldest first."""
    values: Tensor
    """Like `keys`."""
    page_keys: Tensor
    """Those of the frames since then, like `keys`."""
    page_values: Tensor
    """Like `page_keys`."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class Window(TemporalHead):
    """A transformer whose frames attend to the latest W frames.

        y_t = softmax(q_t . k_j / sqrt(d), t - W < j <= t) v_j          q, k rotated to their positions

        t │ ■ . . . . .        W = 3: a row is an output, a column a frame.
          │ ■ ■ . . . .        Two layers see 2 (W - 1) + 1 = 5 frames.
          │ ■ ■ ■ . . .
          │ . ■ ■ ■ . .
          │ . . ■ ■ ■ .
          ▼ . . . ■ ■ ■

    Source: Vaswani et al., arXiv:1706.03762; sliding window: Beltagy et al., arXiv:2004.05150, section 3.1; rotary
    positions: Su et al., arXiv:2104.09864. Here: pre-norm, no global frames. Not causal: W - 1 frames on either side.
    """

    name = "window"
    Config = WindowConfig
    supports_noncausal = True
    fixed_context = True
    asks_in_one_pass = True
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
        """Each layer adds window - 1 frames."""
        return self.config.layers * (self.config.window - 1) + 1

    @property
    def segment_frames(self) -> int:
        """Long enough that the window before a segment is a small part of the work."""
        return max(SEGMENT, 2 * self.config.window)

    def init_state(self, batch_size: int) -> WindowState:
        """Makes an empty past."""
        return self._state_after(batch_size, 0)

    def _state_after(self, batch_size: int, frames: int) -> WindowState:
        config, weight = self.config, self.last_norm.weight
        shape = (batch_size, config.layers, config.heads, min(frames, self._past), self._width)
        keys, page = weight.new_zeros(shape), weight.new_zeros(*shape[:3], 0, self._width)
        position = torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device)
        return WindowState(keys, keys.clone(), page, page.clone(), position)

    def scan(self, x: Tensor, state: WindowState, mask: Tensor) -> tuple[Tensor, WindowState]:
        """Reads new frames; see `TemporalHead.scan`."""
        if x.shape[1] == 1:
            return self._scan_live(x, state, mask)
        y, new_state, _ = self.scan_with_queries(x, state, mask, PlacedQueries.none(x))
        return y, new_state

    def _scan_live(self, x: Tensor, state: WindowState, mask: Tensor) -> tuple[Tensor, WindowState]:
        """Reads a live frame without a copy of the past."""
        (past, valid), angles, kept = self._visible_past(state), self._angles(state.position[:, None]), []
        for index, block in enumerate(self.blocks):
            layer_past = [(old_k[:, index], old_v[:, index]) for old_k, old_v in past]
            q, k, v = block.project(x, angles)
            x = block.finish(x, attend_independent_queries(q, k, v, layer_past, valid))
            kept.append([*layer_past, (k, v)])
        return self.last_norm(x), self._next_state(state, kept, mask)

    def scan_with_queries(
        self, x: Tensor, state: WindowState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, WindowState, Tensor]:
        """Reads new frames and answers queries; see `TemporalHead.scan_with_queries`."""
        num_frames, asked, (past, valid) = x.shape[1], queries.by_row(len(x)), self._visible_past(state)
        angles = self._angles(asked.positions(state.position, num_frames))
        visible, x, kept = asked.visible(valid, num_frames, self._past), asked.behind(x), []
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, angles, [(old_k[:, index], old_v[:, index]) for old_k, old_v in past])
            (q, asked_q), (k, asked_k), (v, asked_v) = map(asked.split, (q, k, v))
            read = self._attend(q, k, v, valid)
            if asked.width:
                own = attend_independent_queries(asked_q, asked_k, asked_v, [(k, v)], visible)
                read = torch.cat([read, own], dim=2)
            x = block.finish(x, read)
            kept.append([(k, v)])
        y, answers = asked.split(self.last_norm(x), dim=1)
        return y, self._next_state(state, kept, mask), asked.flatten(answers)

    def _visible_past(self, state: WindowState) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Returns all layers' past keys and values that the next frame sees, and which of them exist, bool (B, N)."""
        keys, values = (last_frames(parts, self._past, dim=3) for parts in self._parts(state))
        size = sum(part.shape[3] for part in keys)
        return [*zip(keys, values)], torch.arange(size, device=state.keys.device) >= size - state.position[:, None]

    def _next_state(self, state: WindowState, kept: list[list[tuple[Tensor, Tensor]]], mask: Tensor) -> WindowState:
        """Makes the state after new frames from every layer's visible and new keys and values, in parts."""
        position = state.position + mask.sum(dim=1)
        layers = [[*zip(*seen)] for seen in kept]  # per layer: parts of keys, parts of values
        if fits_page(state.page_keys, mask, page_frames(self.config.window), dim=3):
            new = (torch.stack([parts[-1][:, :, -mask.shape[1] :] for parts in kind], dim=1) for kind in zip(*layers))
            page_k, page_v = (torch.cat([*both], dim=3) for both in zip((state.page_keys, state.page_values), new))
            return WindowState(state.keys, state.values, page_k, page_v, position)
        size = min(self._past, int(position.max())) if len(position) else 0
        new_k, new_v = (
            torch.stack([latest(parts, mask, size, dim=2) for parts in kind], dim=1) for kind in zip(*layers)
        )
        page_k, page_v = (page[:, :, :, :0].clone() for page in (state.page_keys, state.page_values))
        return WindowState(new_k, new_v, page_k, page_v, position)

    def _parts(self, state: WindowState) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        return (state.keys, state.page_keys), (state.values, state.page_values)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, valid: Tensor) -> Tensor:
        """Attends from new frames' queries to the valid frames of the past, bool (B, N), and to the new frames."""
        num_frames, missing = q.shape[2], self._past - valid.shape[1]
        valid = F.pad(valid, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        if missing >= num_frames - 1:  # even the last frame sees back to the first key
            return causal_attention(q, k, v, valid)
        k, v = (F.pad(part, (0, 0, missing, 0)) if missing else part for part in (k, v))
        return banded_attention(q, k, v, F.pad(valid, (missing, 0)), self._past)

    def attend_queries(self, queries: Tensor, state: WindowState) -> Tensor:
        """Answers queries from the window without copies of the state; see `TemporalHead.attend_queries`."""
        x, angles, (past, valid) = queries, self._angles(state.position[:, None]), self._visible_past(state)
        for index, block in enumerate(self.blocks):
            layer_past = [(keys[:, index], values[:, index]) for keys, values in past]
            x = block.finish(x, attend_independent_queries(*block.project(x, angles), layer_past, valid))
        return self.last_norm(x)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        size = segment_length(self.segment_frames)
        side = self.config.window - 1
        valid = F.pad(mask, (side, side))
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None]).split(size, dim=2)
        near = [valid[:, start : start + size + 2 * side] for start in range(0, x.shape[1], size)]
        parts: Iterable[Tensor] = x.split(size, dim=1)
        for block in self.blocks:
            parts = self._layer_noncausal(block, parts, angles, near)
        return concatenate_parts(map(self.last_norm, parts), x.shape[1])

    def _layer_noncausal(
        self, block: TransformerBlock, parts: Iterable[Tensor], angles: Sequence[Tensor], near: Sequence[Tensor]
    ) -> Iterator[Tensor]:
        """Yields a layer's output part by part, on demand. `near` marks the valid frames in and around each part."""
        side = self.config.window - 1
        projected = ((part, block.project(part, turn)) for part, turn in zip(parts, angles))
        slabs = with_surroundings((((part, q), (k, v)) for part, (q, k, v) in projected), side)
        for ((part, q), (k, v)), valid in zip(slabs, near):
            yield block.finish(part, banded_attention(q, k, v, valid, side, side))

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
