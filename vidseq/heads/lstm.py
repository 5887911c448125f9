"""The long short-term memory head."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import LayerState, LiveLayer, run_recurrent
from vidseq.heads.stacked import StackedHead
from vidseq.ops.exported import all_valid
from vidseq.ops.linear_scan import linear_scan
from vidseq.ops.live import CachedLayout


@dataclass(frozen=True, kw_only=True)
class LSTMConfig(HeadConfig):
    """Options of the lstm head."""

    layers: int = option(1, at_least=1)
    """Recurrences on top of one another."""
    forget_bias: float = 1.0
    """Initial bias of the forget gate: the larger, the longer an untrained cell keeps its content."""


class LSTMState(NamedTuple):
    """The newest hidden values and cells."""

    hidden: Tensor
    """(B, layers, D)."""
    cell: Tensor
    """(B, layers, D)."""


class LSTMLayer(LiveLayer):
    """One layer of the equations below, by torch's kernel; for one live frame, by one product for all gates."""

    def __init__(self, dim: int, forget_bias: float) -> None:
        super().__init__()
        self.kernel = nn.LSTM(dim, dim, batch_first=True)
        with torch.no_grad():  # torch orders the gates i, f, g, o and adds two biases
            _, _, bias_ih, bias_hh = self.kernel.all_weights[0]
            bias_ih[dim : 2 * dim] = forget_bias
            bias_hh[dim : 2 * dim] = 0
        self._live = CachedLayout(_all_gates)

    def init_state(self, batch_size: int) -> LayerState:
        """Makes zeros."""
        self._live.invalidate()
        zeros = self.kernel.all_weights[0][0].new_zeros(batch_size, self.kernel.hidden_size)
        return zeros, zeros.clone()

    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `Layer`."""
        if x.shape[1] > 1:
            return run_recurrent(self.kernel, x, state, mask)
        new: LayerState = torch.lstm_cell(x[:, 0], state, *self.kernel.all_weights[0])
        y = new[0][:, None]
        if not all_valid(mask):
            new = tuple(torch.where(mask, after, before) for after, before in zip(new, state))
        return y, new

    def read_frames(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `FramewiseLayer`.

        Torch's kernel returns no cells but the last. All hidden values known, gates are one product and cells are
        linear in one another, which costs about as much as the kernel itself.
        """
        hidden, cell = state
        y, _ = self.kernel(x, tuple(part[None].contiguous() for part in state))
        gates, width = slice(0, 3 * cell.shape[1]), cell.shape[1]  # i, f and g
        x_weight, hidden_weight, bias, other_bias = (part[gates] for part in self.kernel.all_weights[0])
        with torch.autocast(x.device.type, enabled=False):  # rounding errors would accumulate from frame to frame
            before = torch.cat([hidden[:, None], y[:, :-1].to(hidden.dtype)], dim=1)
            inputs = F.linear(x.to(hidden.dtype), x_weight, bias + other_bias)
            i, f, g = (inputs + F.linear(before, hidden_weight)).split(width, dim=-1)
            cells = linear_scan(f.sigmoid(), i.sigmoid() * g.tanh(), cell)
        return y, (y, cells)

    def read_live(self, x: Tensor, state: LayerState) -> LayerState:
        """See `LiveLayer`."""
        hidden, cell = state
        weight, bias = self._live(*cast("list[Tensor]", self.kernel._flat_weights))
        gates, dim = torch.addmm(bias, torch.cat([x, hidden], dim=1), weight), cell.shape[1]
        gates.narrow(1, 0, 3 * dim).sigmoid_()
        i, f, o, g = gates.chunk(4, dim=1)
        cell = (f * cell).addcmul_(i, g.tanh_())
        return cell.tanh().mul_(o), cell


def _all_gates(x_weight: Tensor, hidden_weight: Tensor, bias: Tensor, other_bias: Tensor) -> tuple[Tensor, Tensor]:
    """Lays out torch's weights of gates i, f, g, o as one matrix (2 D, 4 D) of gates i, f, o, g; sums the biases."""
    order = [0, 1, 3, 2]
    weight = torch.cat([x_weight, hidden_weight], dim=1).unflatten(0, (4, -1))[order].flatten(0, 1)
    return weight.T.contiguous(), (bias + other_bias).unflatten(0, (4, -1))[order].flatten()


class LSTM(StackedHead):
    """A recurrent network whose gates keep or change its cell, so that gradients reach further back.

        i, f, o = sigmoid(W_ifo x_t + U_ifo h_(t-1) + b_ifo)       write, keep, output?
        g       = tanh(W_g x_t + U_g h_(t-1) + b_g)                what to write
        c_t     = f * c_(t-1) + i * g                              c ──×f──(+)──×f──(+)──►
        h_t     = o * tanh(c_t)                                            i*g      i*g

    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997; forget gate: Gers et al., Learning to forget,
    2000; forget bias of 1: Jozefowicz et al., 2015. Here: layers are residual behind a LayerNorm. Not causal: a
    second recurrence per layer reads backwards (Graves and Schmidhuber, 2005).
    """

    name = "lstm"
    exportable = True
    Config = LSTMConfig
    State = LSTMState

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__(config)
        self.stack = self.make_stack(lambda: LSTMLayer(config.dim, config.forget_bias), config.layers)
