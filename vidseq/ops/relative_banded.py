"""Attention within a band whose scores also depend on the distance of a frame, by a learned vector per distance."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.exported import all_true

SEGMENT = 2048
"""Queries that are processed at a time, which bounds the workspace of a long video."""


def relative_banded_attention(
    q_content: Tensor, q_position: Tensor, k: Tensor, v: Tensor, positions: Tensor, valid: Tensor
) -> Tensor:
    """Softmax attention of every query to the key at its own position and the R keys before.

        score(i, j) = (q_content_i . k_j + q_position_i . positions_(i - j)) / sqrt(d),    0 <= i - j <= R

    As in `banded_attention`, blocks of queries meet overlapping slabs of keys, so the T x T matrix never exists.

    Args:
        q_content: queries for the content of a frame, (B, H, T, d).
        q_position: queries for its distance, (B, H, T, d).
        k: keys, (B, H, R + T, d); that of query i is at R + i.
        v: values, like `k`.
        positions: keys of the distances R to 0, in this order, (H, R + 1, d).
        valid: bool (B, R + T), False for keys that must not be seen; a query's own key must be valid.

    Returns:
        (B, H, T, d).
    """
    batch, heads, num_queries = q_content.shape[:3]
    reach = positions.shape[1] - 1
    block = min(num_queries, max(32, (reach + 1) // 2))
    padding = -num_queries % block
    q_content, q_position = (  # (B, H, blocks, block, d)
        F.pad(part, (0, 0, 0, padding)).unflatten(2, (-1, block)) for part in (q_content, q_position)
    )
    k, v = (F.pad(part, (0, 0, 0, padding)).unfold(2, block + reach, block).transpose(3, 4) for part in (k, v))
    known = F.pad(valid, (0, padding), value=True).unfold(1, block + reach, block)  # (B, blocks, slab)
    count = max(1, SEGMENT // block)
    reads = []
    for parts in zip(*(part.split(count, dim=2) for part in (q_content, q_position, k, v)), known.split(count, dim=1)):
        content, position, key, value, seen = parts
        bias = skew(position @ positions.mT[:, None]) * position.shape[-1] ** -0.5  # (B, H, blocks, block, slab)
        if not all_true(seen):
            bias = bias.masked_fill(~seen[:, None, :, None], -torch.inf)
        content, key, value, bias = (part.flatten(0, 1) for part in (content, key, value, bias))
        reads.append(F.scaled_dot_product_attention(content, key, value, attn_mask=bias))
    return torch.cat(reads, dim=1).unflatten(0, (batch, heads)).flatten(2, 3)[:, :, :num_queries]


def skew(scores: Tensor) -> Tensor:
    """Shifts row i to the right by i columns, so that columns stand for keys and no longer for distances.

        a b c        a b c · ·
        d e f   ──►  · d e f ·        · is minus infinity: outside the band
        g h i        · · g h i

    Source: the relative shift of Dai et al., arXiv:1901.02860, appendix B, here for a band.

    Args:
        scores: (..., rows, R + 1).

    Returns:
        (..., rows, R + rows).
    """
    rows, width = scores.shape[-2:]
    padded = F.pad(scores, (0, rows), value=-torch.inf).flatten(-2)
    return padded[..., : rows * (width - 1 + rows)].unflatten(-1, (rows, width - 1 + rows))
