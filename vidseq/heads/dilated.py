"""The dilated sliding-window attention head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.dense import attend_independent_queries
from vidseq.ops.dilated import dilated_attention
from vidseq.ops.places import PlacedQueries, RowQueries
from vidseq.ops.recent import every_nth, fits_page, last_frames, latest, page_frames
from vidseq.ops.rotary import rotary_angles


@dataclass(frozen=True, kw_only=True)
class DilatedConfig(HeadConfig):
    """Options of the dilated head."""

    window: int = option(256, at_least=1)
    """Frames that a layer sees, the current one included; not causal: as many on the other side."""
    dilation: int = option(1, at_least=1)
    """Distance in frames between the frames that the first layer sees."""
    growth: int = option(2, at_least=1)
    """Factor from one layer's dilation to the next layer's."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class DilatedState(NamedTuple):
    """Keys and values of every layer's latest (window - 1) * dilation frames, and the number of frames.

    They come in two parts (see `ops.recent`); the first always has that length.
    """

    keys: Tensor
    """(B, heads, all layers' frames, width): layer after layer, each oldest first, rotated to their positions."""
    values: Tensor
    """Like `keys`."""
    page_keys: Tensor
    """(B, layers, heads, N, width): those of the frames since then."""
    page_values: Tensor
    """Like `page_keys`."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class Dilated(TemporalHead):
    """A transformer whose frames attend to every d-th frame, W in all: a long view at the cost of a window.

        y_t = softmax(q_t . k_j / sqrt(d_k), j = t, t - d, ..., t - (W - 1) d) v_j      q, k rotated to their positions

        t │ ■ . . . . . .        W = 3, d = 2: a row is an output, a column a frame.
          │ . ■ . . . . .        Even frames see even frames, odd ones odd frames; a layer of dilation 1
          │ ■ . ■ . . . .        below combines them. With d = 1, 2, 4, ... each layer doubles the context.
          │ . ■ . ■ . . .
          │ ■ . ■ . ■ . .
          ▼ . ■ . ■ . ■ .

    Source: Beltagy et al., arXiv:2004.05150, section 3.1, "Dilated Sliding Window", and 4.1: dilation grows from the
    lowest layer up. Here: all heads of a layer share its dilation; pre-norm, rotary positions, no global frames. Not
    causal: W - 1 frames on either side.
    """

    name = "dilated"
    Config = DilatedConfig
    supports_noncausal = True
    fixed_context = True
    asks_in_one_pass = True
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
        """Each layer adds (window - 1) * dilation frames."""
        return sum(self._pasts) + 1

    @property
    def segment_frames(self) -> int:
        """Several times as many frames as the state keeps, because each segment copies them."""
        return max(2048, 4 * sum(self._pasts))

    def init_state(self, batch_size: int) -> DilatedState:
        """Makes an empty past."""
        config, weight = self.config, self.last_norm.weight
        keys = weight.new_zeros(batch_size, config.heads, sum(self._pasts), self._width)
        page = weight.new_zeros(batch_size, config.layers, config.heads, 0, self._width)
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return DilatedState(keys, keys.clone(), page, page.clone(), position)

    def scan(self, x: Tensor, state: DilatedState, mask: Tensor) -> tuple[Tensor, DilatedState]:
        """Reads new frames; see `TemporalHead.scan`."""
        y, new_state, _ = self.scan_with_queries(x, state, mask, PlacedQueries.none(x))
        return y, new_state

    def scan_with_queries(
        self, x: Tensor, state: DilatedState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, DilatedState, Tensor]:
        """Reads new frames and answers queries; see `TemporalHead.scan_with_queries`."""
        asked, keys, values = queries.by_row(len(x)), [], []
        angles = self._angles(asked.positions(state.position, x.shape[1]))
        x = asked.behind(x)
        for index, block in enumerate(self.blocks):
            (q, asked_q), (k, asked_k), (v, asked_v) = map(asked.split, block.project(x, angles))
            read = self._attend(index, q, k, v, state)
            if asked.width:
                own = self._answer(index, asked_q, asked_k, asked_v, [(k, v)], asked, state)
                read = torch.cat([read, own], dim=2)
            x = block.finish(x, read)
            keys.append(k)
            values.append(v)
        y, answers = asked.split(self.last_norm(x), dim=1)
        return y, self._next_state(state, keys, values, mask), asked.flatten(answers)

    def _answer(
        self,
        index: int,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        new: list[tuple[Tensor, Tensor]],
        asked: RowQueries,
        state: DilatedState,
    ) -> Tensor:
        """Attends from queries to a layer's past, to the new frames before them, and each to itself."""
        past, dilation, num_frames = self._pasts[index], self.dilations[index], new[0][0].shape[2]
        in_past = torch.arange(past, device=q.device) >= past - state.position[:, None]
        distance = asked.seen[..., None] - torch.arange(-past, num_frames, device=q.device)
        visible = asked.visible(in_past, num_frames, past) & (distance % dilation == 0)
        old = zip(*(last_frames(parts, past, dim=2) for parts in self._parts(index, state)))
        return attend_independent_queries(q, k, v, [*old, *new], visible)

    def _attend(self, index: int, q: Tensor, k: Tensor, v: Tensor, state: DilatedState) -> Tensor:
        """Attends from new frames' queries to a layer's past and to the new frames."""
        num_frames, past, dilation = q.shape[2], self._pasts[index], self.dilations[index]
        in_past = torch.arange(past, device=q.device) >= past - state.position[:, None]
        old_k, old_v = (last_frames(parts, past, dim=2) for parts in self._parts(index, state))
        if num_frames == 1:  # a live frame does not copy the past
            seen_k, seen_v = (every_nth(parts, dilation, dim=2) for parts in (old_k, old_v))
            return attend_independent_queries(q, k, v, [*zip(seen_k, seen_v)], in_past[:, ::dilation])
        valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        all_k, all_v = torch.cat([*old_k, k], dim=2), torch.cat([*old_v, v], dim=2)
        return dilated_attention(q, all_k, all_v, valid, self.config.window - 1, dilation=dilation)

    def _next_state(self, state: DilatedState, keys: list[Tensor], values: list[Tensor], mask: Tensor) -> DilatedState:
        """Makes the state after new frames from every layer's keys and values (B, heads, T, width)."""
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
        """Returns a layer's keys and values, each in the two parts of the state."""
        end = sum(self._pasts[: index + 1])
        frames = slice(end - self._pasts[index], end)
        return (
            (state.keys[:, :, frames], state.page_keys[:, index]),
            (state.values[:, :, frames], state.page_values[:, index]),
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
