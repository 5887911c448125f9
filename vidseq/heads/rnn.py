"""The plain recurrent neural network head."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import FramewiseLayer, LayerState
from vidseq.heads.stacked import StackedHead
from vidseq.ops.plain_recurrence import plain_recurrence


@dataclass(frozen=True, kw_only=True)
class RNNConfig(HeadConfig):
    """Options of the rnn head."""

    layers: int = option(1, at_least=1)
    """Recurrences on top of one another."""


class RNNState(NamedTuple):
    """The newest hidden values."""

    hidden: Tensor
    """(B, layers, D)."""


class RNNLayer(FramewiseLayer):
    """One layer of the equations below, by torch's kernel where no gradients are wanted."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.kernel = nn.RNN(dim, dim, batch_first=True)
        nn.init.orthogonal_(self.kernel.all_weights[0][1])  # W: keeps the norm of h
        self.show = nn.Linear(dim, dim, bias=False)

    def init_state(self, batch_size: int) -> LayerState:
        """Makes zeros."""
        return (self.show.weight.new_zeros(batch_size, self.kernel.hidden_size),)

    def read_frames(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `FramewiseLayer`."""
        (hidden,), (u, w, b, c) = state, self.kernel.all_weights[0]
        if not torch.is_grad_enabled():
            hidden_values, _ = self.kernel(x, hidden[None].contiguous())
            return self.show(hidden_values), (hidden_values,)
        inputs = F.linear(x, u, b + c)
        with torch.autocast(x.device.type, enabled=False):  # rounding errors would accumulate from frame to frame
            hidden_values = plain_recurrence(inputs.to(hidden.dtype), hidden, w)
        return self.show(hidden_values), (hidden_values,)


class RNN(StackedHead):
    """The plain recurrence: every frame rewrites the whole memory.

        h_t = tanh(W h_(t-1) + U x_t + b)          h ──W──(+)──tanh──┬──W──(+)──tanh──┬──►
        y_t = V h_t                                      U x_1       V y_1  U x_2     V y_2

    Source: Elman, Finding structure in time, 1990. Here: W starts orthogonal; torch keeps b as the sum of two
    biases; layers are residual behind a LayerNorm. Not causal: a second recurrence per layer reads backwards.
    """

    name = "rnn"
    Config = RNNConfig
    State = RNNState

    def __init__(self, config: RNNConfig) -> None:
        super().__init__(config)
        self.stack = self.make_stack(lambda: RNNLayer(config.dim), config.layers)
