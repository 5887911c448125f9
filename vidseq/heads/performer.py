"""The linear attention head with random features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.linear_attention import Sums, causal_linear_attention, empty_sums, linear_attention
from vidseq.ops.random_features import log_positive_features, orthogonal_directions
from vidseq.ops.rotary import rotary_angles


@dataclass(frozen=True, kw_only=True)
class PerformerConfig(HeadConfig):
    """Options of the performer head."""

    features: int = option(256, at_least=1)
    """Random features m of an attention head: the more, the closer to softmax attention."""
    redraw_every: int = option(0, at_least=0)
    """In training, new features are drawn after this many batches of videos; 0: never. In evaluation they stay."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class PerformerState(NamedTuple):
    """Sums over all frames, of constant size, and the number of frames."""

    values: Tensor
    """S = sum of phi(k_j) v_j / e^top, (B, layers, heads, features, width)."""
    weights: Tensor
    """z = sum of phi(k_j) / e^top, (B, layers, heads, features)."""
    top: Tensor
    """The largest log sum phi(k_j) so far, (B, layers, heads)."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class Performer(TemporalHead):
    """A transformer that estimates attention to the whole past by random features, in constant memory.

        phi(x) = exp(w x - |x|^2 / 2) / sqrt(m),    m random w, orthogonal       E[phi(q) . phi(k)] = exp(q . k)
        S_t    = S_(t-1) + phi(k_t) v_t             z_t = z_(t-1) + phi(k_t)
        y_t    = phi(q_t) S_t / phi(q_t) z_t        ~ softmax(q_t . k_j, j <= t) v_j

        k, v ──►(+)──►(+)──►(+)──►(+)── S, z: prefix sums in place of the T x T matrix
                 │     │     │     │
        q    ──► y_1   y_2   y_3   y_4

    Source: Choromanski et al., arXiv:2009.14794: positive features: lemma 1; orthogonal: section 2.4; causal: section
    2.2 and appendix B.1. Here: q and k are rotated to their positions and divided by d^(1/4); no constant is added to
    features; sums carry a running maximum instead of a maximum over all keys, which would depend on the future. In
    training, `redraw_every` counts only batches in which all videos begin, because sums of old features do not fit new
    ones. Not causal: S and z of the whole video. Cost: time T m d, and m d numbers of state.
    """

    name = "performer"
    Config = PerformerConfig
    supports_noncausal = True
    context_frames = None
    segment_frames = 512
    config: PerformerConfig
    directions: Tensor
    begun: Tensor

    def __init__(self, config: PerformerConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        self._width = config.dim // config.heads
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        self.last_norm = nn.LayerNorm(config.dim)
        self.register_buffer("directions", self._draw(torch.Generator().manual_seed(0)))  # (layers, features, width)
        self.register_buffer("begun", torch.zeros((), dtype=torch.int64))  # batches since features were drawn

    def init_state(self, batch_size: int) -> PerformerState:
        """Makes empty sums."""
        config, weight = self.config, self.last_norm.weight
        shape = (batch_size, config.layers, config.heads, config.features)
        sums = empty_sums(weight.new_empty(*shape, self._width), weight.new_empty(shape))
        return PerformerState(*sums, torch.zeros(batch_size, dtype=torch.int64, device=weight.device))

    def scan(self, x: Tensor, state: PerformerState, mask: Tensor) -> tuple[Tensor, PerformerState]:
        """Reads new frames; see `TemporalHead.scan`."""
        if self.training and not bool(state.position.any()):
            self._begin()
        angles = self._angles(state.position[:, None] + torch.arange(x.shape[1], device=x.device))
        parts: list[Sums] = []
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, angles)
            exact = torch.promote_types(x.dtype, torch.float32)
            with torch.autocast(x.device.type, enabled=False):  # sums over hours need more than half precision
                old = Sums(*(part[:, index].to(exact) for part in state[:3]))
                read, sums = causal_linear_attention(
                    q.to(exact), k.to(exact), v.to(exact), mask, old, self._log_features(index, exact)
                )
            x = block.finish(x, read.to(v.dtype))
            parts.append(sums)
        values, weights, top = (torch.stack(part, dim=1).to(old.dtype) for part, old in zip(zip(*parts), state[:3]))
        return self.last_norm(x), PerformerState(values, weights, top, state.position + mask.sum(dim=1))

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        self._begin()
        angles = self._angles(torch.arange(x.shape[1], device=x.device)[None])
        for index, block in enumerate(self.blocks):
            q, k, v = block.project(x, angles)
            exact = torch.promote_types(x.dtype, torch.float32)
            with torch.autocast(x.device.type, enabled=False):
                log_features = self._log_features(index, exact)
                read = linear_attention(q.to(exact), k.to(exact), v.to(exact), mask, log_features)
            x = block.finish(x, read.to(v.dtype))
        return self.last_norm(x)

    def _begin(self) -> None:
        """In training, counts batches of new videos and draws new features after `redraw_every` of them."""
        if not self.training or self.config.redraw_every == 0:
            return
        if int(self.begun) >= self.config.redraw_every:
            self.directions = self._draw(None).to(self.directions)  # a new tensor: a backward pass may need the old
            self.begun = torch.zeros_like(self.begun)
        self.begun = self.begun + 1

    def _draw(self, generator: torch.Generator | None) -> Tensor:
        count, width = self.config.features, self._width
        drawn = [orthogonal_directions(count, width, generator) for _ in range(self.config.layers)]
        return torch.stack(drawn).float()

    def _log_features(self, index: int, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        directions = self.directions[index].to(dtype)
        return lambda x: log_positive_features(x, directions)

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]
