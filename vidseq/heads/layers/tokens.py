"""Global tokens: a few learned vectors that read every frame and that every frame sees, in all layers of a head.

Not causal: tokens and frames read one another at the same time, layer by layer. Causal: a frame sees the tokens as of
the start of its period, so that they depend on no later frame:

      g g │ frames                      causal, periods of 3:
    g ■ ■ │ ■ ■ ■ ■ ■ ■ ■           g g │ ■ . . . . .
    g ■ ■ │ ■ ■ ■ ■ ■ ■ ■           g g │ ■ ■ . . . .      the tokens have read no frame yet
    ──────┼──────────────           g g │ ■ ■ ■ . . .
    t ■ ■ │ ■ ■ . . . . .           ────┼─────────────
    │ ■ ■ │ ■ ■ ■ . . . .           G G │ . ■ ■ ■ . .      tokens that have read frames 1 to 3
    ▼ ■ ■ │ . ■ ■ ■ . . .           G G │ . . ■ ■ ■ .

A token's query is the same at all times: its learned vector in the layer's own projection. Its output is therefore a
softmax whose sums accumulate over time, and the state has a constant size. Tokens of the last layer read nothing,
because no layer follows that would use them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.layers.transformer import TransformerBlock
from vidseq.ops.long_keys import attend_to_parts
from vidseq.ops.merge import EMPTY_LOGSUMEXP, PartialAttention, merge_partial, partial_attention, running_merge
from vidseq.ops.periods import Periods


class TokenState(NamedTuple):
    """The tokens' attention over all frames so far, and the keys and values that frames of the current period see."""

    keys: Tensor
    """(B, layers, heads, G, width)."""
    values: Tensor
    """Like `keys`."""
    read: Tensor
    """(B, layers - 1, heads, G, width), at least float32: attention output over all frames so far."""
    logsumexp: Tensor
    """(B, layers - 1, heads, G), at least float32: log of the sum of exponentials of `read`."""


