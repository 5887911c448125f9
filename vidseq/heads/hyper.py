"""The HyperLSTM head."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import FramewiseLayer, LayerState
from vidseq.heads.stacked import StackedHead
from vidseq.ops.hyper_recurrence import hyper_recurrence


@dataclass(frozen=True, kw_only=True)
class HyperConfig(HeadConfig):
    """Options of the hyper head."""

    layers: int = option(1, at_least=1)
    """Recurrences on top of one another."""
    units: int = option(32, at_least=1)
    """Width S of the small LSTM that makes the weights of the large one."""
    embedding: int = option(4, at_least=1)
    """Width of each z, from which the scales of a gate's weight rows are made."""
    forget_bias: float = 1.0
    """Initial bias of both forget gates: the larger, the longer an untrained cell keeps its content."""


class HyperState(NamedTuple):
    """The newest hidden values and cells of the large and the small LSTM."""

    hidden: Tensor
    """(B, layers, D)."""
    cell: Tensor
    """(B, layers, D)."""
    small_hidden: Tensor
    """(B, layers, S)."""
    small_cell: Tensor
    """(B, layers, S)."""


class HyperLayer(FramewiseLayer):
    """One layer of the equations below; gates are in the order o, i, f, g, and scales in the order h, x, b."""

    def __init__(self, config: HyperConfig) -> None:
        super().__init__()
        dim, units, width = config.dim, config.units, config.embedding
        self.inputs = nn.Linear(dim, 4 * dim, bias=False)
        self.carry = nn.Linear(dim, 4 * dim, bias=False)
        self.small_inputs = nn.Linear(dim, 4 * units)
        self.small_carry = nn.Linear(dim + units, 4 * units, bias=False)
        self.embed = nn.Linear(units, 12 * width)
        self.scale = nn.Parameter(torch.full((12, dim, width), 1 / width))
        self.bias = nn.Parameter(torch.zeros(4 * dim))
        with torch.no_grad():  # an untrained layer is an LSTM whose weights are scaled by about 1
            nn.init.normal_(self.embed.weight, std=0.1)
            self.embed.bias.copy_(torch.tensor([1.0, 1.0, 0.0]).repeat_interleave(4 * width))
            self.bias[2 * dim : 3 * dim] = config.forget_bias
            self.small_inputs.bias[2 * units : 3 * units] = config.forget_bias

    def init_state(self, batch_size: int) -> LayerState:
        """Makes zeros."""
        widths = (self.carry.in_features, self.embed.in_features)
        return tuple(self.bias.new_zeros(batch_size, width) for width in widths for _ in range(2))

    def read_frames(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `FramewiseLayer`."""
        hidden, cell, small_hidden, small_cell = state
        inputs, small_inputs = self.inputs(x).to(hidden.dtype), self.small_inputs(x).to(hidden.dtype)
        before = torch.cat([hidden, small_hidden], dim=-1)
        with torch.autocast(x.device.type, enabled=False):  # rounding errors would accumulate from frame to frame
            scale, scale_bias = self.scales()
            weights = (self.carry.weight, self.small_carry.weight, scale, scale_bias)
            both, cells, small_cells = hyper_recurrence(inputs, small_inputs, before, cell, small_cell, *weights)
        y, small = both.split([hidden.shape[-1], small_hidden.shape[-1]], dim=-1)
        return y, (y, cells, small, small_cells)

    def scales(self) -> tuple[Tensor, Tensor]:
        """Returns the map from s over z to d, which is linear, as one matrix (12 D, S) and bias (12 D)."""
        weight, bias = (part.unflatten(0, (12, -1)) for part in (self.embed.weight, self.embed.bias))
        scale, scale_bias = (self.scale @ weight).flatten(0, 1), (self.scale @ bias[..., None]).flatten()
        return scale, torch.cat([scale_bias[: -len(self.bias)], scale_bias[-len(self.bias) :] + self.bias])


class Hyper(StackedHead):
    """An LSTM whose weights are rescaled at every frame by a smaller LSTM that reads the frame.

        s_t      = small LSTM([h_(t-1), x_t])                  x ──► small LSTM ──► s ──► d
        z_h      = E_h s_t + e_h,  likewise z_x, z_b                    ▲                 │ scales weights
        d_h      = S_h z_h,        likewise d_x, d_b             x ──► LSTM ◄─────────────┘
        i,f,g,o  = d_h * (W_h h_(t-1)) + d_x * (W_x x_t) + d_b          └──► h
        c_t      = sigmoid(f) * c_(t-1) + sigmoid(i) * tanh(g)
        h_t      = sigmoid(o) * tanh(c_t)

    Every gate has its own z and d. Scaling row r of W_h by d_h[r] is the same as scaling number r of W_h h.

    Source: Ha et al., arXiv:1609.09106, section 3.2 and appendix A.2.2. Here: z is made of s_t, so that a frame
    already scales the weights that read it. Scales start near 1, because the LayerNorm is before the recurrence and
    not inside it: layers are residual behind a LayerNorm. Not causal: a second recurrence per layer reads backwards.
    """

    name = "hyper"
    Config = HyperConfig
    State = HyperState

    def __init__(self, config: HyperConfig) -> None:
        super().__init__(config)
        self.stack = self.make_stack(lambda: HyperLayer(config), config.layers)
