"""The attention head whose oldest memories are compressed."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.transformer import TransformerBlock
from vidseq.ops.block_causal import (
    BlockSummaries,
    append_to_block,
    block_causal_attention,
    keep_open_block,
    slice_frames,
)
from vidseq.ops.rotary import rotary_angles, rotate


@dataclass(frozen=True, kw_only=True)
class CompressiveConfig(HeadConfig):
    """Options of the compressive head."""

    block: int = option(64, at_least=1)
    """Frames of a block; the memory is updated after each. A multiple of rate."""
    memory: int = option(64, at_least=1)
    """Frames before the block that are kept uncompressed; a multiple of block."""
    compressed: int = option(128, at_least=1)
    """Rows of compressed memory before those; rate times this must be a multiple of block."""
    rate: int = option(4, at_least=1)
    """Frames per row of compressed memory."""
    learned: bool = True
    """True: compress by a convolution that starts as a mean; False: by the mean."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class CompressiveState(NamedTuple):
    """Both memories and the current block in every layer."""

    keys: Tensor
    """(B, layers, heads, memory + block - 1, width), rotated: the memory, the block's frames so far, then zeros."""
    values: Tensor
    """Like `keys`."""
    frames: Tensor
    """Inputs of the compression: the block's frames so far, then zeros, (B, layers, block - 1, D)."""
    compressed_keys: Tensor
    """(B, layers, heads, compressed + memory / rate, width), rotated, oldest first. The latest rows stand for frames
    that are still in memory, and are not visible yet."""
    compressed_values: Tensor
    """Like `compressed_keys`."""
    position: Tensor
    """int64 (B,): frames so far."""


