"""The selective state space head."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import LayerState, PlacedLayer
from vidseq.heads.stacked import StackedHead
from vidseq.ops.places import Places
from vidseq.ops.selective_scan import selective_scan


@dataclass(frozen=True, kw_only=True)
class SSMConfig(HeadConfig):
    """Options of the ssm head."""

    layers: int = option(2, at_least=1)
    """State spaces on top of one another."""
    states: int = option(8, at_least=1)
    """Numbers N of state per channel; time and memory of a stream grow with it."""
    expand: int = option(1, at_least=1)
    """Inner channels E, in multiples of dim."""
    kernel_size: int = option(4, at_least=1)
    """Frames that the convolution before the state space reads."""


MIN_STEP, MAX_STEP = 1e-3, 1e-1
"""Step widths of an untrained head; its channels then remember some 10 to 1,000 frames."""


class SSMState(NamedTuple):
    """The contents of the state spaces, and the latest inputs of the convolutions."""

    hidden: Tensor
    """(B, layers, states, E)."""
    past: Tensor
    """(B, layers, kernel_size - 1, E), oldest first."""


class SSMLayer(PlacedLayer):
    """One layer of the equations below."""

    def __init__(self, config: SSMConfig) -> None:
        super().__init__()
        inner, rank = config.expand * config.dim, math.ceil(config.dim / 16)
        self.sizes = [rank, config.states, config.states]
        self.into = nn.Linear(config.dim, 2 * inner, bias=False)
        self.taps = nn.Parameter(torch.empty(config.kernel_size, inner).uniform_(-1, 1) * config.kernel_size**-0.5)
        self.taps_bias = nn.Parameter(torch.zeros(inner))
        self.select = nn.Linear(inner, sum(self.sizes), bias=False)
        self.step = nn.Linear(rank, inner)
        self.log_a = nn.Parameter(torch.arange(1.0, config.states + 1).log()[:, None].repeat(1, inner))
        self.skip = nn.Parameter(torch.ones(inner))
        self.out = nn.Linear(inner, config.dim, bias=False)
        with torch.no_grad():
            low, high = math.log(MIN_STEP), math.log(MAX_STEP)
            width = torch.empty(inner).uniform_(low, high).exp()
            self.step.bias.copy_(width + (-(-width).expm1()).log())  # the inverse of softplus

    def init_state(self, batch_size: int) -> LayerState:
        """Makes zeros."""
        past = self.taps.new_zeros(batch_size, len(self.taps) - 1, self.taps.shape[1])
        return self.log_a.new_zeros(batch_size, *self.log_a.shape), past

    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `Layer`."""
        return self.read_at(x, state, mask, Places.ends(mask))

    def read_at(self, x: Tensor, state: LayerState, mask: Tensor, places: Places) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `PlacedLayer`."""
        hidden, past = state
        inner, gate = self.into(x).to(past.dtype).chunk(2, dim=-1)
        new_past = places.latest(past, inner)
        inner = F.silu(self.convolve(torch.cat([past, inner], dim=1)))
        step, b, c = self.select(inner).split(self.sizes, dim=-1)
        delta = F.softplus(self.step(step)).masked_fill(~mask[..., None], 0)
        exact = torch.promote_types(hidden.dtype, torch.float32)  # sums over hours need more than half precision
        with torch.autocast(x.device.type, enabled=False):
            delta, b, c, before = (part.to(exact) for part in (delta, b, c, hidden))
            a = -self.log_a.to(exact).exp()
            y, new_hidden = selective_scan(delta, inner.to(exact), a, b, c, before, places)
        shown = (y.to(inner.dtype) + self.skip * inner) * F.silu(gate)
        return self.out(shown), (new_hidden.to(hidden.dtype), new_past)

    def convolve(self, x: Tensor) -> Tensor:
        """Convolves each channel on its own, x (B, kernel_size - 1 + T, E) to (B, T, E)."""
        num_frames = x.shape[1] - len(self.taps) + 1
        y: Tensor = self.taps_bias
        for index, tap in enumerate(self.taps):
            y = torch.addcmul(y, x.narrow(1, index, num_frames), tap)
        return y


class SSM(StackedHead):
    """A selective state space: N numbers per channel decay at their own rates, and each frame chooses what it writes.

        x, g  = W_in x_t;   x = silu(conv(x))                 the latest 4 frames of each channel
        d     = softplus(W_d x + b_d)                         step width: 0 skips the frame, large clears the past
        b, c  = W_b x, W_c x                                  where to write, where to read
        h_t   = exp(d A) * h_(t-1) + d b x                    h ──×exp(dA)──(+)──×exp(dA)──(+)──►
        y_t   = W_out ((c . h_t + D * x) * silu(g))                        d b x          d b x

    Source: Gu and Dao, arXiv:2312.00752, algorithm 2 and section 3.4; diagonal A = -1, ..., -N: Gu et al.,
    arXiv:2206.11893 (S4D-Real). Here: b is scaled by d instead of integrated over the step, as in the paper's code;
    by default E = D and N = 8, not 2 D and 16; `selective_scan` computes h segment by segment. Layers are residual
    behind a LayerNorm. Not causal: a second state space per layer reads backwards.
    """

    name = "ssm"
    exportable = True
    Config = SSMConfig
    State = SSMState

    def __init__(self, config: SSMConfig) -> None:
        super().__init__(config)
        self.stack = self.make_stack(lambda: SSMLayer(config), config.layers)
