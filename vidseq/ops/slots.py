"""A bank of memory slots that frames write and read, without a loop over frames."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.places import Places, join_parts, side_by_side, spread

CHUNK = 16
"""Frames whose mutual influence is computed at once; time and memory grow with slots x CHUNK per frame."""
SEGMENT = 128 * CHUNK
"""Frames of a segment, which bounds the workspace of a long video."""


class SlotFrames(NamedTuple):
    """What frames ask of slots and write into them; for queries N and no dimension T."""

    query: Tensor
    """(B, R, T, d)."""
    value: Tensor
    """(B, R, T, d)."""
    write: Tensor
    """(B, T, S), from 0 to 1; 0 where a frame is invalid."""
    keep: Tensor
    """(B, T, S), from 0 to 1; 1 where a frame is invalid."""


class SlotQueries(NamedTuple):
    """Queries, each read as the next frame at its place."""

    frames: SlotFrames
    """(N, R, d), (N, R, d), (N, S) and (N, S)."""
    places: Places
    """Of each query."""


def slot_scan(
    frames: SlotFrames, slot_keys: Tensor, memory: Tensor, queries: SlotQueries | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Writes frames into slots and reads the slots after each write.

    With slots s, frames t and readers r; each reader has its own part of every slot's content M:

        M_t[s] = keep_t[s] M_(t-1)[s] + write_t[s] value_t                   write
        p_t[s] = softmax_s(query_t . (slot_keys[s] + M_t[s]) / sqrt(d))      address by key and by content
        read_t = sum_s p_t[s] M_t[s]                                         read

    M_t is linear in the values written since the start of a chunk: M_t[s] = A_t[s] M_0[s] + sum_j W_tj[s] value_j,
    where A and W are products of `keep`. So addressing and reading are products of small matrices, and contents are
    only computed at the chunk borders. Products are multiplied out, without logarithms or quotients, so that full
    erasures lose no digits.

    Args:
        frames: the frames.
        slot_keys: (R, S, d).
        memory: contents before the first frame, (B, R, S, d).
        queries: read by the way; None: none.

    Returns:
        read (B, R, T, d), the contents after the last frame (B, R, S, d), and what queries read, (N, R, d).
    """
    num_frames, reads, answers, indices = frames.query.shape[2], [], [], []
    for start in range(0, num_frames, SEGMENT):
        stop = min(start + SEGMENT, num_frames)
        query, value, write, keep = frames
        part = SlotFrames(query[:, :, start:stop], value[:, :, start:stop], write[:, start:stop], keep[:, start:stop])
        read, memory, chunks = _scan_segment(part, slot_keys, memory)
        reads.append(read)
        if queries is not None:
            places, index = queries.places.within(start, stop)
            some = SlotFrames(*(part.index_select(0, index) for part in queries.frames))
            answers.append(_answer(chunks, slot_keys, SlotQueries(some, places)))
            indices.append(index)
    whole = reads[0] if len(reads) == 1 else torch.cat(reads, dim=2)
    return whole, memory, join_parts(answers, indices) if answers else memory[:0, :, 0]


class _Chunks(NamedTuple):
    """A segment in n chunks; t and j count a chunk's frames."""

    starts: Tensor
    """Contents before each chunk, (B, n, R, S, d)."""
    kept: Tensor
    """Share of these after each frame, (B, n, t, S)."""
    weights: Tensor
    """Weight of frame j's value in the contents after frame t, (B, n, t, S, j)."""
    value: Tensor
    """(B, n, R, j, d)."""


