"""The memory network head: every frame is stored, and read in several hops."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, option
from vidseq.heads.layers.blocks import advance
from vidseq.ops.banded import banded_attention
from vidseq.ops.growing import append_frames
from vidseq.ops.rotary import rotary_angles, rotate

BLOCK = 256
"""Frames that read a memory without capacity at once, so that T x T is never made."""


@dataclass(frozen=True, kw_only=True)
class MemoryNetworkConfig(HeadConfig):
    """Options of the memory_network head."""

    hops: int = option(3, at_least=1)
    """Times a frame reads the memory before it answers: what a hop has read, the next can look up."""
    layer_wise: bool = False
    """True: all hops have the same weights, as a recurrence. False: a hop's values are the next one's keys."""
    capacity: int = option(0, at_least=0)
    """Frames in memory, the latest ones, the current one included; 0: all."""
    waves: int = option(16, at_least=0)
    """Waves over the age of a memory, from which keys and values tell when it was stored; 0: they cannot tell."""


class MemoryNetworkState(NamedTuple):
    """The frames in memory, and how many there have been."""

    stored: Tensor
    """Without capacity (B, N, dim + 2 waves), N that of the longest row, a shorter one is zero behind its end; with
    capacity (B, capacity - 1, dim + 2 waves), oldest first, zero before the first frame."""
    position: Tensor
    """int64 (B,): frames so far, and so where the next one stands."""


class MemoryNetwork(TemporalHead):
    """Stores every frame with a key and a value, and lets each frame ask what is stored, again with what it found.

        m_i = A^k z_i,  c_i = C^k z_i                  key and value of a frame i <= t;  z_i = (x_i, waves of its age)
        p_i = softmax_i(u_k . m_i / sqrt(d))           which memories matter?
        o_k = sum_i p_i c_i                            what do they say?
        u_(k+1) = u_k + o_k                            ask again, knowing that;  first u_1 = B x_t
        y_t = x_t + W u_(K+1)

        memory  ■ ■ ■ ■ ■ ■ ■ x_t          adjacent: A^(k+1) = C^k, B = A^1;  layer-wise: A, C the same for all hops,
        hop 1       ▲                      and u_(k+1) = H u_k + o_k
        hop 2     ▲       ▲
        hop 3   ▲                          T frames cost K T^2 / 2 scores; with a capacity N, K T N

    Source: Sukhbaatar et al., arXiv:1503.08895, sections 2.1 and 2.2, temporal encoding in 4.1; hops over a store of
    everything: Weston et al., arXiv:1410.3916. Here: keys and values are linear, so a frame is stored once, as it is,
    and u_k meets it as (A^kT u_k) . z_i. The paper learns a vector for each age, and so a longest age: here it is a
    learned sum of sines and cosines of the age. Scores are divided by the root of z's width; frames come in through
    a LayerNorm, and y_t goes out through one.
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
        """All hops read the same memory."""
        return self.config.capacity or None

    def init_state(self, batch_size: int) -> MemoryNetworkState:
        """An empty memory."""
        return self._state_after(batch_size, 0)

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
        u = self._first_question(normed)
        for hop in range(self.config.hops):
            first, second = (0, 1) if self.config.layer_wise else (hop, hop + 1)
            asked = self._turn(u @ self.embeddings[first].weight, angles)
            read = self._turn(self._read(asked, stored, in_past), -angles)
            u = (u if self.carry is None else self.carry(u)) + self.embeddings[second](read)
        y = self.last_norm(x + self.dropout(self.out(u)))
        if self.config.capacity:
            kept = advance(state.stored, new, mask).clone()
        else:
            kept = append_frames(state.stored, state.position, new, mask)
        return y, MemoryNetworkState(kept, state.position + mask.sum(dim=1))

    def _first_question(self, x: Tensor) -> Tensor:
        """B x_t; adjacent weights share B with the keys of the first hop."""
        return F.linear(x, self.embeddings[0].weight[:, : self.dim]) if self.ask_with is None else self.ask_with(x)

    def _turn(self, z: Tensor, angles: Tensor) -> Tensor:
        """Turns the waves of z (B, T, dim + 2 waves): those of an age become those of a position, or back."""
        content, waves = z.split([self.dim, 2 * self.config.waves], dim=-1)
        return torch.cat([content, rotate(waves, angles)], dim=-1)

    def _in_past(self, state: MemoryNetworkState) -> Tensor:
        """Bool (B, N): which places of the state hold a frame."""
        size = state.stored.shape[1]
        slot = torch.arange(size, device=state.stored.device)
        if self.config.capacity:
            return slot >= size - state.position[:, None]
        return slot < state.position[:, None]

    def _read(self, asked: Tensor, stored: Tensor, in_past: Tensor) -> Tensor:
        """Softmax attention of frames (B, T, width) on what is stored up to each, (B, N + T, width)."""
        past, num_frames = in_past.shape[1], asked.shape[1]
        stored = stored.to(asked.dtype)[:, None]
        valid = F.pad(in_past, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        if self.config.capacity:
            return banded_attention(asked[:, None], stored, stored, valid, past)[:, 0]
        reads = []
        for start, block in zip(range(0, num_frames, BLOCK), asked[:, None].split(BLOCK, dim=2)):
            end = past + start + block.shape[2]
            now = torch.arange(end - block.shape[2], end, device=asked.device)[:, None]
            seen = valid[:, None, None, :end] & (torch.arange(end, device=asked.device) <= now)
            some = stored[:, :, :end]
            reads.append(F.scaled_dot_product_attention(block, some, some, attn_mask=seen))
        return torch.cat(reads, dim=2)[:, 0]
