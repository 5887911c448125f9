"""Banded attention on a CPU, block by block, in workspaces that fit its cache."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.flash import flash_attention, flash_gradients
from vidseq.ops.merge import EMPTY_LOGSUMEXP, PartialAttention, merge_gradients, merge_partial

SEGMENT = 1024
"""Queries of a piece."""
BLOCK = 32
"""Queries of a block in the forward pass: as many as the kernel takes at a time, because larger blocks also score
masked keys. The backward pass adds up the gradients of slabs, so it uses fewer, larger ones."""
LANES = 16
"""Slabs are a multiple of this many keys, the vector width of the processor, which makes them a fifth faster."""


def attend_in_blocks(q: Tensor, k: Tensor, v: Tensor, valid: Tensor, other: PartialAttention | None = None) -> Tensor:
    """Softmax attention of query i on the keys i to i + reach, where there are `reach` more keys than queries.

    Blocks of queries meet overlapping slabs of keys, which are views. The backward pass also works block by block and
    adds up overlapping slabs. Autograd would keep and fill all slabs at once, several times the size of the keys.

    Args:
        q: queries, (B, H, T, d).
        k: keys, (B, H, T + reach, d).
        v: values, like `k`.
        valid: bool (B, T + reach), False for keys that must not be seen.
        other: attention of each query to other keys, (B, H, T, d) and (B, H, T), merged into one softmax; None: none.

    Returns:
        (B, H, T, d), in memory as (B, T, H, d); zero for a query that may see no key.
    """
    other_part = (None, None) if other is None else (other.read.to(q.dtype), other.logsumexp)
    return _Blocks.apply(q, k.to(q.dtype), v.to(q.dtype), valid, *other_part)


class _Blocks(torch.autograd.Function):
    """Attention in blocks; the tensors inside are (B, T, H, ...)."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        valid: Tensor,
        other_read: Tensor | None,
        other_logsumexp: Tensor | None,
    ) -> Tensor:
        """Keeps the output and each query's log of the sum of exponentials."""
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        other, parts = _other_part(other_read, other_logsumexp), []
        for piece in _pieces(q, k, valid, BLOCK):
            here = PartialAttention(*flash_attention(piece.cut(q), piece.slabs(k), piece.slabs(v), piece.bias))
            if piece.sees_no_key is not None:
                here.logsumexp.masked_fill_(piece.sees_no_key, 0 if other is None else EMPTY_LOGSUMEXP)
            if other is not None:
                here = merge_partial(here, piece.cut_part(other))
            parts.append(PartialAttention(*(part.transpose(1, 2).flatten(0, 1) for part in here)))
        read, logsumexp = (_one(list(part)).view(*q.shape[:3], *part[0].shape[2:]) for part in zip(*parts))
        ctx.save_for_backward(q, k, v, valid, read, logsumexp, other_read, other_logsumexp)
        return read.transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Recomputes the weights from the logsumexps, piece by piece."""
        q, k, v, valid, read, logsumexp, *other_part = ctx.saved_tensors
        gradient, other = gradient.transpose(1, 2), _other_part(*other_part)
        grad_q, grad_k, grad_v = (torch.zeros(part.shape, dtype=part.dtype) for part in (q, k, v))
        grad_other = (
            None
            if other is None
            else PartialAttention(torch.empty_like(grad_q), other.logsumexp.new_empty(logsumexp.shape))
        )
        for piece in _pieces(q, k, valid, max(2 * BLOCK, (k.shape[1] - q.shape[1]) // 4)):
            queries, keys, values = piece.cut(q), piece.slabs(k), piece.slabs(v)
            grad_piece, merged = piece.cut(gradient), piece.cut_part(PartialAttention(read, logsumexp))
            grad_queries, *grad_slabs = flash_gradients(grad_piece, queries, keys, values, piece.bias, *merged)
            piece.cut(grad_q).copy_(grad_queries)
            for total, slabs in zip((grad_k, grad_v), grad_slabs):
                piece.add_slabs(total, slabs)
            if other is not None and grad_other is not None:
                parts = merge_gradients(grad_piece, piece.cut_part(other), merged)
                for whole, part in zip(piece.cut_part(grad_other), parts):
                    whole.copy_(part)
        grad_other_parts = (None, None) if grad_other is None else (part.transpose(1, 2) for part in grad_other)
        return *(part.transpose(1, 2) for part in (grad_q, grad_k, grad_v)), None, *grad_other_parts


def _other_part(read: Tensor | None, logsumexp: Tensor | None) -> PartialAttention | None:
    return (
        None
        if read is None or logsumexp is None
        else PartialAttention(read.transpose(1, 2), logsumexp.transpose(1, 2))
    )


def _one(parts: list[Tensor]) -> Tensor:
    """Concatenates parts; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class _Piece(NamedTuple):
    """Several blocks of queries of one row, and the slabs of keys that they see."""

    row: int
    start: int
    block: int
    blocks: int
    bias: Tensor
    """0 where a query sees a key, else minus infinity: (1 or blocks, 1, block, slab)."""
    sees_no_key: Tensor | None
    """Queries that see no key, (blocks, 1, block); None: there are none."""

    def cut(self, x: Tensor) -> Tensor:
        """Returns the part of the queries' x (B, T, H, d), a view (blocks, H, block, d)."""
        part = x[self.row, self.start : self.start + self.blocks * self.block]
        return part.unflatten(0, (self.blocks, self.block)).transpose(1, 2)

    def cut_part(self, part: PartialAttention) -> PartialAttention:
        """Returns the part of the queries' attention, (B, T, H, d) and (B, T, H), as views (blocks, H, block, ...)."""
        return PartialAttention(self.cut(part.read), self.cut(part.logsumexp[..., None])[..., 0])

    def slabs(self, x: Tensor) -> Tensor:
        """Returns the part of the keys' x (B, L, H, d), an overlapping view (blocks, H, slab, d)."""
        slab = self.bias.shape[-1]
        part = x[self.row, self.start : self.start + (self.blocks - 1) * self.block + slab]
        return part.unfold(0, slab, self.block).transpose(2, 3)

    def add_slabs(self, total: Tensor, slabs: Tensor) -> None:
        """Adds slabs (blocks, H, slab, d) to their frames in `total` (B, L, H, d), one offset after the other."""
        for offset in range(0, slabs.shape[2], self.block):
            part = slabs[:, :, offset : offset + self.block]
            width, first = part.shape[2], self.start + offset
            target = total[self.row, first : first + (self.blocks - 1) * self.block + width]
            target.unfold(0, width, self.block).transpose(2, 3).add_(part)


