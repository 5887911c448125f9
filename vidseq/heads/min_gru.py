"""The minimal gated recurrent unit head."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import FramewiseLayer, LayerState
from vidseq.heads.stacked import StackedHead
from vidseq.ops.exported import all_valid
from vidseq.ops.linear_scan import linear_scan


@dataclass(frozen=True, kw_only=True)
class MinGRUConfig(HeadConfig):
    """Options of the min_gru head."""

    layers: int = option(2, at_least=1)
    """Recurrences on top of one another; gates see the past through the layer below only."""
    write_bias: float = 0.0
    """Initial bias of the gate z: the lower, the longer an untrained layer keeps its content."""
    positive: bool = False
    """Whether to pass new values through the paper's g (appendix B.3), which its logarithms need."""


class MinGRUState(NamedTuple):
    """The newest hidden values."""

    hidden: Tensor
    """(B, layers, D)."""


class MinGRULayer(FramewiseLayer):
    """One layer of the equations below."""

    def __init__(self, config: MinGRUConfig) -> None:
        super().__init__()
        self.positive = config.positive
        self.gate = nn.Linear(config.dim, config.dim)
        self.value = nn.Linear(config.dim, config.dim)
        nn.init.constant_(self.gate.bias, config.write_bias)

    def init_state(self, batch_size: int) -> LayerState:
        """Makes zeros."""
        return (self.gate.weight.new_zeros(batch_size, self.gate.in_features),)

    def read_frames(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `FramewiseLayer`."""
        gate, value, (hidden,) = self.gate(x), self.value(x), state
        exact = torch.promote_types(hidden.dtype, torch.float32)  # sums over hours need more than half precision
        if not all_valid(mask):
            gate = gate.masked_fill(~mask[..., None], -torch.inf)  # then z is exactly 0, and h does not change
        with torch.autocast(x.device.type, enabled=False):
            gate, value = gate.to(exact), value.to(exact)
            if self.positive:
                value = torch.where(value >= 0, value + 0.5, value.sigmoid())
            y = linear_scan((-gate).sigmoid(), gate.sigmoid() * value, hidden.to(exact))
        return y.to(x.dtype), (y,)


class MinGRU(StackedHead):
    """A recurrent network whose gate sees the frame only, so that all frames are computed at once.

        z_t  = sigmoid(W_z x_t + b_z)                   overwrite how much?
        h~_t = W_h x_t + b_h                            the new value
        h_t  = (1 - z_t) * h_(t-1) + z_t * h~_t         h ──×(1-z)──(+)──×(1-z)──(+)──►
                                                                    z h~         z h~

    Source: Feng et al., arXiv:2410.01201, section 3.1 and appendix B. Here: `linear_scan` solves the recurrence by
    multiplying out, not in logarithms (appendix B.3), so values may have any sign and lose no digits. Layers are
    residual behind a LayerNorm, without the paper's convolutions and networks between them. Not causal: a second
    recurrence per layer reads backwards.
    """

    name = "min_gru"
    exportable = True
    Config = MinGRUConfig
    State = MinGRUState

    def __init__(self, config: MinGRUConfig) -> None:
        super().__init__(config)
        self.stack = self.make_stack(lambda: MinGRULayer(config), config.layers)
