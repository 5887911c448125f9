"""The Longformer head: a sliding window and global tokens."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import TemporalHead, segment_length
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import advance
from vidseq.heads.layers.tokens import TokenLayer, TokenScan, TokenState, init_tokens, run_layers
from vidseq.heads.layers.transformer import check_heads
from vidseq.ops.dense import attend_independent_queries
from vidseq.ops.dilated import dilated_attention
from vidseq.ops.growing import append_frames
from vidseq.ops.merge import PartialAttention, partial_attention
from vidseq.ops.periods import Periods
from vidseq.ops.recent import with_surroundings
from vidseq.ops.rotary import rotary_angles, rotate

SEGMENT = 512
"""Frames of a segment where no gradients are wanted."""


@dataclass(frozen=True, kw_only=True)
class LongformerConfig(HeadConfig):
    """Options of the longformer head."""

    window: int = option(256, at_least=1)
    """Frames that a layer sees, the current one included; not causal: as many on the other side."""
    num_global: int = option(16, at_least=1)
    """Global tokens G: learned vectors that read every frame and that every frame sees."""
    global_questions: bool = False
    """True: a question also reads every frame, as in the paper, and the state grows. False: it reads the window and
    the global tokens, as a frame does."""
    dilation: int = option(1, at_least=1)
    """Distance in frames between the frames that the first layer sees."""
    growth: int = option(1, at_least=1)
    """Factor from one layer's dilation to the next layer's."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another; frames of a block see what global tokens read in the block before."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class LongformerState(NamedTuple):
    """The latest frames of every layer, the tokens, and all frames if questions are global."""

    keys: Tensor
    """(B, heads, all layers' frames, width): layer after layer, each oldest first, rotated to their positions."""
    values: Tensor
    """Like `keys`."""
    token_keys: Tensor
    """As in `TokenState`."""
    token_values: Tensor
    """As in `TokenState`."""
    token_read: Tensor
    """As in `TokenState`."""
    token_logsumexp: Tensor
    """As in `TokenState`."""
    all_keys: Tensor
    """(B, layers, heads, N, width): keys of all frames for global questions; N = 0 without them."""
    all_values: Tensor
    """Like `all_keys`."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class Longformer(TemporalHead):
    """A transformer whose frames attend to the latest W frames and to G tokens, which attend to everything.

        y_t = softmax(q_t . k_j / sqrt(d), t - W < j <= t, and all g) v_j       frames: window and tokens
        g'_i = softmax(q'_i . k'_j / sqrt(d), all j and all g) v'_j             tokens: q', k', v' are their own

          g g │ frames                      causal, W = 3 and so periods of 3:
        g ■ ■ │ ■ ■ ■ ■ ■ ■ ■           g g │ ■ . . . . .
        g ■ ■ │ ■ ■ ■ ■ ■ ■ ■           g g │ ■ ■ . . . .      the tokens have read no frame yet
        ──────┼──────────────           g g │ ■ ■ ■ . . .
        t ■ ■ │ ■ ■ . . . . .           ────┼─────────────
        │ ■ ■ │ ■ ■ ■ . . . .           G G │ . ■ ■ ■ . .      tokens that have read frames 1 to 3
        ▼ ■ ■ │ . ■ ■ ■ . . .           G G │ . . ■ ■ ■ .

    Causal: frames see the tokens as of the start of their period of W frames; later frames are in the window. So
    streams are exact and the state is constant, unless questions are global; see `layers.tokens`.

    Source: Beltagy et al., arXiv:2004.05150, section 3.1. Here: tokens are learned vectors of their own without a
    position; frames have rotary positions, which scores between tokens and frames leave out; pre-norm; all heads of a
    layer share its dilation. Not causal: the paper's form, W - 1 frames on either side.
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
        """No limit, if a layer sees tokens that have read frames."""
        return None if self.config.layers > 1 else self._pasts[0] + 1

    @property
    def segment_frames(self) -> int | None:
        """Long enough that the window before a segment is a small part of the work."""
        return None if self.config.global_questions else self._segment

    @property
    def _segment(self) -> int:
        return max(SEGMENT, 2 * max(self._pasts))

    def init_state(self, batch_size: int) -> LongformerState:
        """Makes an empty past and tokens that have read one another only."""
        return self._state_after(batch_size, 0)

    def _state_after(self, batch_size: int, frames: int) -> LongformerState:
        config, weight = self.config, self.last_norm.weight
        stored = frames if config.global_questions else 0
        past = weight.new_zeros(batch_size, config.heads, sum(self._pasts), self._width)
        everything = weight.new_zeros(batch_size, config.layers, config.heads, stored, self._width)
        tokens = init_tokens(list(self.layers), self.tokens, batch_size)
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
            q, k, v = layer.project_frames(x)
            token_part = tokens.attend(layer, q)
            far = layer.project_global(x, 2) if layer.qkv_global is not None else ()
            if layer is not self.layers[-1]:
                tokens.update(layer, *far)
            q, k = rotate(q, angles), rotate(k, angles)
            in_past = torch.arange(-past, 0, device=x.device) >= -state.position[:, None]
            valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
            all_k, all_v = torch.cat([old_k, k], dim=2), torch.cat([old_v, v], dim=2)
            x = layer.block.finish(x, dilated_attention(q, all_k, all_v, valid, reach, 0, dilation, token_part))
            kept.append((advance(old_k, k, mask, dim=2), advance(old_v, v, mask, dim=2)))
            everything.append(far)
        keys, values = (torch.cat(parts, dim=2) for parts in zip(*kept))
        all_keys, all_values = self._store(state, everything, mask)
        position = state.position + mask.sum(dim=1)
        return self.last_norm(x), LongformerState(keys, values, *tokens.state(), all_keys, all_values, position)

    def _store(self, state: LongformerState, new: list[tuple[Tensor, ...]], mask: Tensor) -> tuple[Tensor, ...]:
        """Appends the keys and values of new frames to those that global questions read."""
        old = (state.all_keys, state.all_values)
        if not self.config.global_questions:
            return tuple(part.clone() for part in old)
        stacked = (torch.stack(parts, dim=1) for parts in zip(*new))
        return tuple(append_frames(part, state.position, more, mask, dim=3) for part, more in zip(old, stacked))

    def attend_queries(self, queries: Tensor, state: LongformerState) -> Tensor:
        """Answers queries, as global questions if the option is set; see `TemporalHead.attend_queries`."""
        if not self.config.global_questions:
            return super().attend_queries(queries, state)
        x, tokens = queries, self.tokens.expand(queries.shape[0], 1, -1, -1)
        frames = torch.arange(state.all_keys.shape[3], device=x.device) < state.position[:, None]
        valid = F.pad(frames, (0, self.config.num_global), value=True)
        for index, layer in enumerate(self.layers):
            token_k, token_v = (part[:, 0] for part in layer.project_global(tokens, 2))
            past_k = torch.cat([state.all_keys[:, index].to(token_k.dtype), token_k], dim=2)
            past_v = torch.cat([state.all_values[:, index].to(token_v.dtype), token_v], dim=2)
            if layer is not self.layers[-1]:
                so_far = PartialAttention(state.token_read[:, None, index], state.token_logsumexp[:, None, index])
                tokens = layer.update_tokens(tokens, self.tokens, so_far)
            q, k, v = layer.project_global(x)
            x = layer.block.finish(x, attend_independent_queries(q, k, v, [(past_k, past_v)], valid))
        return self.last_norm(x)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        return self.last_norm(run_layers(self.layer_noncausal, len(self.layers), self.tokens, x, mask))

    def layer_noncausal(
        self, index: int, x: Tensor, tokens: Tensor, mask: Tensor, last: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Runs a layer on frames (B, T, D) and tokens (B, G, D); the last layer leaves its tokens as they are."""
        layer, parts = self.layers[index], list(x.split(segment_length(self._segment), dim=1))
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None])
        read = self.attend_noncausal(layer, tokens, parts, angles, mask, self.dilations[index])
        new_x = torch.cat([layer.block.finish(*both) for both in zip(parts, read)], dim=1)
        if not last:
            tokens = layer.block.finish(tokens, layer.read_frames_noncausal(tokens, parts, mask))
        return new_x, tokens

    def attend_noncausal(
        self, layer: TokenLayer, tokens: Tensor, parts: list[Tensor], angles: Tensor, mask: Tensor, dilation: int
    ) -> Iterator[Tensor]:
        """Attends from parts of equal length (B, T, D) to their window and to tokens (B, G, D), part by part."""
        reach, side, size = self.config.window - 1, (self.config.window - 1) * dilation, parts[0].shape[1]
        near, token_kv = F.pad(mask, (side, side)), layer.project_frames(tokens, 2)
        rotated = (
            _rotated_frames(layer.project_frames(part), turn) for part, turn in zip(parts, angles.split(size, dim=2))
        )
        for index, ((q, plain_q), (k, v)) in enumerate(with_surroundings(rotated, side)):
            valid = near[:, index * size : index * size + k.shape[2]]
            token_part = partial_attention(plain_q, *token_kv)
            yield dilated_attention(q, k, v, valid, reach, reach, dilation, token_part)

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]


def _rotated_frames(qkv: tuple[Tensor, ...], angles: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Returns queries, rotated and not, then rotated keys and values."""
    q, k, v = qkv
    return (rotate(q, angles), q), (rotate(k, angles), v)
