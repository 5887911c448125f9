"""The Longformer head: a sliding window and global tokens."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, frames_at_once, option
from vidseq.heads.layers.blocks import advance
from vidseq.heads.layers.tokens import TokenLayer, TokenScan, TokenState, new_tokens, through_layers
from vidseq.heads.layers.transformer import check_heads
from vidseq.ops.dense import read_by_queries
from vidseq.ops.dilated import dilated_attention
from vidseq.ops.growing import append_frames
from vidseq.ops.merge import Part, attend_part
from vidseq.ops.periods import Periods
from vidseq.ops.recent import with_both_sides
from vidseq.ops.rotary import rotary_angles, rotate

SEGMENT = 512
"""Frames that are read at once where no gradients are wanted."""


@dataclass(frozen=True, kw_only=True)
class LongformerConfig(HeadConfig):
    """Options of the longformer head."""

    window: int = option(256, at_least=1)
    """Frames a layer sees, the current one included; when not causal, as many to the other side."""
    num_global: int = option(16, at_least=1)
    """Global tokens G: learned vectors that read every frame and that every frame sees."""
    global_questions: bool = False
    """True: an asked question reads every frame too, as in the paper, and the state grows. False: it reads what a
    frame reads, the window and the global tokens."""
    dilation: int = option(1, at_least=1)
    """Frames from one that the first layer sees to the next."""
    growth: int = option(1, at_least=1)
    """How many times wider each layer's dilation is than that of the layer below."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another; what global tokens read in one, frames see in the next."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the network on each frame; 0: four times dim."""


class LongformerState(NamedTuple):
    """The latest frames as every layer keeps them, the tokens, and all frames if questions are global."""

    keys: Tensor
    """(B, heads, all layers' frames, width): layer after layer, each oldest first, rotated to their positions."""
    values: Tensor
    """Like `keys`."""
    token_keys: Tensor
    """As in `TokenState`, like the next three."""
    token_values: Tensor
    """See there."""
    token_read: Tensor
    """See there."""
    token_mass: Tensor
    """See there."""
    all_keys: Tensor
    """(B, layers, heads, N, width): every frame as a global question sees it; N = 0 without global questions."""
    all_values: Tensor
    """Like `all_keys`."""
    position: Tensor
    """int64 (B,): frames so far, and so where the next one stands."""


