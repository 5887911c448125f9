"""The Longformer head: a sliding window and global tokens."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, option
from vidseq.heads.blocks import advance
from vidseq.heads.transformer_block import TransformerBlock, check_heads
from vidseq.ops.dense import read_by_queries
from vidseq.ops.dilated import dilated_attention
from vidseq.ops.growing import append_frames
from vidseq.ops.merge import NOTHING, Part, attend_part, merge_parts, running_parts
from vidseq.ops.periods import Periods
from vidseq.ops.rotary import rotary_angles, rotate


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


class LongformerState(NamedTuple):
    """The latest frames as every layer keeps them, what the global tokens have read, and as frames now see them."""

    keys: Tensor
    """(B, heads, all layers' frames, width): layer after layer, each oldest first, rotated to their positions."""
    values: Tensor
    """Like `keys`."""
    read: Tensor
    """(B, layers - 1, heads, G, width), at least float32: read from all frames."""
    mass: Tensor
    """(B, layers - 1, heads, G), at least float32: log of the sum of exponentials behind `read`."""
    token_keys: Tensor
    """(B, layers - 1, heads, G, width): the tokens of layers 2, 3, ... at the start of this period."""
    token_values: Tensor
    """Like `token_keys`."""
    all_keys: Tensor
    """(B, layers, heads, N, width): every frame as a global question sees it; N = 0 without global questions."""
    all_values: Tensor
    """Like `all_keys`."""
    position: Tensor
    """int64 (B,): frames so far, and so where the next one stands."""


class LongformerLayer(nn.Module):
    """A transformer block, and the projections of what reads or is read globally."""

    def __init__(self, config: LongformerConfig, reads: bool) -> None:
        super().__init__()
        self.block = TransformerBlock(config.dim, config.heads, config.dropout)
        self.qkv_global = nn.Linear(config.dim, 3 * config.dim, bias=False) if reads else None

    def local(self, x: Tensor, parts: int = 3) -> tuple[Tensor, ...]:
        """The last `parts` of queries, keys, values of x (..., T, D), not rotated, each (..., heads, T, width)."""
        return self._project(self.block.qkv, x, parts)

    def reach(self, x: Tensor, parts: int = 3) -> tuple[Tensor, ...]:
        """Like `local`, with the global projections."""
        return self._project(cast(nn.Linear, self.qkv_global), x, parts)

    def _project(self, weights: nn.Linear, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        projected = F.linear(self.block.attention_norm(x), weights.weight[-parts * x.shape[-1] :])
        return projected.unflatten(-1, (parts, self.block.heads, -1)).movedim(-3, 0).transpose(-2, -3).unbind(0)

    def read_frames(self, start: Tensor, keys: Tensor, values: Tensor, valid: Tensor) -> Part:
        """What tokens that start as (G, D) read from the frames of each period, (B, heads, periods, frames, width)."""
        q = self.reach(start)[0][:, None]
        part = attend_part(q, keys, values, valid[:, None, :, None])
        return Part(part.read.to(part.mass.dtype), part.mass)

    def update(self, tokens: Tensor, start: Tensor, frames: Part | None) -> Tensor:
        """Tokens (B, C, G, D) after reading one another and, if any, frames (B, C, heads, G, width)."""
        k, v = self.reach(tokens, 2)
        q = self.reach(start)[0].expand_as(k)
        part = attend_part(q, k, v)
        read = (
            part.read if frames is None else merge_parts(Part(part.read.to(part.mass.dtype), part.mass), frames).read
        )
        read = read.to(tokens.dtype)
        return self.block.finish(tokens.flatten(0, 1), read.flatten(0, 1)).view_as(tokens)


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

    Causal: frames see the tokens as of the start of their period of W frames; what came since is in the window. A
    token asks the same at all times, as its learned vector in each layer's own projection, so its softmax over all
    frames so far is a running sum and the state stays constant. What it has read goes through the layers as a frame
    does, and what frames of layer l see of it is what it read in the layers below, as in the paper.

    Source: Beltagy et al., arXiv:2004.05150, section 3.1. Here: tokens are learned vectors of their own and have no
    position; frames have rotary ones, which scores between the two leave out; pre-norm; all heads of a layer share its
    dilation. Not causal: the paper's form, W - 1 frames to either side. Tokens of the last layer read nothing, for
    nobody reads them.
    """

    name = "longformer"
    Config = LongformerConfig
    supports_noncausal = True
    config: LongformerConfig

    def __init__(self, config: LongformerConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        reads = [layer < config.layers - 1 or config.global_questions for layer in range(config.layers)]
        self.layers = cast("list[LongformerLayer]", nn.ModuleList(LongformerLayer(config, each) for each in reads))
        self.tokens = nn.Parameter(torch.randn(config.num_global, config.dim))
        self.last_norm = nn.LayerNorm(config.dim)
        self.dilations = [config.dilation * config.growth**layer for layer in range(config.layers)]
        self._pasts = [(config.window - 1) * dilation for dilation in self.dilations]
        self._width = config.dim // config.heads

    @property
    def context_frames(self) -> int | None:
        """No limit, if there is a layer that reads tokens that have read."""
        return None if self.config.layers > 1 else self._pasts[0] + 1

    def init_state(self, batch_size: int) -> LongformerState:
        """An empty past; tokens that have read nothing but one another."""
        return self._state_after(batch_size, 0)

    def _state_after(self, batch_size: int, frames: int) -> LongformerState:
        config, weight = self.config, self.last_norm.weight
        stored = frames if config.global_questions else 0
        past = weight.new_zeros(batch_size, config.heads, sum(self._pasts), self._width)
        read = weight.new_zeros(batch_size, config.layers - 1, config.heads, config.num_global, self._width)
        read = read.to(torch.promote_types(weight.dtype, torch.float32))
        everything = weight.new_zeros(batch_size, config.layers, config.heads, stored, self._width)
        tokens, seen = self.tokens.expand(batch_size, 1, -1, -1), []
        for layer, above in zip(self.layers, list(self.layers)[1:]):
            tokens = layer.update(tokens, self.tokens, None)
            seen.append(tuple(part[:, 0].to(weight.dtype) for part in above.local(tokens, 2)))
        keys, values = (torch.stack(part, dim=1) for part in zip(*seen)) if seen else [read.to(weight.dtype)] * 2
        position = torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device)
        mass = torch.full_like(read[..., 0], NOTHING)
        stores = (everything, everything.clone())
        return LongformerState(past, past.clone(), read, mass, keys, values, *stores, position)

    def scan(self, x: Tensor, state: LongformerState, mask: Tensor) -> tuple[Tensor, LongformerState]:
        """Reads new frames; see `TemporalHead.scan`."""
        config, num_frames = self.config, x.shape[1]
        periods = Periods(state.position, mask, config.window)
        angles = self._angles(state.position[:, None] + torch.arange(num_frames, device=x.device))
        tokens = self.tokens.expand(x.shape[0], periods.borders, -1, -1)  # as of each border
        past = (state.keys.split(self._pasts, dim=2), state.values.split(self._pasts, dim=2))
        kept: dict[str, list[Tensor]] = {name: [] for name in LongformerState._fields}
        for index, layer in enumerate(self.layers):
            seen = self._seen_tokens(index, tokens, state)
            q, k, v = layer.local(x)
            part = attend_part(periods.cut(q), *(each.transpose(1, 2) for each in seen))
            beside = Part(periods.glue(part.read), periods.glue(part.mass[..., None])[..., 0])
            q, k = rotate(q, angles), rotate(k, angles)
            old_k, old_v = past[0][index], past[1][index]
            all_k, all_v = torch.cat([old_k, k], dim=2), torch.cat([old_v, v], dim=2)
            in_past = torch.arange(-self._pasts[index], 0, device=x.device) >= -state.position[:, None]
            valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
            read = dilated_attention(q, all_k, all_v, valid, config.window - 1, 0, self.dilations[index], beside)
            kept["keys"].append(advance(old_k, k, mask, dim=2))
            kept["values"].append(advance(old_v, v, mask, dim=2))
            if index:
                now = periods.next[:, None, None, None, None].expand(-1, 1, *seen[0].shape[2:])
                kept["token_keys"].append(seen[0].gather(1, now)[:, 0])
                kept["token_values"].append(seen[1].gather(1, now)[:, 0])
            if layer.qkv_global is not None:
                far_k, far_v = layer.reach(x, 2)
                kept["all_keys"].append(far_k)
                kept["all_values"].append(far_v)
            if index < config.layers - 1:
                new = layer.read_frames(self.tokens, periods.cut(far_k), periods.cut(far_v), periods.valid)
                sums = running_parts(Part(state.read[:, index], state.mass[:, index]), new)
                kept["read"].append(sums[-1].read)
                kept["mass"].append(sums[-1].mass)
                if periods.borders:
                    so_far = Part(*(torch.stack(each, dim=1) for each in zip(*sums[:-1])))
                    tokens = layer.update(tokens, self.tokens, so_far)
            x = layer.block.finish(x, read)
        return self.last_norm(x), self._next_state(kept, state, mask)

    def _seen_tokens(self, index: int, tokens: Tensor, state: LongformerState) -> tuple[Tensor, ...]:
        """Keys and values of tokens for frames of each period, (B, periods, heads, G, width)."""
        layer = self.layers[index]
        if index == 0:  # no token has read anything yet
            first = [part.expand(len(tokens), 1, -1, -1, -1) for part in layer.local(self.tokens, 2)]
        else:
            first = [part[:, None, index - 1] for part in (state.token_keys, state.token_values)]
        return tuple(torch.cat([old.to(new.dtype), new], 1) for old, new in zip(first, layer.local(tokens, 2)))

    def _next_state(self, kept: dict[str, list[Tensor]], state: LongformerState, mask: Tensor) -> LongformerState:
        new = {name: torch.cat(kept[name], dim=2) for name in ("keys", "values")}
        for name in ("read", "mass", "token_keys", "token_values"):
            new[name] = torch.stack(kept[name], dim=1) if kept[name] else getattr(state, name).clone()
        for name in ("all_keys", "all_values"):
            old = getattr(state, name)
            grows = self.config.global_questions
            new[name] = (
                append_frames(old, state.position, torch.stack(kept[name], 1), mask, 3) if grows else old.clone()
            )
        return LongformerState(**new, position=state.position + mask.sum(dim=1))

    def read(self, queries: Tensor, state: LongformerState) -> Tensor:
        """Reads with global questions, if they are; see `TemporalHead.read`."""
        if not self.config.global_questions:
            return super().read(queries, state)
        x, tokens = queries, self.tokens.expand(queries.shape[0], 1, -1, -1)
        frames = torch.arange(state.all_keys.shape[3], device=x.device) < state.position[:, None]
        valid = F.pad(frames, (0, self.config.num_global), value=True)
        for index, layer in enumerate(self.layers):
            token_k, token_v = (part[:, 0] for part in layer.reach(tokens, 2))
            past_k = torch.cat([state.all_keys[:, index], token_k], dim=2)
            past_v = torch.cat([state.all_values[:, index], token_v], dim=2)
            if index < len(self.layers) - 1:
                so_far = Part(state.read[:, None, index], state.mass[:, None, index])
                tokens = layer.update(tokens, self.tokens, so_far)
            q, k, v = layer.reach(x)
            x = layer.block.finish(x, read_by_queries(q, k, v, past_k, past_v, valid))
        return self.last_norm(x)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None])
        tokens = self.tokens.expand(x.shape[0], -1, -1)
        for layer, dilation in zip(self.layers, self.dilations):
            frames_read, tokens_read = self.attend_noncausal(layer, tokens, x, angles, mask, dilation)
            x = layer.block.finish(x, frames_read)
            if tokens_read is not None:
                tokens = layer.block.finish(tokens, tokens_read)
        return self.last_norm(x)

    def attend_noncausal(
        self, layer: LongformerLayer, tokens: Tensor, x: Tensor, angles: Tensor, mask: Tensor, dilation: int
    ) -> tuple[Tensor, Tensor | None]:
        """What frames x (B, T, D) and tokens (B, G, D) read, (B, heads, T or G, width)."""
        reach, side = self.config.window - 1, (self.config.window - 1) * dilation
        q, k, v = layer.local(x)
        beside = attend_part(q, *layer.local(tokens, 2))
        k, v = (F.pad(part, (0, 0, side, side)) for part in (rotate(k, angles), v))
        near = F.pad(mask, (side, side))
        read = dilated_attention(rotate(q, angles), k, v, near, reach, reach, dilation, beside)
        if layer.qkv_global is None:
            return read, None
        (q, token_k, token_v), (k, v) = layer.reach(tokens), layer.reach(x, 2)
        everything = F.pad(mask, (tokens.shape[1], 0), value=True)[:, None, None]
        k, v = torch.cat([token_k, k], dim=2), torch.cat([token_v, v], dim=2)
        return read, F.scaled_dot_product_attention(q, k, v, attn_mask=everything)

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
