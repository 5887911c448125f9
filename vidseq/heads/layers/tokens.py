"""Global tokens: a few learned vectors that read every frame and that every frame sees, through all layers of a head.

Not causal, tokens and frames read one another at the same time, layer by layer. Causal, a frame sees the tokens as of
the start of its period, so that nothing it sees came later:

      g g │ frames                      causal, periods of 3:
    g ■ ■ │ ■ ■ ■ ■ ■ ■ ■           g g │ ■ . . . . .
    g ■ ■ │ ■ ■ ■ ■ ■ ■ ■           g g │ ■ ■ . . . .      the tokens know nothing yet
    ──────┼──────────────           g g │ ■ ■ ■ . . .
    t ■ ■ │ ■ ■ . . . . .           ────┼─────────────
    │ ■ ■ │ ■ ■ ■ . . . .           G G │ . ■ ■ ■ . .      tokens that have read frames 1 to 3
    ▼ ■ ■ │ . ■ ■ ■ . . .           G G │ . . ■ ■ ■ .

A token asks the same at all times, as its learned vector in each layer's own projection. So what it has read is a
softmax whose sums run on, and the state stays constant. Tokens of the last layer read nothing, for nobody reads them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.layers.transformer import TransformerBlock
from vidseq.ops.long_keys import attend_to_parts
from vidseq.ops.merge import NOTHING, Part, attend_part, merge_parts, running_parts
from vidseq.ops.periods import Periods


class TokenState(NamedTuple):
    """What tokens have read, and what frames of the period under way see of them."""

    keys: Tensor
    """(B, layers, heads, G, width)."""
    values: Tensor
    """Like `keys`."""
    read: Tensor
    """(B, layers - 1, heads, G, width), at least float32: read from all frames so far."""
    mass: Tensor
    """(B, layers - 1, heads, G), at least float32: log of the sum of exponentials behind `read`."""


class TokenLayer(nn.Module):
    """A transformer block whose frames also see tokens, and tokens frames.

    Args:
        dim: width D.
        heads: attention heads.
        dropout: of the block.
        own: whether what reads or is read by tokens has projections of its own.
        network: width of the network on each frame; 0: four times `dim`.
    """

    def __init__(self, dim: int, heads: int, dropout: float, own: bool, network: int = 0) -> None:
        super().__init__()
        self.block = TransformerBlock(dim, heads, dropout, network)
        self.qkv_global = nn.Linear(dim, 3 * dim, bias=False) if own else None

    def near(self, x: Tensor, parts: int = 3) -> tuple[Tensor, ...]:
        """The last `parts` of queries, keys and values of x (..., T, D), not rotated, each (..., heads, T, width)."""
        return self._project(self.block.qkv, x, parts)

    def far(self, x: Tensor, parts: int = 3) -> tuple[Tensor, ...]:
        """Like `near`, of what reads or is read by tokens."""
        return self._project(self.qkv_global or self.block.qkv, x, parts)

    def _project(self, weights: nn.Linear, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        projected = F.linear(self.block.attention_norm(x), weights.weight[-parts * x.shape[-1] :])
        return projected.unflatten(-1, (parts, self.block.heads, -1)).movedim(-3, 0).transpose(-2, -3).unbind(0)

    def update(self, tokens: Tensor, learned: Tensor, frames: Part | None) -> Tensor:
        """Tokens (B, C, G, D) after reading one another and, if any, frames (B, C, heads, G, width)."""
        k, v = self.far(tokens, 2)
        part = attend_part(self.far(learned)[0].expand_as(k), k, v)
        if frames is not None:
            part = merge_parts(Part(part.read.to(frames.read.dtype), part.mass), frames)
        return self.block.finish(tokens.flatten(0, 1), part.read.to(tokens.dtype).flatten(0, 1)).view_as(tokens)

    def attend_noncausal(self, tokens: Tensor, k: Sequence[Tensor], v: Sequence[Tensor], mask: Tensor) -> Tensor:
        """What tokens (B, G, D) read in one another and in all frames, whose keys and values (B, heads, N, width) are
        given in parts, where `mask` (B, T); (B, heads, G, width)."""
        q, token_k, token_v = self.far(tokens)
        valid = mask.split([part.shape[2] for part in k], dim=1)
        return attend_to_parts(q, [token_k, *k], [token_v, *v], [mask.new_ones(tokens.shape[:2]), *valid])

    def read_noncausal(self, tokens: Tensor, parts: Sequence[Tensor], mask: Tensor) -> Tensor:
        """The same in frames, equal parts (B, T, D), whose keys and values nobody else needs, so they are not made:

        q . K x = K^T q . x  and  sum of w V x = V times sum of w x,  one product a token in place of one a frame.
        """
        q, heads = self.far(tokens)[0], self.block.heads
        k, v = (self.qkv_global or self.block.qkv).weight[tokens.shape[-1] :].view(2, heads, -1, tokens.shape[-1])
        asked = (q @ k).flatten(1, 2) * heads**0.5  # (B, heads * G, D), to be scaled as heads are, not by all of D
        normed = self.block.attention_norm(tokens)
        read = attend_part(asked, normed, normed)
        for part, seen in zip(parts, mask.split(parts[0].shape[1], dim=1)):
            normed = self.block.attention_norm(part)
            valid = None if bool(seen.all()) else seen[:, None]
            read = merge_parts(read, attend_part(asked, normed, normed, valid))
        return read.read.unflatten(1, (heads, -1)) @ v.mT


def through_layers(
    read_layer: Callable[[int, Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor]],
    layers: int,
    learned: Tensor,
    x: Tensor,
    mask: Tensor,
) -> Tensor:
    """Whole videos x (B, T, D), where `mask` (B, T), through layers in which frames and tokens read one another.

    Args:
        read_layer: makes the number of a layer, frames, tokens (B, G, D), the mask, and whether it is the last layer,
            whose tokens nobody reads, to new frames and tokens.
        layers: how many.
        learned: what tokens start as, (G, D).
        x: frames.
        mask: True = valid.

    Returns:
        frames after the last layer, like `x`.
    """
    tokens = learned.expand(x.shape[0], -1, -1)
    for index in range(layers):
        x, tokens = read_layer(index, x, tokens, mask, index == layers - 1)
    return x


def new_tokens(layers: Sequence[TokenLayer], learned: Tensor, batch_size: int) -> TokenState:
    """The state of tokens, which start as `learned` (G, D), before the first frame: they have read one another."""
    tokens, seen = learned.expand(batch_size, 1, -1, -1), []
    for layer in layers:
        seen.append([part[:, 0].to(learned.dtype) for part in layer.near(tokens, 2)])
        if layer is not layers[-1]:
            tokens = layer.update(tokens, learned, None)
    keys, values = (torch.stack(part, dim=1) for part in zip(*seen))
    read = torch.zeros_like(keys[:, 1:], dtype=torch.promote_types(keys.dtype, torch.float32))
    return TokenState(keys, values, read, torch.full_like(read[..., 0], NOTHING))


class TokenScan:
    """Tokens on their way through the layers while new frames are read; for each layer `see`, then `read` unless last.

    Args:
        learned: what tokens start as, (G, D).
        state: before these frames; not changed.
        periods: of these frames.
    """

    def __init__(self, learned: Tensor, state: TokenState, periods: Periods) -> None:
        self._learned, self._state, self._periods = learned, state, periods
        self._tokens = learned.expand(len(periods.next), periods.borders, -1, -1)  # as of each border
        self._seen: list[tuple[Tensor, ...]] = []
        self._sums: list[Part] = []

    def see(self, layer: TokenLayer, q: Tensor) -> Part:
        """What frames with queries (B, heads, T, width) read in the tokens of their period, to be merged."""
        index, periods = len(self._seen), self._periods
        before = (self._state.keys[:, None, index], self._state.values[:, None, index])
        seen = [torch.cat([old.to(new.dtype), new], 1) for old, new in zip(before, layer.near(self._tokens, 2))]
        part = attend_part(periods.cut(q), *(each[:, : periods.count].transpose(1, 2) for each in seen))
        now = periods.next[:, None, None, None, None].expand(-1, 1, *seen[0].shape[2:])
        self._seen.append(tuple(each.gather(1, now)[:, 0] for each in seen))
        return Part(periods.glue(part.read), periods.glue(part.mass[..., None])[..., 0])

    def read(self, layer: TokenLayer, k: Tensor, v: Tensor) -> None:
        """Lets tokens read the frames, keys and values (B, heads, T, width) from `far`."""
        index, periods = len(self._sums), self._periods
        q, valid = layer.far(self._learned)[0][:, None], periods.valid[:, None, :, None]
        new = attend_part(q, periods.cut(k), periods.cut(v), valid)
        before = Part(self._state.read[:, index], self._state.mass[:, index])
        sums = running_parts(before, Part(new.read.to(new.mass.dtype), new.mass))
        self._sums.append(sums[-1])
        if periods.borders:
            at_borders = (torch.stack(each, dim=1) for each in zip(*sums[: periods.borders]))
            self._tokens = layer.update(self._tokens, self._learned, Part(*at_borders))

    def state(self) -> TokenState:
        """After these frames."""
        keys, values = (torch.stack(part, dim=1).to(self._learned.dtype) for part in zip(*self._seen))
        if not self._sums:
            return TokenState(keys, values, self._state.read.clone(), self._state.mass.clone())
        read, mass = (torch.stack(part, dim=1) for part in zip(*self._sums))
        return TokenState(keys, values, read, mass)
