"""The low-rank attention head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.base import TemporalHead, segment_length
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.block_causal import (
    BlockSummaries,
    append_to_block,
    block_causal_attention,
    keep_open_block,
    slice_frames,
)
from vidseq.ops.resample import resample
from vidseq.ops.rotary import rotary_angles, rotate


@dataclass(frozen=True, kw_only=True)
class LinformerConfig(HeadConfig):
    """Options of the linformer head."""

    rank: int = option(256, at_least=1)
    """Rows k that summarise a whole video; causal: that summarise the past that a layer sees."""
    block: int = option(64, at_least=1)
    """Causal: frames of a block, which are summarised together once the block is complete."""
    rows: int = option(4, at_least=1)
    """Causal: rows of a block's summary; rank must be a multiple."""
    places: int = option(1024, at_least=2)
    """Not causal: points in time of the learned projection, which is stretched to a video's length."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class LinformerState(NamedTuple):
    """The frames of the current block and the latest summaries in every layer."""

    keys: Tensor
    """(B, layers, heads, block - 1, width), not rotated; the block's frames first, then zeros."""
    values: Tensor
    """Like `keys`."""
    summary_keys: Tensor
    """(B, layers, heads, rank, width), not rotated, oldest first."""
    summary_values: Tensor
    """Like `summary_keys`."""
    position: Tensor
    """int64 (B,): frames so far."""


