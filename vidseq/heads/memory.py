"""The head with a bank of memory units."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import Layer, LayerState
from vidseq.heads.stacked import StackedHead
from vidseq.ops.places import PlacedQueries
from vidseq.ops.slots import SlotFrames, SlotQueries, slot_scan


@dataclass(frozen=True, kw_only=True)
class MemoryConfig(HeadConfig):
    """Options of the memory head."""

    slots: int = option(16, at_least=1)
    """Memory units S of a layer: how many things it keeps apart."""
    readers: int = option(4, at_least=1)
    """Read heads R; dim must be a multiple of their number. Each reads its own dim / R numbers of every unit."""
    layers: int = option(1, at_least=1)
    """Banks on top of one another: a bank can look up what the bank below has read."""
    write_bias: float = -1.0
    """Initial bias of the write gate: the lower, the fewer frames an untrained head writes, the longer it keeps."""


NEGLIGIBLE = 0.1
"""A unit that gets less than this share of an even split of a write is not written."""


class MemoryState(NamedTuple):
    """The contents of the slots."""

    memory: Tensor
    """(B, layers, readers, slots, dim / readers)."""


class MemoryLayer(Layer):
    """One bank of memory units."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        dim, width = config.dim, config.dim // config.readers
        self.readers, self.slots = config.readers, config.slots
        self.write_key = nn.Linear(dim, width)
        self.slot_write_keys = nn.Parameter(torch.randn(config.slots, width))
        self.slot_read_keys = nn.Parameter(torch.randn(config.readers, config.slots, width))
        self.gates = nn.Linear(dim, 2)
        self.value = nn.Linear(dim, dim)
        self.query = nn.Linear(dim, dim)
        self.show = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim, bias=False)
        with torch.no_grad():
            self.gates.bias.copy_(torch.tensor([config.write_bias, 0.0]))  # erase: half of what is written over

    def init_state(self, batch_size: int) -> LayerState:
        """Makes empty slots."""
        shape = (batch_size, self.readers, self.slots, self.slot_write_keys.shape[1])
        return (self.slot_write_keys.new_zeros(shape),)

    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `Layer`."""
        y, new_state, _ = self._scan(x, state, mask, None)
        return y, new_state

    def read_with_queries(
        self, x: Tensor, state: LayerState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, LayerState, Tensor]:
        """Reads new frames and answers queries; see `Layer`."""
        y, new_state, read = self._scan(x, state, mask, queries)
        return y, new_state, self._show(queries.vectors, read)

    def _scan(
        self, x: Tensor, state: LayerState, mask: Tensor, queries: PlacedQueries | None
    ) -> tuple[Tensor, LayerState, Tensor]:
        """Returns y, the new state, and what queries read, (N, R, d)."""
        frames, asked = self._slot_frames(x, mask), None
        if queries is not None:
            alone = torch.ones(len(queries.vectors), 1, dtype=torch.bool, device=x.device)
            query, value, write, keep = self._slot_frames(queries.vectors[:, None], alone)
            asked = SlotQueries(SlotFrames(query[:, :, 0], value[:, :, 0], write[:, 0], keep[:, 0]), queries.places)
        exact = frames.write.dtype
        with torch.autocast(x.device.type, enabled=False):  # hours of small erasures do not fit 8 bits
            read, memory, answers = slot_scan(frames, self.slot_read_keys.to(exact), state[0].to(exact), asked)
        return self._show(x, read.transpose(1, 2)), (memory.to(state[0].dtype),), answers

    def _slot_frames(self, x: Tensor, mask: Tensor) -> SlotFrames:
        query, value = (
            part.unflatten(-1, (self.readers, -1)).transpose(1, 2) for part in (self.query(x), self.value(x))
        )
        write, keep = self.write(x, mask)
        return SlotFrames(query.to(write.dtype), value.to(write.dtype), write, keep)

    def _show(self, x: Tensor, read: Tensor) -> Tensor:
        """What x (..., D) shows of what it read, (..., R, d)."""
        return self.out(read.to(x.dtype).flatten(-2) * F.silu(self.show(x)))

    def write(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Computes how strongly each frame of x (B, T, D) is written to each slot, and the share that a slot keeps.

        Both are (B, T, S).
        """
        logits = self.write_key(x) @ self.slot_write_keys.T * self.slot_write_keys.shape[1] ** -0.5
        gate, erase = hard_sigmoid(self.gates(x)).masked_fill(~mask[..., None], 0).split(1, dim=-1)
        exact = torch.promote_types(x.dtype, torch.float32)
        address = logits.softmax(dim=-1, dtype=exact)
        write = gate.to(exact) * address.masked_fill(address < NEGLIGIBLE / self.slots, 0)
        return write, (1 - write * erase).clamp(min=0)


class Memory(StackedHead):
    """A bank of memory units: each frame may write to a unit, and a unit keeps its content until it is overwritten.

        a_t = softmax_s(key(x_t) . k[s]), 0 where negligible        which unit does the frame belong to?
        g_t, e_t = gates(x_t), each from exactly 0 to exactly 1     write the frame? erase the old content?
        M_t[s] = (1 - g_t e_t a_t[s]) M_(t-1)[s] + g_t a_t[s] value(x_t)
        p_t = softmax_s(query(x_t) . (k'[s] + M_t[s]))              for every reader, by key and by content
        y_t = out(sum_s p_t[s] M_t[s] * silu(show(x_t)))

        frame ──g──► unit 1 ████ Frank ████████████████████████████──┐
              ·      unit 2 ░░░░░░░░░░████ red ████░░░████ blue ███──┼─► readers ──► y
              ·      unit 3 ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░──┘

    Gates and addresses that are exactly 0 write nothing. So a fact outlasts any number of frames that are irrelevant
    or belong to other units.

    Source: Graves et al., arXiv:1410.5401, section 3: content addressing, erase and add; slots with keys as in Henaff
    et al., arXiv:1612.03969. Here: a frame finds its unit by the units' keys, not by their contents, and gates depend
    on the frame only. The memory is then a linear recurrence, which `slot_scan` solves in chunks, not frame by frame.
    Erasing uses a scalar and not a vector; there is no addressing by location; readers split a unit's numbers between
    them. Layers are residual behind a LayerNorm. Not causal: a second bank per layer reads backwards.
    """

    name = "memory"
    exportable = True
    Config = MemoryConfig
    State = MemoryState
    segment_frames = 2048

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__(config)
        if config.dim % config.readers:
            raise UserError(
                f"memory head expects dim in multiples of its {config.readers} readers, got {config.dim}. "
                f"Change dim or readers."
            )
        self.stack = self.make_stack(lambda: MemoryLayer(config), config.layers)


def hard_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid that reaches exactly 0 and 1, at -2.4 and 2.4; its gradient ignores the clipping.

    Source: stretched as in Louizos et al., arXiv:1712.01312, section 3.1; straight-through gradient: Bengio et al.,
    arXiv:1308.3432.
    """
    soft = 1.2 * x.sigmoid() - 0.1
    return soft + (soft.clamp(0, 1) - soft).detach()
