"""The gated recurrent unit head."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import LayerState, LiveLayer
from vidseq.heads.stacked import StackedHead
from vidseq.ops.gated_recurrence import gated_recurrence
from vidseq.ops.live import CachedLayout


@dataclass(frozen=True, kw_only=True)
class GRUConfig(HeadConfig):
    """Options of the gru head."""

    layers: int = option(1, at_least=1)
    """Recurrences on top of one another."""


class GRUState(NamedTuple):
    """The newest hidden values."""

    hidden: Tensor
    """(B, layers, D)."""


class GRULayer(LiveLayer):
    """One layer of the equations below; weights are laid out as in nn.GRU: r, z, n."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(dim, 3 * dim)
        self.carry = nn.Linear(dim, 3 * dim)
        self._live = CachedLayout(_transposed)

    def init_state(self, batch_size: int) -> LayerState:
        """Makes zeros."""
        self._live.invalidate()
        return (self.carry.weight.new_zeros(batch_size, self.carry.in_features),)

    def read_frames(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `FramewiseLayer`."""
        (hidden,) = state
        if not torch.is_grad_enabled():
            with torch.autocast(x.device.type, enabled=False):
                y = self._read(x.to(hidden.dtype), hidden)
            return y, (y,)
        inputs = self.inputs(x)
        with torch.autocast(x.device.type, enabled=False):  # rounding errors would accumulate from frame to frame
            y = gated_recurrence(inputs.to(hidden.dtype), hidden, self.carry.weight, self.carry.bias)
        return y, (y,)

    def read_live(self, x: Tensor, state: LayerState) -> LayerState:
        """See `LiveLayer`."""
        (hidden,) = state
        x_weight, hidden_weight = self._live(self.inputs.weight, self.carry.weight)
        inputs, gates = torch.addmm(self.inputs.bias, x, x_weight), torch.addmm(self.carry.bias, hidden, hidden_weight)
        dim = hidden.shape[1]
        inputs_rz, new = inputs.split([2 * dim, dim], dim=1)
        gates_rz, carried = gates.split([2 * dim, dim], dim=1)
        r, z = gates_rz.add_(inputs_rz).sigmoid_().chunk(2, dim=1)
        return (torch.lerp(new.addcmul_(r, carried).tanh_(), hidden, z),)

    def _read(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Reads frames by torch's kernel, which is faster where no gradients are wanted."""
        weights = [self.inputs.weight, self.carry.weight, self.inputs.bias, self.carry.bias]
        return torch.gru(x, hidden[None].contiguous(), weights, True, 1, 0.0, False, False, True)[0]


def _transposed(*weights: Tensor) -> tuple[Tensor, ...]:
    return tuple(weight.T.contiguous() for weight in weights)


class GRU(StackedHead):
    """A recurrent network with one gate that keeps or overwrites, and one that resets the past in the new value.

        r_t = sigmoid(W_r x_t + b_r + U_r h_(t-1) + c_r)            use how much of the past?
        z_t = sigmoid(W_z x_t + b_z + U_z h_(t-1) + c_z)            keep how much?
        n_t = tanh(W_n x_t + b_n + r_t * (U_n h_(t-1) + c_n))       the new value
        h_t = (1 - z_t) * n_t + z_t * h_(t-1)                       h ──×z──(+)──×z──(+)──►
                                                                         (1-z)n   (1-z)n

    Source: Cho et al., arXiv:1406.1078, section 2.3. Here: as in nn.GRU, r is applied after the product with U_n, and
    every gate has two biases; layers are residual behind a LayerNorm. Not causal: a second recurrence per layer reads
    backwards.
    """

    name = "gru"
    exportable = True
    Config = GRUConfig
    State = GRUState

    def __init__(self, config: GRUConfig) -> None:
        super().__init__(config)
        self.stack = self.make_stack(lambda: GRULayer(config.dim), config.layers)