class Linformer(TemporalHead):
    """A transformer whose frames attend to k mixtures of frames instead of all frames.

        y_t = softmax(q_t (E x W_K)^T / sqrt(d)) F x W_V        E, F: (k, T), learned, for the length of the sequence

        Causal:  │ s s │         │ ■ . . . │           a complete block of 4 frames becomes rows s = E_b x, F_b x;
                 │ s s │ s s │   │ ■ ■ . . │           a frame sees the latest k rows, and its own block up to
                   k rows        current block         itself

    Source: Wang et al., arXiv:2006.04768, eq. 7; E and F differ, heads share them, layers do not. Here: x is projected
    before keys and values are made, which gives the same result and is cheaper. Not causal: E and F are learned for
    `places` points and stretched to a video's length by linear interpolation; sinusoids are added to x for its
    positions. Causal, which the paper does not have: a mixture of all frames would depend on the future, so E and F
    are those of a block. It streams exactly in constant memory, because only the newest `rank` rows of the past are
    kept. Frames and summaries are rotated to their positions; a summary stands at the middle of its block. Cost: T k
    d.
    """

    name = "linformer"
    Config = LinformerConfig
    supports_noncausal = True
    segment_frames = 1024
    config: LinformerConfig

    def __init__(self, config: LinformerConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        if config.causal and config.rank % config.rows:
            raise UserError(
                f"linformer head expects rank in multiples of its {config.rows} rows a block, got {config.rank}. "
                f"Change rank or rows."
            )
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        shape = (config.rows, config.block) if config.causal else (config.rank, config.places)
        self.projections = nn.Parameter(torch.randn(config.layers, 2, *shape) * shape[1] ** -0.5)  # of each layer E, F
        self.last_norm = nn.LayerNorm(config.dim)
        self._width = config.dim // config.heads

    @property
    def context_frames(self) -> int | None:
        """Each layer adds the blocks of its rank; counted for the last frame of a block, which sees most."""
        config = self.config
        return config.block * (config.layers * config.rank // config.rows + 1) if config.causal else None

    def init_state(self, batch_size: int) -> LinformerState:
        """Makes an empty past."""
        config, weight = self.config, self.last_norm.weight
        lead = (batch_size, config.layers, config.heads)
        kept, rows = (weight.new_zeros(*lead, size, self._width) for size in (config.block - 1, config.rank))
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return LinformerState(kept, kept.clone(), rows, rows.clone(), position)

    def scan(self, x: Tensor, state: LinformerState, mask: Tensor) -> tuple[Tensor, LinformerState]:
        """Reads new frames; see `TemporalHead.scan`. Positions count from the start of the current block."""
        config = self.config
        count, done = state.position % config.block, state.position // config.block
        total = count + mask.sum(dim=1)
        new_parts = []
        for index, block in enumerate(self.blocks):
            q, k, v = self._project(block, x)
            keys, values = (
                append_to_block(old[:, index], new, count, dim=2) for old, new in ((state.keys, k), (state.values, v))
            )
            past_keys, past_values = (
                torch.cat([old[:, index], self._summary(part, projection)], dim=2)
                for old, part, projection in zip(
                    (state.summary_keys, state.summary_values), (keys, values), self.projections[index]
                )
            )
            row = torch.arange(past_keys.shape[2], device=x.device)
            middle = (row - config.rank).div(config.rows, rounding_mode="floor") * config.block
            rotated = rotate(past_keys, rotary_angles(middle + (config.block - 1) / 2, self._width))
            valid = row >= config.rank - config.rows * done[:, None]
            read = block_causal_attention(
                rotate(q, self._angles(count[:, None] + torch.arange(x.shape[1], device=x.device))),
                rotate(keys, rotary_angles(torch.arange(keys.shape[2], device=x.device), self._width)),
                values,
                count,
                config.block,
                [BlockSummaries(rotated, past_values, valid, config.rank, config.rows)],
            )
            x = block.finish(x, read)
            rests = (keep_open_block(part, total, config.block, dim=2) for part in (keys, values))
            completed = total // config.block * config.rows
            pasts = (slice_frames(part, completed, config.rank, dim=2) for part in (past_keys, past_values))
            new_parts.append((*rests, *pasts))
        k, v, past_k, past_v = (torch.stack(parts, dim=1) for parts in zip(*new_parts))
        return self.last_norm(x), LinformerState(k, v, past_k, past_v, state.position + mask.sum(dim=1))

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        size = segment_length(self.segment_frames)
        parts = x.split(size, dim=1)
        angles = rotary_angles(torch.arange(min(size, x.shape[1]), device=x.device), self.dim).to(x.dtype)
        sinusoids = torch.cat([angles.sin(), angles.cos()], dim=-1)
        starts = rotary_angles(torch.arange(0, x.shape[1], size, device=x.device), self.dim)
        parts = [part + rotate(sinusoids[: part.shape[1]], -start) for part, start in zip(parts, starts)]
        for block, projections in zip(self.blocks, self.projections):
            normed = [block.attention_norm(part) for part in parts]
            weights = block.qkv.weight.split(self.config.dim)
            mixed = (
                projections @ resample(self._valid(torch.cat(normed, dim=1), mask), mask, self.config.places)[:, None]
            )
            k, v = (self._heads(F.linear(part, weight)) for part, weight in zip(mixed.unbind(1), weights[1:]))
            for index, part in enumerate(normed):
                read = F.scaled_dot_product_attention(self._heads(F.linear(part, weights[0])), k, v)
                parts[index] = block.finish(parts[index], read)
        return torch.cat([self.last_norm(part) for part in parts], dim=1)

    def _valid(self, x: Tensor, mask: Tensor) -> Tensor:
        return x if bool(mask.all()) else x.masked_fill(~mask[..., None], 0)

    def _project(self, block: TransformerBlock, x: Tensor) -> tuple[Tensor, ...]:
        """Projects to queries, keys and values without rotation, because summaries are made of unrotated keys."""
        qkv = block.qkv(block.attention_norm(x))
        return rearrange(qkv, "b t (three h d) -> three b h t d", three=3, h=block.heads).unbind()

    def _heads(self, x: Tensor) -> Tensor:
        return rearrange(x, "b t (h d) -> b h t d", h=self.config.heads)

    def _summary(self, frames: Tensor, projection: Tensor) -> Tensor:
        """Makes the summary rows of every complete block of frames (B, heads, L, width), in order."""
        size = self.config.block
        complete = frames[:, :, : frames.shape[2] // size * size].unflatten(2, (-1, size))
        return (projection @ complete).flatten(2, 3)

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
