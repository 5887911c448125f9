"""The RETRO head: chunks of a video are read together with the most similar chunks of the past."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.base import HeadConfig, TemporalHead, option
from vidseq.heads.blocks import advance
from vidseq.heads.transformer_block import TransformerBlock
from vidseq.ops.banded import banded_attention
from vidseq.ops.nearest import find_nearest
from vidseq.ops.rotary import rotary_angles, rotate


@dataclass(frozen=True, kw_only=True)
class RetroConfig(HeadConfig):
    """Options of the retro head."""

    chunk: int = option(16, at_least=1)
    """Frames m of a chunk."""
    neighbours: int = option(2, at_least=1)
    """Chunks k that are retrieved with each chunk."""
    window: int = option(128, at_least=1)
    """Frames that every layer sees by itself, the current one included."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another, each with chunked cross-attention."""
    encoder_layers: int = option(1, at_least=1)
    """Transformer blocks that read a neighbour."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""


class RetroState(NamedTuple):
    """The window of every layer, the video so far, and what was retrieved with its last whole chunk."""

    keys: Tensor
    """(B, layers, heads, window - 1, width), rotated to their positions, oldest first."""
    values: Tensor
    """Like `keys`."""
    frames: Tensor
    """(B, S, D), S the frames of the row that has most; a row's own come first."""
    neighbours: Tensor
    """Encoded, (B, k, 2 m, D)."""
    found: Tensor
    """bool (B, k): which of them there are."""
    position: Tensor
    """int64 (B,): frames so far, and so where the next one stands."""