def _scan_segment(frames: SlotFrames, slot_keys: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, _Chunks]:
    """Runs `slot_scan` on one segment, all chunks at once; returns the reads, the contents after it, the chunks."""
    num_frames = frames.query.shape[2]
    chunk = min(CHUNK, num_frames)
    num_chunks = -(-num_frames // chunk)
    padding = num_chunks * chunk - num_frames
    query, value = (  # (B, n, R, t, d)
        F.pad(part, (0, 0, 0, padding)).unflatten(2, (num_chunks, chunk)).transpose(1, 2) for part in frames[:2]
    )
    write = F.pad(frames.write, (0, 0, 0, padding)).unflatten(1, (num_chunks, chunk))  # (B, n, t, S)
    keep = F.pad(frames.keep, (0, 0, 0, padding), value=1).unflatten(1, (num_chunks, chunk))

    weights = _Weights.apply(write, keep)  # (B, n, t, S, j)
    kept = keep if chunk == 1 else keep.cumprod(dim=2)  # (B, n, t, S); ONNX has no product along frames

    written = torch.einsum("bnsj,bnrjd->bnrsd", weights[:, :, -1], value)
    starts, memory = _contents_at_chunks(kept[:, :, -1], written, memory)  # (B, n, R, S, d)

    likeness = torch.einsum("bnrtd,bnrjd->bntjr", query, value)
    old, new = torch.einsum("bnrtd,bnrsd->bntsr", query, starts), weights @ likeness  # (B, n, t, S, R)
    keys = torch.einsum("bnrtd,rsd->bntsr", query, slot_keys)
    scores = (keys + kept[..., None] * old + new) * query.shape[-1] ** -0.5
    address = scores.softmax(dim=3).transpose(3, 4)  # (B, n, t, R, S)

    read_old = torch.einsum("bntrs,bnrsd->bnrtd", address * kept[:, :, :, None], starts)
    read_new = torch.einsum("bntrj,bnrjd->bnrtd", address @ weights, value)
    read = (read_old + read_new).transpose(1, 2).flatten(2, 3)
    return read[:, :, :num_frames], memory, _Chunks(starts, kept, weights, value)


def _answer(chunks: _Chunks, slot_keys: Tensor, queries: SlotQueries) -> Tensor:
    """Lets queries (N, ...) read the contents at their places, (N, R, d), without computing these contents.

    Before a query is written, M = A M_0 + sum_j W_j value_j with the chunk's start M_0. Queries of a chunk share M_0
    and the values, so their products with both are those of matrices.
    """
    (query, value, write, keep), (rows, seen) = queries
    num_chunks, size = chunks.kept.shape[1:3]
    chunk, frame = (seen - 1).clamp(min=0) // size, (seen - 1).clamp(min=0) % size
    first = (seen == 0)[:, None]  # before the first frame
    flat = (rows * num_chunks + chunk) * size + frame
    share = chunks.kept.flatten(0, 2).index_select(0, flat).masked_fill(first, 1)  # A, (N, S)
    weights = chunks.weights.flatten(0, 2).index_select(0, flat).masked_fill(first[..., None], 0)  # W, (N, S, j)
    starts, values = chunks.starts.flatten(0, 1), chunks.value.flatten(0, 1)  # (C, R, S, d), (C, R, j, d)
    slots, width = side_by_side(rows * num_chunks + chunk, len(starts))

    def multiply(x: Tensor, matrices: Tensor) -> Tensor:
        """Multiplies each query's x (N, R, a) by the matrices of its chunk, (C, R, a, b): (N, R, b)."""
        together = spread(x, slots, (len(starts), width)).transpose(1, 2) @ matrices
        return together.transpose(1, 2).flatten(0, 1).index_select(0, slots)

    old, new = multiply(query, starts.mT), multiply(query, values.mT) @ weights.mT
    content = keep[:, None] * (share[:, None] * old + new)
    content = content + write[:, None] * (query * value).sum(dim=-1, keepdim=True)
    keys = torch.einsum("nrd,rsd->nrs", query, slot_keys)
    address = ((keys + content) * query.shape[-1] ** -0.5).softmax(dim=-1)  # (N, R, S)
    kept = address * keep[:, None]
    read = multiply(kept * share[:, None], starts) + multiply(kept @ weights, values)
    return read + (address * write[:, None]).sum(dim=-1, keepdim=True) * value


class _Weights(torch.autograd.Function):
    """Weight of frame j's value in slot s after frame t.

        W_t[s, j] = keep_t[s] W_(t-1)[s, j] + [t = j] write_t[s]

    Written by hand, because autograd would keep a copy of W for every frame of a chunk.
    """

    @staticmethod
    def forward(ctx: Any, write: Tensor, keep: Tensor) -> Tensor:
        """Computes W (B, n, t, S, j) from write and keep (B, n, t, S)."""
        weights = torch.diag_embed(write.transpose(2, 3), dim1=2, dim2=4)
        frames, shares = weights.unbind(2), keep[..., None].unbind(2)
        for now, before, share in zip(frames[1:], frames, shares[1:]):
            now.addcmul_(before, share)
        ctx.save_for_backward(weights, keep)
        return weights

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Runs the same recurrence from the last frame to the first."""
        weights, keep = ctx.saved_tensors
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        frames, shares = total.unbind(2), keep[..., None].unbind(2)
        for frame in reversed(range(len(frames) - 1)):
            frames[frame].addcmul_(frames[frame + 1], shares[frame + 1])
        grad_write = total.diagonal(dim1=2, dim2=4).transpose(2, 3)
        grad_keep = torch.einsum("bntsj,bntsj->bnts", total[:, :, 1:], weights[:, :, :-1])
        return grad_write, F.pad(grad_keep, (0, 0, 1, 0))


def _contents_at_chunks(kept: Tensor, written: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the contents before each chunk (B, n, R, S, d) and after the last, from kept shares and new values."""
    starts = []
    for share, new in zip(kept[:, :, None, :, None].unbind(1), written.unbind(1)):
        starts.append(memory)
        memory = torch.addcmul(new, share, memory)
    return torch.stack(starts, dim=1), memory
