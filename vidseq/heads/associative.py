"""The associative memory head: fast weights that the delta rule writes."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import LayerState, PlacedLayer
from vidseq.heads.stacked import StackedHead
from vidseq.ops.delta_rule import delta_rule
from vidseq.ops.places import Places


@dataclass(frozen=True, kw_only=True)
class AssociativeConfig(HeadConfig):
    """Options of the associative head."""

    heads: int = option(4, at_least=1)
    """Memories side by side in a layer; dim must be a multiple of their number."""
    layers: int = option(1, at_least=1)
    """Layers on top of one another: a layer can look up what the layer below has read."""
    expansion: int = option(0, at_least=0)
    """n: makes keys 2 n times as wide, so a memory keeps that many times more pairs apart; 0: keeps their width."""
    write_bias: float = 0.0
    """Initial bias of the write rate: the lower, the less a frame replaces in an untrained head."""


class AssociativeState(NamedTuple):
    """The fast weights."""

    memory: Tensor
    """(B, layers, heads, key width, dim / heads)."""


class AssociativeLayer(PlacedLayer):
    """One layer of fast weights."""

    def __init__(self, config: AssociativeConfig) -> None:
        super().__init__()
        self.heads, self.expansion = config.heads, config.expansion
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.rate = nn.Linear(config.dim, config.heads)
        self.show = nn.Linear(config.dim, config.dim)
        self.out = nn.Linear(config.dim, config.dim, bias=False)
        nn.init.constant_(self.rate.bias, config.write_bias)

    def init_state(self, batch_size: int) -> LayerState:
        """Makes an empty memory."""
        width = self.out.in_features // self.heads
        return (self.out.weight.new_zeros(batch_size, self.heads, width * max(1, 2 * self.expansion), width),)

    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `Layer`."""
        return self._scan(x, state, mask, None)

    def read_at(self, x: Tensor, state: LayerState, mask: Tensor, places: Places) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `PlacedLayer`."""
        return self._scan(x, state, mask, places)

    def _scan(self, x: Tensor, state: LayerState, mask: Tensor, places: Places | None) -> tuple[Tensor, LayerState]:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        rate = self.rate(x).sigmoid().masked_fill(~mask[..., None], 0).transpose(1, 2)
        exact = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):  # small rests of old values need more than half precision
            q, k = (feature_map(part.to(exact), self.expansion) for part in (q, k))
            read, memory = delta_rule(q, k, v.to(exact), rate.to(exact), state[0].to(exact), places)
        shown = read.to(x.dtype).transpose(1, 2).flatten(2) * F.silu(self.show(x))
        return self.out(shown), (memory.to(state[0].dtype),)


class Associative(StackedHead):
    """A network whose weights M every frame rewrites: the frame's value replaces what its key retrieved before.

        k_t = phi(W_k x_t),  q_t = phi(W_q x_t),  v_t = W_v x_t,  b_t = sigmoid(W_b x_t)
        v'_t = M_(t-1) k_t                                            what does the memory return so far?
        M_t = M_(t-1) + b_t (v_t - v'_t) k_t^T                        correct a share b_t of the error
        y_t = out(M_t q_t * silu(show(x_t)))

        M_t = M_(t-1) (I - b_t k_t k_t^T) + b_t v_t k_t^T             values of orthogonal keys do not change
              ~~~~~~~~~~~ erase ~~~~~~~~~   ~~~ write ~~~

    A head of key width d keeps d pairs apart. Time and memory are linear in T.

    Source: Schlag, Irie and Schmidhuber, arXiv:2102.11174, section 4.2; phi with `expansion`: their DPFP, section 5.3;
    phi without: SiLU as in Yang et al., arXiv:2406.06484, whose chunks `delta_rule` uses. Here: phi normalises to
    length
    1 as in Yang et al. and not to sum 1, so that at b = 1 a pair is replaced exactly; the output is gated; there is no
    short convolution before q, k and v, and no network after the layer. Layers are residual behind a LayerNorm. Not
    causal: a second memory per layer reads backwards.
    """

    name = "associative"
    Config = AssociativeConfig
    State = AssociativeState

    def __init__(self, config: AssociativeConfig) -> None:
        super().__init__(config)
        if config.dim % config.heads:
            raise UserError(
                f"associative head expects dim in multiples of its {config.heads} heads, got {config.dim}. "
                f"Change dim or heads."
            )
        self.stack = self.make_stack(lambda: AssociativeLayer(config), config.layers)


def feature_map(x: Tensor, expansion: int) -> Tensor:
    """Maps keys and queries (..., d) to features of length 1, (..., d) or (..., 2 d expansion).

    With an expansion: r = relu([x, -x]), and each feature is a product r_i r_(i + j), j from 1 to `expansion`.
    """
    if expansion:
        both = F.relu(torch.cat([x, -x], dim=-1))
        x = torch.cat([both * both.roll(shift, dims=-1) for shift in range(1, expansion + 1)], dim=-1)
    else:
        x = F.silu(x)
    return F.normalize(x, dim=-1)