class CrossAttention(nn.Module):
    """Attention of the frames that follow a chunk on all frames of its neighbours together."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, neighbours: Tensor, found: Tensor) -> Tensor:
        """What x (N, m, D) reads in neighbours (N, k, 2 m, D) where found, bool (N, k); zero without any."""
        chunk, length, width = x.shape[1], neighbours.shape[2], x.shape[2] // self.heads
        position = torch.arange(length, device=x.device)
        angles = rotary_angles(position, width)
        q = self.query(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.key_value(neighbours).unflatten(-1, (2, self.heads, -1)).permute(3, 0, 4, 1, 2, 5)
        # The first frame to attend is the last of its chunk, so it stands where its neighbour's last frame does.
        q = rotate(q, angles[chunk - 1 : 2 * chunk - 1])
        k = rotate(k, angles).flatten(2, 3)
        seen = found.repeat_interleave(length, dim=1)[:, None, None]
        read = F.scaled_dot_product_attention(q, k, v.flatten(2, 3), attn_mask=seen)
        return self.dropout(self.out(read.transpose(1, 2).flatten(2)))


class Retro(TemporalHead):
    """A window transformer that retrieves, with each chunk of m frames, the k most similar chunks C_j of the past.

        RET(C_u) = [C_j, C_(j+1)] for the k chunks j <= u - 2 of least |mean(C_j) - mean(C_u)|
        E_u      = encoder(RET(C_u))                                        each one alone, in both directions
        x        = x + CCA(x, E)    the last frame of chunk u and all but the last of chunk u + 1 attend to E_u
        x        = block(x)         attention within the window, then a network

        chunks      ├── u = 0 ──┼── u = 1 ──┼── u = 2 ──┼── u = 3 ──┤        m = 4
        frames      ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■
        attend to   ·  ·  · ├── E_0 ──┼── E_1 ──┼── E_2 ──┼─ E_3            each retrieved when its chunk is whole

    So an output knows nothing that was shown after it. Keys take no gradient; what is retrieved does.

    Source: Borgeaud et al., arXiv:2112.04426, sections 2.3 to 2.5, algorithm 1. Here: the database is the video's own
    past, as it comes into the head, where the paper has 2 trillion words; a chunk's key is the mean of its frames, not
    BERT's. Attention sees a window, not the whole past. Every layer has CCA, before its block and not inside. The
    encoder does not look at the chunk that asks, so that it reads a neighbour once for all layers. Rotary positions.
    """

    name = "retro"
    Config = RetroConfig
    context_frames = None
    config: RetroConfig

    def __init__(self, config: RetroConfig) -> None:
        super().__init__(config)
        if config.dim % (2 * config.heads):
            raise UserError(
                f"retro head expects dim in multiples of {2 * config.heads} (two numbers a head), got {config.dim}. "
                f"Change dim or heads."
            )
        dim, heads, dropout = config.dim, config.heads, config.dropout
        blocks = (TransformerBlock(dim, heads, dropout) for _ in range(config.layers))
        encoder = (TransformerBlock(dim, heads, dropout) for _ in range(config.encoder_layers))
        crossings = (CrossAttention(dim, heads, dropout) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        self.encoder = cast("list[TransformerBlock]", nn.ModuleList(encoder))
        self.crossings = cast("list[CrossAttention]", nn.ModuleList(crossings))
        self.encoder_norm = nn.LayerNorm(dim)
        self.last_norm = nn.LayerNorm(dim)
        self._width = dim // heads

    def init_state(self, batch_size: int) -> RetroState:
        """An empty past."""
        return self._state_after(batch_size, 0)

    def _state_after(self, batch_size: int, frames: int) -> RetroState:
        config, weight = self.config, self.last_norm.weight
        window = (batch_size, config.layers, config.heads, config.window - 1, self._width)
        return RetroState(
            keys=weight.new_zeros(window),
            values=weight.new_zeros(window),
            frames=weight.new_zeros(batch_size, frames, config.dim),
            neighbours=weight.new_zeros(batch_size, config.neighbours, 2 * config.chunk, config.dim),
            found=torch.zeros(batch_size, config.neighbours, dtype=torch.bool, device=weight.device),
            position=torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device),
        )

    def scan(self, x: Tensor, state: RetroState, mask: Tensor) -> tuple[Tensor, RetroState]:
        """Reads new frames; see `TemporalHead.scan`."""
        chunk, past, num_frames = self.config.chunk, self.config.window - 1, x.shape[1]
        position = state.position + mask.sum(dim=1)
        frames = _append(state.frames, state.position, x)
        # New frames start this far behind the last one of the last whole chunk, from which on its neighbours are read.
        offset = state.position % chunk + 1
        num_new = (int(offset.max()) + num_frames - 1) // chunk if len(x) else 0
        neighbours, found = self._retrieve(frames, state.position // chunk, num_new)
        neighbours = torch.cat([state.neighbours[:, None], neighbours], dim=1)
        found = torch.cat([state.found[:, None], found], dim=1)

        angles = rotary_angles(state.position[:, None] + torch.arange(num_frames, device=x.device), self._width)[
            :, None
        ]
        in_past = torch.arange(past, device=x.device) >= past - state.position[:, None]
        valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        keys, values = [], []
        for index, (block, crossing) in enumerate(zip(self.blocks, self.crossings)):
            x = x + _chunked(crossing, x, offset, neighbours, found)
            q, k, v = block.project(x, angles)
            old_k, old_v = state.keys[:, index], state.values[:, index]
            read = banded_attention(q, torch.cat([old_k, k], dim=2), torch.cat([old_v, v], dim=2), valid, past)
            x = block.finish(x, read)
            keys.append(advance(old_k, k, mask, dim=2))
            values.append(advance(old_v, v, mask, dim=2))

        row, last = torch.arange(len(x), device=x.device), position // chunk - state.position // chunk
        length = int(position.max()) if len(x) else 0
        inside = torch.arange(length, device=x.device) < position[:, None]
        new_state = RetroState(
            keys=torch.stack(keys, dim=1),
            values=torch.stack(values, dim=1),
            frames=frames[:, :length].where(inside[..., None], 0),
            neighbours=neighbours[row, last],
            found=found[row, last],
            position=position,
        )
        return self.last_norm(x), new_state

    def _retrieve(self, frames: Tensor, num_chunks: Tensor, num_new: int) -> tuple[Tensor, Tensor]:
        """What is retrieved with the chunks that follow the first `num_chunks` (B,) of each row of frames (B, N, D).

        Encoded neighbours (B, new, k, 2 m, D), and which of them there are, bool (B, new, k).
        """
        batch, _, dim = frames.shape
        chunk, count = self.config.chunk, self.config.neighbours
        whole = frames.shape[1] // chunk
        if not num_new or not whole or not batch:
            return frames.new_zeros(batch, num_new, count, 2 * chunk, dim), frames.new_zeros(
                batch, num_new, count, dtype=torch.bool
            )
        chunks = frames[:, : whole * chunk].unflatten(1, (whole, chunk))
        found = find_similar(chunks.detach(), num_chunks, num_new, count)  # (B, new, k)
        row = torch.arange(batch, device=frames.device)[:, None, None, None]
        pair = torch.stack([found, found + 1], dim=-1).clamp(0, whole - 1)
        return self._encode(chunks[row, pair].flatten(3, 4)), found >= 0

    def _encode(self, neighbours: Tensor) -> Tensor:
        """Neighbours as they come into the head (..., 2 m, D) to what frames attend to, of the same shape."""
        x = neighbours.flatten(0, -3)
        angles = rotary_angles(torch.arange(x.shape[1], device=x.device), self._width)
        for block in self.encoder:
            x = block.finish(x, F.scaled_dot_product_attention(*block.project(x, angles)))
        return self.encoder_norm(x).view_as(neighbours)


@torch.no_grad()
def find_similar(chunks: Tensor, num_chunks: Tensor, num_new: int, count: int) -> Tensor:
    """The chunks before the one before each new chunk that are most similar to it.

    Args:
        chunks: frames of all chunks, (B, C, m, D).
        num_chunks: int64 (B,), the first new chunk of each row.
        num_new: how many of them there are.
        count: how many to find.

    Returns:
        numbers of chunks, int64 (B, new, count), -1 for none.
    """
    key = chunks.mean(dim=2, dtype=torch.promote_types(chunks.dtype, torch.float32))
    number = (num_chunks[:, None] + torch.arange(num_new, device=chunks.device)).clamp(max=chunks.shape[1] - 1)
    query = key.gather(1, number[..., None].expand(-1, -1, key.shape[-1]))
    # |q - k|^2 is least where q.k - |k|^2 / 2 is largest, a product of longer vectors.
    query = F.pad(query, (0, 1), value=1.0)
    key = torch.cat([key, key.square().sum(-1, keepdim=True) / -2], dim=-1)
    first, lag = torch.zeros_like(num_chunks), num_chunks - 1
    return find_nearest(query[:, None], key[:, None], first, lag, reach=chunks.shape[1], count=count)[:, 0]


def _chunked(crossing: CrossAttention, x: Tensor, offset: Tensor, neighbours: Tensor, found: Tensor) -> Tensor:
    """CCA(x, E): each stretch of m frames reads its own of the retrievals, neighbours (B, n, k, 2 m, D).

    The first frame of x (B, T, D) stands at `offset` (B,) in the first stretch.
    """
    num_frames, dim = x.shape[1:]
    num_chunks, chunk = neighbours.shape[1], neighbours.shape[3] // 2
    at = torch.arange(num_chunks * chunk, device=x.device) - offset[:, None]
    laid = x.gather(1, at.clamp(0, num_frames - 1)[..., None].expand(-1, -1, dim))
    read = crossing(laid.reshape(-1, chunk, dim), neighbours.flatten(0, 1), found.flatten(0, 1))
    back = offset[:, None] + torch.arange(num_frames, device=x.device)
    return read.view_as(laid).gather(1, back[..., None].expand(-1, -1, dim))


def _append(past: Tensor, length: Tensor, new: Tensor) -> Tensor:
    """Puts new frames (B, T, D) behind the first `length` (B,) of past (B, S, D): (B, S + T, D)."""
    both = torch.cat([past, new], dim=1)
    at = torch.arange(both.shape[1], device=past.device).expand(both.shape[:2])
    gap = past.shape[1] - length[:, None]
    if not bool(gap.any()):
        return both
    index = torch.where(at < length[:, None], at, (at + gap).clamp(max=both.shape[1] - 1))
    return both.gather(1, index[..., None].expand_as(both))
