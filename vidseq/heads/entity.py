"""The recurrent entity network head."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import LayerState, PlacedLayer
from vidseq.heads.stacked import StackedHead
from vidseq.ops.entities import entity_scan
from vidseq.ops.places import Places, join_parts

SEGMENT = 256
"""Frames of a segment, which bounds the workspace of a long video."""


@dataclass(frozen=True, kw_only=True)
class EntityConfig(HeadConfig):
    """Options of the entity head."""

    slots: int = option(8, at_least=1)
    """Memories S of a layer: how many things it can follow."""
    layers: int = option(1, at_least=1)
    """Layers on top of one another: a layer can look up what the layer below has read."""
    write_bias: float = -1.0
    """Initial bias of the gates: the lower, the less a frame changes the memories of an untrained head."""


class EntityState(NamedTuple):
    """The contents of the memories."""

    memory: Tensor
    """(B, layers, slots, dim), each of length 1."""


class EntityLayer(PlacedLayer):
    """One set of memories; the names are those of the equations below."""

    def __init__(self, config: EntityConfig) -> None:
        super().__init__()
        dim = config.dim
        self.keys = nn.Parameter(torch.randn(config.slots, dim) * dim**-0.5)
        self.gate_bias = nn.Parameter(torch.full((config.slots,), config.write_bias))
        self.u, self.v, self.w, self.h, self.r, self.q = (nn.Linear(dim, dim, bias=False) for _ in range(6))
        self.slope = nn.Parameter(torch.ones(1))
        self.phi = nn.PReLU(init=1.0)
        nn.init.normal_(self.w.weight, std=1 / dim)  # new content has about length 1, like a memory

    def init_state(self, batch_size: int) -> LayerState:
        """Makes memories that hold their keys and nothing else."""
        return (F.normalize(self.keys, dim=-1).expand(batch_size, -1, -1),)

    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `Layer`."""
        return self.read_at(x, state, mask, Places.ends(mask))

    def read_at(self, x: Tensor, state: LayerState, mask: Tensor, places: Places) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `PlacedLayer`."""
        exact, memory = torch.promote_types(x.dtype, torch.float32), state[0]
        query, read, at_places, indices = self.q(x), [], [], []
        segments = zip(range(0, x.shape[1], SEGMENT), *(part.split(SEGMENT, dim=1) for part in (x, query)))
        with torch.autocast(x.device.type, enabled=False):  # many small changes need more than half precision
            memory = memory.to(exact)
            for start, some_x, some_q in segments:
                frames = self.update(some_x.to(exact), memory)
                address = torch.einsum("btd,tbsd->bts", some_q.to(exact), frames).softmax(-1)
                read.append(torch.einsum("bts,tbsd->btd", address, frames))
                inside, index = places.within(start, start + some_x.shape[1])
                at_places.append(inside.newest(frames.transpose(0, 1), memory))
                indices.append(index)
                memory = frames[-1]
        y = self.r(self.phi(query + self.h(torch.cat(read, dim=1).to(x.dtype))))
        return y, (join_parts(at_places, indices).to(state[0].dtype),)

    def update(self, x: Tensor, memory: Tensor) -> Tensor:
        """Returns the memories (T, B, S, D) after each frame of x (B, T, D)."""
        weights = (self.keys, self.gate_bias, self.u.weight, self.v.weight, self.w.weight, self.slope)
        keys, bias, u, v, w, slope = (weight.to(x.dtype) for weight in weights)
        x = x.transpose(0, 1)
        return entity_scan(x, x @ keys.T + bias, x @ w.T, keys @ v.T, u, slope, memory)


class Entity(StackedHead):
    """Memories that follow one thing each: a frame updates the memories whose keys and contents match it.

        g_j = sigmoid(s_t . h_j + s_t . w_j + b_j)      is this frame about j?
        c_j = phi(U h_j + V w_j + W s_t)                what does the frame add to j?
        h_j <- h_j + g_j c_j
        h_j <- h_j / |h_j|                              new content makes old content fade
        p_j = softmax_j(q_t . h_j)                      which memory answers?
        y_t = R phi(q_t + H sum_j p_j h_j)

        frame s_t ─┬─► (w_1, h_1) ── Frank: at the door ──┐
                   ├─► (w_2, h_2) ── chair: red ──────────┼─► p ──► y_t
                   └─► (w_3, h_3) ── ...                  │
        question q_t ─────────────────────────────────────┘

    Gates depend on contents, so this is a loop over frames; `entity_scan` makes it cheap. Time and memory are linear
    in T.

    Source: Henaff et al., arXiv:1612.03969, sections 2.2 and 2.3 (output module). Here: s_t is the frame after a
    LayerNorm, q_t = Q s_t; gates have a bias b; phi is a PReLU with one slope; h_j starts at w_j, of length 1. Layers
    are residual behind a LayerNorm. Not causal: a second set of memories per layer reads backwards.
    """

    name = "entity"
    Config = EntityConfig
    State = EntityState

    def __init__(self, config: EntityConfig) -> None:
        super().__init__(config)
        self.stack = self.make_stack(lambda: EntityLayer(config), config.layers)