class TokenLayer(nn.Module):
    """A transformer block in which frames also see tokens, and tokens see frames.

    Args:
        dim: width D.
        heads: attention heads.
        dropout: of the block.
        own: whether global attention has projections of its own.
        network: width of the feed-forward network on each frame; 0: four times `dim`.
    """

    def __init__(self, dim: int, heads: int, dropout: float, own: bool, network: int = 0) -> None:
        super().__init__()
        self.block = TransformerBlock(dim, heads, dropout, network)
        self.qkv_global = nn.Linear(dim, 3 * dim, bias=False) if own else None

    def project_frames(self, x: Tensor, parts: int = 3) -> tuple[Tensor, ...]:
        """Projects x (..., T, D) for local attention: the last `parts` of queries, keys and values.

        Each is (..., heads, T, width), and they are not rotated.
        """
        return self._project(self.block.qkv, x, parts)

    def project_global(self, x: Tensor, parts: int = 3) -> tuple[Tensor, ...]:
        """Like `project_frames`, for attention to and from tokens."""
        return self._project(self.qkv_global or self.block.qkv, x, parts)

    def _project(self, weights: nn.Linear, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        projected = F.linear(self.block.attention_norm(x), weights.weight[-parts * x.shape[-1] :])
        return projected.unflatten(-1, (parts, self.block.heads, -1)).movedim(-3, 0).transpose(-2, -3).unbind(0)

    def update_tokens(self, tokens: Tensor, learned: Tensor, frames: PartialAttention | None) -> Tensor:
        """Updates tokens (B, C, G, D) by attention to one another and, if given, to frames (B, C, heads, G, width)."""
        k, v = self.project_global(tokens, 2)
        part = partial_attention(self.project_global(learned)[0].expand_as(k), k, v)
        if frames is not None:
            part = merge_partial(PartialAttention(part.read.to(frames.read.dtype), part.logsumexp), frames)
        return self.block.finish(tokens.flatten(0, 1), part.read.to(tokens.dtype).flatten(0, 1)).view_as(tokens)

    def attend_noncausal(self, tokens: Tensor, k: Sequence[Tensor], v: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Attends from tokens (B, G, D) to one another and to all valid frames.

        Args:
            tokens: (B, G, D).
            k: keys of the frames in parts, each (B, heads, N, width).
            v: values, like `k`.
            mask: bool (B, T), True = valid.

        Returns:
            attention output (B, heads, G, width).
        """
        q, token_k, token_v = self.project_global(tokens)
        valid = mask.split([part.shape[2] for part in k], dim=1)
        return attend_to_parts(q, [token_k, *k], [token_v, *v], [mask.new_ones(tokens.shape[:2]), *valid])

    def read_frames_noncausal(self, tokens: Tensor, parts: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Like `attend_noncausal`, from frames in equal parts (B, T, D), without making their keys and values:

        q . K x = K^T q . x  and  sum of w V x = V times sum of w x:    one product per token, not per frame
        """
        q, heads = self.project_global(tokens)[0], self.block.heads
        k, v = (self.qkv_global or self.block.qkv).weight[tokens.shape[-1] :].view(2, heads, -1, tokens.shape[-1])
        queries = (q @ k).flatten(1, 2) * heads**0.5  # (B, heads * G, D); scaled for the width of a head, not for D
        normed = self.block.attention_norm(tokens)
        read = partial_attention(queries, normed, normed)
        for part, part_mask in zip(parts, mask.split(parts[0].shape[1], dim=1)):
            normed = self.block.attention_norm(part)
            valid = None if bool(part_mask.all()) else part_mask[:, None]
            read = merge_partial(read, partial_attention(queries, normed, normed, valid))
        return read.read.unflatten(1, (heads, -1)) @ v.mT


def run_layers(
    read_layer: Callable[[int, Tensor, Tensor, Tensor, bool], tuple[Tensor, Tensor]],
    layers: int,
    learned: Tensor,
    x: Tensor,
    mask: Tensor,
) -> Tensor:
    """Runs whole videos through layers in which frames and tokens read one another.

    Args:
        read_layer: maps a layer's index, frames, tokens (B, G, D), the mask and whether it is the last layer (whose
            tokens are not used) to new frames and tokens.
        layers: number of layers.
        learned: initial tokens, (G, D).
        x: frames, (B, T, D).
        mask: bool (B, T), True = valid.

    Returns:
        frames after the last layer, like `x`.
    """
    tokens = learned.expand(x.shape[0], -1, -1)
    for index in range(layers):
        x, tokens = read_layer(index, x, tokens, mask, index == layers - 1)
    return x


def init_tokens(layers: Sequence[TokenLayer], learned: Tensor, batch_size: int) -> TokenState:
    """Makes the state before the first frame: tokens start as `learned` (G, D) and have read one another."""
    tokens, seen = learned.expand(batch_size, 1, -1, -1), []
    for layer in layers:
        seen.append([part[:, 0].to(learned.dtype) for part in layer.project_frames(tokens, 2)])
        if layer is not layers[-1]:
            tokens = layer.update_tokens(tokens, learned, None)
    keys, values = (torch.stack(part, dim=1) for part in zip(*seen))
    read = torch.zeros_like(keys[:, 1:], dtype=torch.promote_types(keys.dtype, torch.float32))
    return TokenState(keys, values, read, torch.full_like(read[..., 0], EMPTY_LOGSUMEXP))


class TokenScan:
    """Runs the tokens through the layers while new frames are read.

    Call `attend` for each layer, then `update` unless it is the last layer.

    Args:
        learned: initial tokens, (G, D).
        state: before these frames; not changed.
        periods: of these frames.
    """

    def __init__(self, learned: Tensor, state: TokenState, periods: Periods) -> None:
        self._learned, self._state, self._periods = learned, state, periods
        self._tokens = learned.expand(len(periods.next), periods.num_ends, -1, -1)  # as of each border
        self._seen: list[tuple[Tensor, ...]] = []
        self._sums: list[PartialAttention] = []

    def attend(self, layer: TokenLayer, q: Tensor) -> PartialAttention:
        """Attends from frames with queries (B, heads, T, width) to the tokens of their period; to be merged."""
        index, periods = len(self._seen), self._periods
        before = (self._state.keys[:, None, index], self._state.values[:, None, index])
        new_kv = layer.project_frames(self._tokens, 2)
        seen = [torch.cat([old.to(new.dtype), new], 1) for old, new in zip(before, new_kv)]
        part = partial_attention(periods.split(q), *(each[:, : periods.count].transpose(1, 2) for each in seen))
        now = periods.next[:, None, None, None, None].expand(-1, 1, *seen[0].shape[2:])
        self._seen.append(tuple(each.gather(1, now)[:, 0] for each in seen))
        return PartialAttention(periods.join(part.read), periods.join(part.logsumexp[..., None])[..., 0])

    def update(self, layer: TokenLayer, k: Tensor, v: Tensor) -> None:
        """Updates the tokens by the frames' keys and values (B, heads, T, width) from `project_global`."""
        index, periods = len(self._sums), self._periods
        q, valid = layer.project_global(self._learned)[0][:, None], periods.valid[:, None, :, None]
        new = partial_attention(q, periods.split(k), periods.split(v), valid)
        before = PartialAttention(self._state.read[:, index], self._state.logsumexp[:, index])
        sums = running_merge(before, PartialAttention(new.read.to(new.logsumexp.dtype), new.logsumexp))
        self._sums.append(sums[-1])
        if periods.num_ends:
            at_borders = (torch.stack(each, dim=1) for each in zip(*sums[: periods.num_ends]))
            self._tokens = layer.update_tokens(self._tokens, self._learned, PartialAttention(*at_borders))

    def state(self) -> TokenState:
        """Returns the state after these frames."""
        keys, values = (torch.stack(part, dim=1).to(self._learned.dtype) for part in zip(*self._seen))
        if not self._sums:
            return TokenState(keys, values, self._state.read.clone(), self._state.logsumexp.clone())
        read, logsumexp = (torch.stack(part, dim=1) for part in zip(*self._sums))
        return TokenState(keys, values, read, logsumexp)