class Compressive(TemporalHead):
    """A transformer that keeps its latest memories as they are, compresses older ones, and drops the oldest.

        cm_g = sum_i W_i h_(g c + i)                       c frames become one row, i = 0 .. c - 1
        y_t  = softmax(q_t . [cm, m, h_<=t] W_K / sqrt(d)) [cm, m, h_<=t] W_V

        dropped ◄──── cm cm cm cm ◄── m m m m m m m m │ ■ . . .       cm: compressed memory, C rows, c frames per row
                                                      │ ■ ■ . .       m: memory, M frames
                      C c frames       M frames       │ ■ ■ ■ .       the current block, up to the frame itself

    Source: Rae et al., arXiv:1911.05507, section 3, algorithm 1; 1D convolution and mean pooling: section 3.1. Here: a
    block is the paper's segment. It begins where the stream's counter says, so that chunks do not matter and streams
    are exact. Rotary positions, a compressed row in the middle of its frames, instead of relative ones. Compression is
    learned end to end: no reconstruction loss, because heads cannot add one, and gradients pass from the output to the
    compression, where the paper stops them; a caller who detaches the state stops them between scans. Cost: T (C + M +
    block) d.
    """

    name = "compressive"
    Config = CompressiveConfig
    segment_frames = 2048
    config: CompressiveConfig

    def __init__(self, config: CompressiveConfig) -> None:
        super().__init__(config)
        for what, value, of, unit in (
            ("dim", config.dim, "twice its heads,", 2 * config.heads),
            ("block", config.block, "rate,", config.rate),
            ("memory", config.memory, "block,", config.block),
            ("rate times compressed", config.rate * config.compressed, "block,", config.block),
        ):
            if value % unit:
                raise UserError(
                    f"compressive head expects {what} in multiples of {of} {unit}, got {value}. Change one of them."
                )
        self._width = config.dim // config.heads
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        if config.learned:
            mean = torch.eye(config.dim).repeat(1, config.rate) / config.rate
            self.compressions = nn.Parameter(mean.repeat(config.layers, 1, 1))  # (layers, D, rate * D)
        self.last_norm = nn.LayerNorm(config.dim)

    @property
    def context_frames(self) -> int:
        """Each layer adds both memories; counted for the last frame of a block, which sees most."""
        config = self.config
        return config.block + config.layers * (config.memory + config.rate * config.compressed)

    def init_state(self, batch_size: int) -> CompressiveState:
        """Makes empty memories."""
        config, weight = self.config, self.last_norm.weight
        kept, rows = config.memory + config.block - 1, config.compressed + config.memory // config.rate
        keys, values, compressed_keys, compressed_values = (
            weight.new_zeros(batch_size, config.layers, config.heads, size, self._width)
            for size in (kept, kept, rows, rows)
        )
        frames = weight.new_zeros(batch_size, config.layers, config.block - 1, config.dim)
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return CompressiveState(keys, values, frames, compressed_keys, compressed_values, position)

    def scan(self, x: Tensor, state: CompressiveState, mask: Tensor) -> tuple[Tensor, CompressiveState]:
        """Reads new frames; see `TemporalHead.scan`. `begin` is the position at which the current block began."""
        config, memory, size = self.config, self.config.memory, self.config.block
        rows_per_block, rows = size // config.rate, state.compressed_keys.shape[3]
        count = state.position % size
        begin, total = (state.position - count)[:, None], count + mask.sum(dim=1)
        angles = self._angles(state.position[:, None] + torch.arange(x.shape[1], device=x.device))
        new_parts = []
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, angles)
            keys, values = (
                append_to_block(old[:, index].to(new.dtype), new, memory + count, dim=2)
                for old, new in ((state.keys, k), (state.values, v))
            )
            normed = block.attention_norm(x)
            frames = append_to_block(state.frames[:, index].to(normed.dtype), normed, count, dim=1)
            row_keys, row_values = (
                torch.cat([old[:, index].to(new.dtype), new], dim=2)
                for old, new in zip(
                    (state.compressed_keys, state.compressed_values), self._compress(index, frames, begin)
                )
            )
            in_memory = torch.arange(keys.shape[2], device=x.device) >= memory - begin
            known = torch.arange(row_keys.shape[2], device=x.device) >= rows - begin // config.rate
            pasts = [
                BlockSummaries(row_keys, row_values, known, config.compressed, rows_per_block),
                BlockSummaries(keys, values, in_memory, memory, size),
            ]
            read = block_causal_attention(q, keys[:, :, memory:], values[:, :, memory:], count, size, pasts)
            x = block.finish(x, read)
            kept = [keep_open_block(part, total, size, dim=2, before=memory) for part in (keys, values)]
            done = total // size * rows_per_block
            compressed = [slice_frames(part, done, rows, dim=2) for part in (row_keys, row_values)]
            new_parts.append((*kept, keep_open_block(frames, total, size, dim=1), *compressed))
        k, v, f, row_k, row_v = (
            torch.stack(parts, dim=1).to(old.dtype) for parts, old in zip(zip(*new_parts), state[:5])
        )
        return self.last_norm(x), CompressiveState(k, v, f, row_k, row_v, state.position + mask.sum(dim=1))

    def _compress(self, index: int, frames: Tensor, begin: Tensor) -> tuple[Tensor, Tensor]:
        """Makes the keys, rotated, and values of the compressed rows of every complete block of frames (B, L, D)."""
        rate, block = self.config.rate, self.blocks[index]
        groups = frames[:, : frames.shape[1] // self.config.block * self.config.block].unflatten(1, (-1, rate))
        rows = F.linear(groups.flatten(2), self.compressions[index]) if self.config.learned else groups.mean(dim=2)
        kv = F.linear(rows, block.qkv.weight[self.dim :])
        # Plain torch: einops would make a live frame 2% slower.
        k, v = kv.unflatten(-1, (2, block.heads, -1)).permute(2, 0, 3, 1, 4)
        middle = begin + rate * torch.arange(rows.shape[1], device=rows.device) + (rate - 1) / 2
        return rotate(k, self._angles(middle)), v

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