class Longformer(TemporalHead):
    """A transformer whose frames attend to the latest W frames and to G tokens, which attend to everything.

        y_t = softmax(q_t . k_j / sqrt(d), t - W < j <= t, and all g) v_j       frames: window and tokens
        g'_i = softmax(q'_i . k'_j / sqrt(d), all j and all g) v'_j             tokens: q', k', v' are their own

          g g │ frames                      causal, W = 3 and so periods of 3:
        g ■ ■ │ ■ ■ ■ ■ ■ ■ ■           g g │ ■ . . . . .
        g ■ ■ │ ■ ■ ■ ■ ■ ■ ■           g g │ ■ ■ . . . .      the tokens know nothing yet
        ──────┼──────────────           g g │ ■ ■ ■ . . .
        t ■ ■ │ ■ ■ . . . . .           ────┼─────────────
        │ ■ ■ │ ■ ■ ■ . . . .           G G │ . ■ ■ ■ . .      tokens that have read frames 1 to 3
        ▼ ■ ■ │ . ■ ■ ■ . . .           G G │ . . ■ ■ ■ .

    Causal: frames see the tokens as of the start of their period of W frames; what came since is in the window. So
    streams are exact and the state is constant, unless questions are global; see `token_layer`.

    Source: Beltagy et al., arXiv:2004.05150, section 3.1. Here: tokens are learned vectors of their own and have no
    position; frames have rotary ones, which scores between the two leave out; pre-norm; all heads of a layer share its
    dilation. Not causal: the paper's form, W - 1 frames to either side.
    """

    name = "longformer"
    Config = LongformerConfig
    supports_noncausal = True
    config: LongformerConfig

    def __init__(self, config: LongformerConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        reads = [layer < config.layers - 1 or config.global_questions for layer in range(config.layers)]
        dim, heads, network = config.dim, config.heads, config.network
        layers = (TokenLayer(dim, heads, config.dropout, own, network) for own in reads)
        self.layers = cast("list[TokenLayer]", nn.ModuleList(layers))
        self.tokens = nn.Parameter(torch.randn(config.num_global, config.dim))
        self.last_norm = nn.LayerNorm(config.dim)
        self.dilations = [config.dilation * config.growth**layer for layer in range(config.layers)]
        self._pasts = [(config.window - 1) * dilation for dilation in self.dilations]
        self._width = config.dim // config.heads

    @property
    def context_frames(self) -> int | None:
        """No limit, if there is a layer that reads tokens that have read."""
        return None if self.config.layers > 1 else self._pasts[0] + 1

    @property
    def segment_frames(self) -> int | None:
        """Enough that the window before a segment is not most of the work."""
        return None if self.config.global_questions else self._segment

    @property
    def _segment(self) -> int:
        return max(SEGMENT, 2 * max(self._pasts))

    def init_state(self, batch_size: int) -> LongformerState:
        """An empty past; tokens that have read nothing but one another."""
        return self._state_after(batch_size, 0)

    def _state_after(self, batch_size: int, frames: int) -> LongformerState:
        config, weight = self.config, self.last_norm.weight
        stored = frames if config.global_questions else 0
        past = weight.new_zeros(batch_size, config.heads, sum(self._pasts), self._width)
        everything = weight.new_zeros(batch_size, config.layers, config.heads, stored, self._width)
        tokens = new_tokens(list(self.layers), self.tokens, batch_size)
        position = torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device)
        return LongformerState(past, past.clone(), *tokens, everything, everything.clone(), position)

    def scan(self, x: Tensor, state: LongformerState, mask: Tensor) -> tuple[Tensor, LongformerState]:
        """Reads new frames; see `TemporalHead.scan`."""
        num_frames, reach = x.shape[1], self.config.window - 1
        angles = self._angles(state.position[:, None] + torch.arange(num_frames, device=x.device))
        tokens = TokenScan(self.tokens, TokenState(*state[2:6]), Periods(state.position, mask, self.config.window))
        pasts = (state.keys.split(self._pasts, dim=2), state.values.split(self._pasts, dim=2))
        kept, everything = [], []
        for layer, dilation, past, old_k, old_v in zip(self.layers, self.dilations, self._pasts, *pasts):
            q, k, v = layer.near(x)
            beside = tokens.see(layer, q)
            far = layer.far(x, 2) if layer.qkv_global is not None else ()
            if layer is not self.layers[-1]:
                tokens.read(layer, *far)
            q, k = rotate(q, angles), rotate(k, angles)
            in_past = torch.arange(-past, 0, device=x.device) >= -state.position[:, None]
            valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
            all_k, all_v = torch.cat([old_k, k], dim=2), torch.cat([old_v, v], dim=2)
            x = layer.block.finish(x, dilated_attention(q, all_k, all_v, valid, reach, 0, dilation, beside))
            kept.append((advance(old_k, k, mask, dim=2), advance(old_v, v, mask, dim=2)))
            everything.append(far)
        keys, values = (torch.cat(parts, dim=2) for parts in zip(*kept))
        all_keys, all_values = self._store(state, everything, mask)
        position = state.position + mask.sum(dim=1)
        return self.last_norm(x), LongformerState(keys, values, *tokens.state(), all_keys, all_values, position)

    def _store(self, state: LongformerState, new: list[tuple[Tensor, ...]], mask: Tensor) -> tuple[Tensor, ...]:
        """All frames for global questions, after those of `new`: keys and values a layer."""
        old = (state.all_keys, state.all_values)
        if not self.config.global_questions:
            return tuple(part.clone() for part in old)
        stacked = (torch.stack(parts, dim=1) for parts in zip(*new))
        return tuple(append_frames(part, state.position, more, mask, dim=3) for part, more in zip(old, stacked))

    def read(self, queries: Tensor, state: LongformerState) -> Tensor:
        """Reads with global questions, if they are; see `TemporalHead.read`."""
        if not self.config.global_questions:
            return super().read(queries, state)
        x, tokens = queries, self.tokens.expand(queries.shape[0], 1, -1, -1)
        frames = torch.arange(state.all_keys.shape[3], device=x.device) < state.position[:, None]
        valid = F.pad(frames, (0, self.config.num_global), value=True)
        for index, layer in enumerate(self.layers):
            token_k, token_v = (part[:, 0] for part in layer.far(tokens, 2))
            past_k = torch.cat([state.all_keys[:, index].to(token_k.dtype), token_k], dim=2)
            past_v = torch.cat([state.all_values[:, index].to(token_v.dtype), token_v], dim=2)
            if layer is not self.layers[-1]:
                so_far = Part(state.token_read[:, None, index], state.token_mass[:, None, index])
                tokens = layer.update(tokens, self.tokens, so_far)
            q, k, v = layer.far(x)
            x = layer.block.finish(x, read_by_queries(q, k, v, [(past_k, past_v)], valid))
        return self.last_norm(x)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        return self.last_norm(through_layers(self.layer_noncausal, len(self.layers), self.tokens, x, mask))

    def layer_noncausal(
        self, index: int, x: Tensor, tokens: Tensor, mask: Tensor, last: bool = False
    ) -> tuple[Tensor, Tensor]:
        """A layer's frames and tokens from those it reads, (B, T, D) and (B, G, D); the last spares its tokens."""
        layer, parts = self.layers[index], list(x.split(frames_at_once(self._segment), dim=1))
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None])
        read = self.attend_noncausal(layer, tokens, parts, angles, mask, self.dilations[index])
        new_x = torch.cat([layer.block.finish(part, its_read) for part, its_read in zip(parts, read)], dim=1)
        if not last:
            tokens = layer.block.finish(tokens, layer.read_noncausal(tokens, parts, mask))
        return new_x, tokens

    def attend_noncausal(
        self, layer: TokenLayer, tokens: Tensor, parts: list[Tensor], angles: Tensor, mask: Tensor, dilation: int
    ) -> Iterator[Tensor]:
        """What frames, equal parts (B, T, D) of videos, read in their window and tokens (B, G, D), part by part."""
        reach, side, size = self.config.window - 1, (self.config.window - 1) * dilation, parts[0].shape[1]
        near, token_kv = F.pad(mask, (side, side)), layer.near(tokens, 2)
        turned = (_turned(layer.near(part), turn) for part, turn in zip(parts, angles.split(size, dim=2)))
        for index, ((q, plain_q), (k, v)) in enumerate(with_both_sides(turned, side)):
            known = near[:, index * size : index * size + k.shape[2]]
            beside = attend_part(plain_q, *token_kv)
            yield dilated_attention(q, k, v, known, reach, reach, dilation, beside)

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]


def _turned(qkv: tuple[Tensor, ...], angles: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Queries, rotated and not; keys, rotated, and values."""
    q, k, v = qkv
    return (rotate(q, angles), q), (rotate(k, angles), v)