def _pieces(q: Tensor, k: Tensor, valid: Tensor, block: int) -> Iterator[_Piece]:
    """Cuts rows into pieces of about `SEGMENT` queries; the remainder at the end is a piece of its own.

    Where the row goes on, slabs are extended by masked keys to a multiple of `LANES`.
    """
    num_queries, reach = q.shape[1], k.shape[1] - q.shape[1]
    slab = block + reach + -(block + reach) % LANES
    many, whole = max(1, SEGMENT // block), max(0, (k.shape[1] - slab) // block + 1)
    sizes = [(start * block, block, min(many, whole - start), slab) for start in range(0, whole, many)]
    if left := num_queries - whole * block:
        sizes.append((whole * block, left, 1, left + reach))
    bands = {size: _band(*size, reach, q.dtype)[None, None] for size in {(piece[1], piece[3]) for piece in sizes}}
    all_valid = [bool(row.all()) for row in valid]
    for row, row_valid in enumerate(all_valid):
        for start, size, count, length in sizes:
            bias, sees_no_key = bands[size, length], None
            if not row_valid:
                seen = valid[row, start : start + (count - 1) * size + length]
                if not bool(seen.all()):
                    seen = seen.unfold(0, length, size)[:, None, None]
                    bias = bias.expand(count, -1, -1, -1).masked_fill(~seen, -torch.inf)
                    sees_no_key = (bias == -torch.inf).all(dim=-1)
            yield _Piece(row, start, size, count, bias, sees_no_key)


def _band(num_queries: int, num_keys: int, reach: int, dtype: torch.dtype) -> Tensor:
    """Returns (queries, keys): 0 where query i sees key j, 0 <= j - i <= reach, else minus infinity."""
    seen = torch.ones(num_queries, num_keys, dtype=torch.bool).triu().tril(reach)
    return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, -torch.inf)
