"""The memory network head: it stores every frame and reads the store in several hops."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import advance
from vidseq.ops.banded import banded_attention
from vidseq.ops.growing import append_frames
from vidseq.ops.rotary import rotary_angles, rotate

BLOCK = 256
"""Frames that read a memory without capacity at a time, so that T x T scores never exist."""


@dataclass(frozen=True, kw_only=True)
class MemoryNetworkConfig(HeadConfig):
    """Options of the memory_network head."""

    hops: int = option(3, at_least=1)
    """Times that a frame reads the memory: each hop can look up what the hop before has read."""
    layer_wise: bool = False
    """True: all hops share their weights, as a recurrence. False: a hop's values are the next hop's keys."""
    capacity: int = option(0, at_least=0)
    """Frames in memory, the latest ones, the current one included; 0: all."""
    waves: int = option(16, at_least=0)
    """Waves over the age of a memory, by which keys and values encode when it was stored; 0: they do not encode it."""


class MemoryNetworkState(NamedTuple):
    """The frames in memory, and the number of frames."""

    stored: Tensor
    """Without capacity (B, N, dim + 2 waves): N is that of the longest row, and a shorter one is zero behind its end.
    With capacity (B, capacity - 1, dim + 2 waves): oldest first, zero before the first frame."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class MemoryNetwork(TemporalHead):
    """Stores every frame with a key and a value; each frame queries the store several times, with what it found.

        m_i = A^k z_i,  c_i = C^k z_i                  key and value of a frame i <= t;  z_i = (x_i, waves of its age)
        p_i = softmax_i(u_k . m_i / sqrt(d))           which memories matter?
        o_k = sum_i p_i c_i                            their content
        u_(k+1) = u_k + o_k                            the next query;  the first is u_1 = B x_t
        y_t = x_t + W u_(K+1)

        memory  ■ ■ ■ ■ ■ ■ ■ x_t          adjacent: A^(k+1) = C^k, B = A^1;  layer-wise: A, C the same for all hops,
        hop 1       ▲                      and u_(k+1) = H u_k + o_k
        hop 2     ▲       ▲
        hop 3   ▲                          T frames cost K T^2 / 2 scores; with a capacity N, K T N

    Source: Sukhbaatar et al., arXiv:1503.08895, sections 2.1 and 2.2, temporal encoding in 4.1; hops over a store of
    everything: Weston et al., arXiv:1410.3916. Here: keys and values are linear, so a frame is stored once, as it is,
    and u_k is compared with it as (A^kT u_k) . z_i. The paper learns a vector for each age, and so a longest age; here
    it is a learned sum of sines and cosines of the age. Scores are divided by the root of z's width; frames enter
    through a LayerNorm, and y_t leaves through one.
    """

    name = "memory_network"
    Config = MemoryNetworkConfig
    config: MemoryNetworkConfig

    def __init__(self, config: MemoryNetworkConfig) -> None:
        super().__init__(config)
        dim, width = config.dim, config.dim + 2 * config.waves
        count = 2 if config.layer_wise else config.hops + 1
        embeddings = (nn.Linear(width, dim, bias=False) for _ in range(count))
        self.embeddings = cast("list[nn.Linear]", nn.ModuleList(embeddings))
        self.ask_with = nn.Linear(dim, dim, bias=False) if config.layer_wise else None
        self.carry = nn.Linear(dim, dim, bias=False) if config.layer_wise else None
        self.out = nn.Linear(dim, dim, bias=False)
        self.norm, self.last_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)

    @property
    def context_frames(self) -> int | None:
        """The capacity: all hops read the same memory."""
        return self.config.capacity or None

    def init_state(self, batch_size: int) -> MemoryNetworkState:
        """Makes an empty memory."""
        return self._state_after(batch_size, 0)

    def fixed_state(self, frames: int) -> MemoryNetworkState:
        """Makes a store of so many frames that holds none; see `TemporalHead.fixed_state`."""
        state = self._state_after(1, frames)
        return state._replace(position=torch.zeros_like(state.position))

    def _state_after(self, batch_size: int, frames: int) -> MemoryNetworkState:
        config, weight = self.config, self.out.weight
        size = config.capacity - 1 if config.capacity else frames
        position = torch.full((batch_size,), frames, dtype=torch.int64, device=weight.device)
        return MemoryNetworkState(weight.new_zeros(batch_size, size, config.dim + 2 * config.waves), position)

    def scan(self, x: Tensor, state: MemoryNetworkState, mask: Tensor) -> tuple[Tensor, MemoryNetworkState]:
        """Reads new frames; see `TemporalHead.scan`."""
        positions = state.position[:, None] + torch.arange(x.shape[1], device=x.device)
        angles = rotary_angles(positions, 2 * self.config.waves)
        normed = self.norm(x)
        new = torch.cat([normed, angles.cos().to(normed.dtype), angles.sin().to(normed.dtype)], dim=-1)
        new = new.to(state.stored.dtype)
        stored, in_past = torch.cat([state.stored, new], dim=1), self._in_past(state)
        u = self._first_query(normed)
        for hop in range(self.config.hops):
            first, second = (0, 1) if self.config.layer_wise else (hop, hop + 1)
            queries = self._rotate_waves(u @ self.embeddings[first].weight, angles)
            read = self._rotate_waves(self._read(queries, stored, in_past), -angles)
            u = (u if self.carry is None else self.carry(u)) + self.embeddings[second](read)
        y = self.last_norm(x + self.dropout(self.out(u)))
        if self.config.capacity:
            kept = advance(state.stored, new, mask).clone()
        else:
            kept = append_frames(state.stored, state.position, new, mask)
        return y, MemoryNetworkState(kept, state.position + mask.sum(dim=1))

    def _first_query(self, x: Tensor) -> Tensor:
        """Returns B x_t; adjacent weights share B with the keys of the first hop."""
        return F.linear(x, self.embeddings[0].weight[:, : self.dim]) if self.ask_with is None else self.ask_with(x)

    def _rotate_waves(self, z: Tensor, angles: Tensor) -> Tensor:
        """Rotates the waves of z (B, T, dim + 2 waves) from those of an age to those of a position, or back."""
        content, waves = z.split([self.dim, 2 * self.config.waves], dim=-1)
        return torch.cat([content, rotate(waves, angles)], dim=-1)

    def _in_past(self, state: MemoryNetworkState) -> Tensor:
        """Returns which slots of the state hold a frame, bool (B, N)."""
        size = state.stored.shape[1]
        slot = torch.arange(size, device=state.stored.device)
        if self.config.capacity:
            return slot >= size - state.position[:, None]
        return slot < state.position[:, None]

    def _read(self, queries: Tensor, stored: Tensor, in_past: Tensor) -> Tensor:
        """Attends from queries (B, T, width) to the frames stored up to each of them, (B, N + T, width)."""
        past, num_frames = in_past.shape[1], queries.shape[1]
        stored = stored.to(queries.dtype)[:, None]
        valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        if self.config.capacity:
            return banded_attention(queries[:, None], stored, stored, valid, past)[:, 0]
        reads = []
        for start, block in zip(range(0, num_frames, BLOCK), queries[:, None].split(BLOCK, dim=2)):
            end = past + start + block.shape[2]
            now = torch.arange(end - block.shape[2], end, device=queries.device)[:, None]
            seen = valid[:, None, None, :end] & (torch.arange(end, device=queries.device) <= now)
            visible = stored[:, :, :end]
            reads.append(F.scaled_dot_product_attention(block, visible, visible, attn_mask=seen))
        return torch.cat(reads, dim=2)[:, 0]
