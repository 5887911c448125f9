"""The codebook head: learned codes, each with the mean of this video's frames of that code."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import LayerState, PlacedLayer
from vidseq.heads.stacked import StackedHead
from vidseq.ops.places import Places
from vidseq.ops.running_means import running_means


@dataclass(frozen=True, kw_only=True)
class CodebookConfig(HeadConfig):
    """Options of the codebook head."""

    codes: int = option(64, at_least=1)
    """Code vectors K of a layer: how many kinds of frames it distinguishes."""
    readers: int = option(4, at_least=1)
    """Read heads R; dim must be a multiple of their number. Each reads its own dim / R numbers of every code."""
    layers: int = option(1, at_least=1)
    """Codebooks on top of one another: a codebook can look up what the one below has read."""


class CodebookState(NamedTuple):
    """The fast part of the memory, at least in float32; the slow part, the codes, are weights."""

    mean: Tensor
    """(B, layers, readers, codes, dim / readers): mean value of the frames of each code."""
    frames: Tensor
    """(B, layers, codes): frames of each code so far."""


class CodebookLayer(PlacedLayer):
    """One codebook."""

    def __init__(self, config: CodebookConfig) -> None:
        super().__init__()
        dim = config.dim
        self.readers = config.readers
        self.codes = nn.Parameter(torch.randn(config.codes, dim) * 3**-0.5)  # on the scale of `encode`'s outputs
        self.encode, self.value, self.query, self.show = (nn.Linear(dim, dim) for _ in range(4))
        self.read_key, self.known, self.out = (nn.Linear(dim, dim, bias=False) for _ in range(3))

    def init_state(self, batch_size: int) -> LayerState:
        """Makes a memory without frames."""
        (codes, dim), exact = self.codes.shape, torch.promote_types(self.codes.dtype, torch.float32)
        shape = (batch_size, self.readers, codes, dim // self.readers)
        return self.codes.new_zeros(shape, dtype=exact), self.codes.new_zeros(batch_size, codes, dtype=exact)

    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `Layer`."""
        return self._scan(x, state, mask, None)

    def read_at(self, x: Tensor, state: LayerState, mask: Tensor, places: Places) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `PlacedLayer`."""
        return self._scan(x, state, mask, places)

    def _scan(self, x: Tensor, state: LayerState, mask: Tensor, places: Places | None) -> tuple[Tensor, LayerState]:
        exact = state[0].dtype
        q, v = (part.unflatten(-1, (self.readers, -1)).transpose(1, 2) for part in (self.query(x), self.value(x)))
        keys, known = (  # (R, K, d)
            part.unflatten(-1, (self.readers, -1)).transpose(0, 1)
            for part in (self.read_key(self.codes), self.known(self.codes))
        )
        encoded = self.encode(x)
        with torch.autocast(x.device.type, enabled=False):  # counts and means over hours need more than half precision
            assign = nearest(encoded.to(exact), self.codes.to(exact)).masked_fill(~mask[..., None], 0)
            address = (q.to(exact) @ keys.to(exact).mT * q.shape[-1] ** -0.5).softmax(dim=-1)
            read, mean, count = running_means(address, assign, v.to(exact), state[0], state[1], places)
            read = (read + address @ known.to(exact)).to(x.dtype)
        return self.out(read.transpose(1, 2).flatten(2) * F.silu(self.show(x))), (mean, count)


class Codebook(StackedHead):
    """Codes that all videos share, each with the mean value of this video's frames of that code.

        k_t = argmin_k |encode(x_t) - e_k|                    which code does the frame have?
        n_t[k] = n_(t-1)[k] + [k = k_t]                       its frames so far
        m_t[k] = m_(t-1)[k] + [k = k_t] (value(x_t) - m_(t-1)[k]) / n_t[k]
        p_t = softmax_k(query(x_t) . K e_k / sqrt(d))         for every reader, by code
        y_t = out(sum_k p_t[k] (V e_k + m_t[k]) * silu(show(x_t)))

        slow, weights    e_1 door      e_2 chair      e_3 Frank           learned once
        fast, state      5 x ░░░░░     9 x red        2 x by the door     this video's, nothing is overwritten

    Source: van den Oord et al., arXiv:1711.00937, section 3.1: the nearest code, and a straight-through gradient.
    Here: a frame is written to its code's slot instead of being replaced by the code. So the gradient of the choice is
    that of softmax_k(-|encode(x_t) - e_k|^2 / sqrt(D)), to frames and codes alike. Heads have no losses of their own:
    codes learn from this gradient and from being read, without codebook and commitment losses or moving averages
    (which would also be state on the module that depends on the order of training). Layers are residual behind a
    LayerNorm. Not causal: a second codebook per layer reads backwards.
    """

    name = "codebook"
    Config = CodebookConfig
    State = CodebookState
    segment_frames = 2048

    def __init__(self, config: CodebookConfig) -> None:
        super().__init__(config)
        if config.dim % config.readers:
            raise UserError(
                f"codebook head expects dim in multiples of its {config.readers} readers, got {config.dim}. "
                f"Change dim or readers."
            )
        self.stack = self.make_stack(lambda: CodebookLayer(config), config.layers)


def nearest(x: Tensor, codes: Tensor) -> Tensor:
    """Chooses the code (K, D) nearest to each x (..., D), one-hot; its gradient is that of a softmax of closeness."""
    closeness = 2 * x @ codes.T - codes.square().sum(-1)  # without |x|^2, which is the same for all codes
    soft = (closeness * codes.shape[-1] ** -0.5).softmax(dim=-1)
    return F.one_hot(closeness.argmax(dim=-1), len(codes)).to(soft) + (soft - soft.detach())
