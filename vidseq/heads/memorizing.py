"""The Memorizing Transformer head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import advance
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.banded import banded_attention
from vidseq.ops.nearest import find_nearest, nearest_attention
from vidseq.ops.rotary import rotary_angles, rotate


@dataclass(frozen=True, kw_only=True)
class MemorizingConfig(HeadConfig):
    """Options of the memorizing head."""

    window: int = option(128, at_least=1)
    """Frames that every layer sees, the current one included."""
    memory: int = option(8192, at_least=1)
    """Frames before the window that can be retrieved; older ones are dropped."""
    neighbours: int = option(32, at_least=1)
    """Frames that each attention head retrieves."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    memory_layer: int = option(2, at_least=1)
    """The block that retrieves; the first is 1."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class MemorizingState(NamedTuple):
    """The latest window - 1 frames of every layer, and the frames before them in the memory layer."""

    keys: Tensor
    """(B, layers, heads, window - 1, width), not rotated, oldest first."""
    values: Tensor
    """Like `keys`."""
    stored_keys: Tensor
    """(B, heads, S, width), S frames in the fullest row's store; a row's own come first, oldest first."""
    stored_values: Tensor
    """Like `stored_keys`."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class Memorizing(TemporalHead):
    """A window transformer; one of its layers also retrieves the k most similar of all frames before its window.

        V_l = softmax(q_t . k_j / sqrt(d), t - W < j <= t) v_j                     as in the window head
        V_m = softmax(q_t . k_j / sqrt(d), j in top-k of t - W - M < j <= t - W) v_j
        g   = sigma(b)                                                             b: one number for each head
        V   = V_m * g + V_l * (1 - g)

        frames   ░░░░░░█░░░░░░░░░█░░░░│■■■■        ■ window, ░ store, █ the k = 2 best of the store
                 └───── M ────────────┘  ▲ t

    Gradients stop at the store, so training keeps nothing for it. V_m is 0 while the store is empty.

    Source: Wu et al., arXiv:2203.08913, sections 3.1 and 3.2. Here: the search is exact. A frame enters the store when
    it leaves the window, not a segment at a time, so the window slides and any chunking gives the same output. Rotary
    positions in the window, none in the store, as in the paper. Keys are not normalised, because a store never
    outlives the weights that wrote it. Time grows with T * M up to the cap, space with M.
    """

    name = "memorizing"
    Config = MemorizingConfig
    config: MemorizingConfig

    def __init__(self, config: MemorizingConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        if config.memory_layer > config.layers:
            raise UserError(
                f"memorizing head expects memory_layer of at most its {config.layers} layers, "
                f"got {config.memory_layer}. Change memory_layer or layers."
            )
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        self.gate_bias = nn.Parameter(torch.zeros(config.heads))
        self.last_norm = nn.LayerNorm(config.dim)
        self._width = config.dim // config.heads

    @property
    def context_frames(self) -> int:
        """Each layer adds window - 1 frames, and one of them adds its store."""
        return self.config.layers * (self.config.window - 1) + self.config.memory + 1

    def init_state(self, batch_size: int) -> MemorizingState:
        """Makes an empty past."""
        return self._state_after(batch_size, 0)

    def _state_after(self, batch_size: int, frames: int) -> MemorizingState:
        config, weight = self.config, self.last_norm.weight
        window = (batch_size, config.layers, config.heads, config.window - 1, self._width)
        store = (batch_size, config.heads, min(config.memory, max(0, frames - config.window + 1)), self._width)
        position = torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device)
        keys, values, stored_keys, stored_values = (
            weight.new_zeros(shape) for shape in (window, window, store, store)
        )
        return MemorizingState(keys, values, stored_keys, stored_values, position)

    def scan(self, x: Tensor, state: MemorizingState, mask: Tensor) -> tuple[Tensor, MemorizingState]:
        """Reads new frames; see `TemporalHead.scan`."""
        past, num_frames = self.config.window - 1, x.shape[1]
        at = torch.arange(-past, num_frames, device=x.device)
        angles = rotary_angles(state.position[:, None] + at, self._width)[:, None]
        valid = at >= -state.position[:, None]
        valid[:, past:] = True  # a valid frame never sees a later, invalid one
        keys, values, stored = [], [], (state.stored_keys, state.stored_values)
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, torch.zeros_like(angles[:, :, past:]))
            k, v = (torch.cat([old[:, index], new], dim=2) for old, new in ((state.keys, k), (state.values, v)))
            read = banded_attention(rotate(q, angles[:, :, past:]), rotate(k, angles), v, valid, past)
            if index + 1 == self.config.memory_layer:
                looked_up, stored = self._look_up(q, k, v, state, mask)
                gate = self.gate_bias.sigmoid()[:, None, None]
                read = looked_up * gate + read * (1 - gate)
            x = block.finish(x, read)
            keys.append(advance(k[:, :, :past], k[:, :, past:], mask, dim=2))
            values.append(advance(v[:, :, :past], v[:, :, past:], mask, dim=2))
        position = state.position + mask.sum(dim=1)
        return self.last_norm(x), MemorizingState(
            torch.stack(keys, dim=1), torch.stack(values, dim=1), *stored, position
        )

    def _look_up(
        self, q: Tensor, k: Tensor, v: Tensor, state: MemorizingState, mask: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Returns what each query retrieves from before its window, and the store after the new frames.

        Args:
            q: queries of the new frames, (B, heads, T, width).
            k: keys of the window before them and of the new frames, (B, heads, window - 1 + T, width).
            v: values, like `k`.
            state: before the new frames.
            mask: bool (B, T), True = valid.
        """
        size, past = state.stored_keys.shape[2], self.config.window - 1
        held = self._num_stored(state.position)
        # Move a row's own frames to the end of the store, directly before the window.
        all_keys, all_values = (
            torch.cat([_shifted(store, held - size, size), new.detach()], dim=2)
            for store, new in ((state.stored_keys, k), (state.stored_values, v))
        )
        first, lag = size + past - state.position, torch.full_like(held, size)
        q, config = q.to(all_keys.dtype), self.config
        found = find_nearest(q, all_keys, first, lag, reach=config.memory, count=config.neighbours)
        read = nearest_attention(q, all_keys, all_values, found)
        length = mask.sum(dim=1)
        then = self._num_stored(state.position + length)
        room = int(then.max()) if len(then) else size
        inside = (torch.arange(room, device=q.device) < then[:, None])[:, None, :, None]
        keys, values = (_shifted(part, size + length - then, room).where(inside, 0) for part in (all_keys, all_values))
        return read, (keys, values)

    def _num_stored(self, position: Tensor) -> Tensor:
        """Returns the number of frames in the store after `position` frames."""
        return (position - self.config.window + 1).clamp(0, self.config.memory)


def _shifted(x: Tensor, start: Tensor, size: int) -> Tensor:
    """Returns the frames start to start + size of each row of x (B, H, N, d); undefined frames outside of it."""
    if bool((start == start[:1]).all()) and len(start) and 0 <= int(start[0]) <= x.shape[2] - size:
        return x.narrow(2, int(start[0]), size)
    index = (start[:, None] + torch.arange(size, device=x.device)).clamp(0, max(0, x.shape[2] - 1))
    return x.gather(2, index[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3]))
