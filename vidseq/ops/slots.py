"""A bank of memory slots that frames write and read, without a loop over frames."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.places import Places, join_parts

CHUNK = 16
"""Frames whose mutual influence is computed at once; time and memory grow with slots x CHUNK per frame."""
SEGMENT = 128 * CHUNK
"""Frames of a segment, which bounds the workspace of a long video."""


def slot_scan(
    query: Tensor,
    value: Tensor,
    write: Tensor,
    keep: Tensor,
    slot_keys: Tensor,
    memory: Tensor,
    places: Places | None = None,
) -> tuple[Tensor, Tensor]:
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
        query: (B, R, T, d).
        value: (B, R, T, d).
        write: (B, T, S), from 0 to 1; 0 where a frame is invalid.
        keep: (B, T, S), from 0 to 1; 1 where a frame is invalid.
        slot_keys: (R, S, d).
        memory: contents before the first frame, (B, R, S, d).
        places: where contents are wanted; None: after the last frame of each row.

    Returns:
        read (B, R, T, d), and the contents at the places (P, R, S, d).
    """
    reads, found, indices = [], [], []
    for start in range(0, query.shape[2], SEGMENT):
        part = slice(start, min(start + SEGMENT, query.shape[2]))
        inside, index = (None, None) if places is None else places.within(part.start, part.stop)
        parts = (query[:, :, part], value[:, :, part], write[:, part], keep[:, part])
        read, memory, contents = _scan_segment(*parts, slot_keys, memory, inside)
        reads.append(read)
        found.append(contents)
        indices.append(index)
    at_places = memory if places is None else join_parts(found, [index for index in indices if index is not None])
    return (reads[0] if len(reads) == 1 else torch.cat(reads, dim=2)), at_places


def _scan_segment(
    query: Tensor,
    value: Tensor,
    write: Tensor,
    keep: Tensor,
    slot_keys: Tensor,
    memory: Tensor,
    places: Places | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs `slot_scan` on one segment, all chunks at once; n counts chunks, t and j their frames.

    Returns the reads, the contents after the last frame, and those at the places.
    """
    num_frames = query.shape[2]
    chunk = min(CHUNK, num_frames)
    num_chunks = -(-num_frames // chunk)
    padding = num_chunks * chunk - num_frames
    query, value = (  # (B, n, R, t, d)
        F.pad(part, (0, 0, 0, padding)).unflatten(2, (num_chunks, chunk)).transpose(1, 2) for part in (query, value)
    )
    write = F.pad(write, (0, 0, 0, padding)).unflatten(1, (num_chunks, chunk))  # (B, n, t, S)
    keep = F.pad(keep, (0, 0, 0, padding), value=1).unflatten(1, (num_chunks, chunk))

    weights = _Weights.apply(write, keep)  # (B, n, t, S, j)
    kept = keep.cumprod(dim=2)  # (B, n, t, S)

    written = torch.einsum("bnsj,bnrjd->bnrsd", weights[:, :, -1], value)
    starts, after = _contents_at_chunks(kept[:, :, -1], written, memory)  # (B, n, R, S, d)
    contents = memory[:0] if places is None else _contents_at(places, kept, weights, value, starts)

    likeness = torch.einsum("bnrtd,bnrjd->bntjr", query, value)
    old, new = torch.einsum("bnrtd,bnrsd->bntsr", query, starts), weights @ likeness  # (B, n, t, S, R)
    keys = torch.einsum("bnrtd,rsd->bntsr", query, slot_keys)
    scores = (keys + kept[..., None] * old + new) * query.shape[-1] ** -0.5
    address = scores.softmax(dim=3).transpose(3, 4)  # (B, n, t, R, S)

    read_old = torch.einsum("bntrs,bnrsd->bnrtd", address * kept[:, :, :, None], starts)
    read_new = torch.einsum("bntrj,bnrjd->bnrtd", address @ weights, value)
    read = (read_old + read_new).transpose(1, 2).flatten(2, 3)
    return read[:, :, :num_frames], after, contents


def _contents_at(places: Places, kept: Tensor, weights: Tensor, value: Tensor, starts: Tensor) -> Tensor:
    """Returns the contents at places of a segment, (P, R, S, d): what a chunk's start has left, and what was added."""
    rows, frame, chunk = places.rows, (places.seen - 1).clamp(min=0), kept.shape[2]
    at = (rows, frame // chunk, frame % chunk)
    first = (places.seen == 0)[:, None]  # before the first frame
    share = kept[at].masked_fill(first, 1)
    added = weights[at].masked_fill(first[..., None], 0)[:, None] @ value[at[:2]]
    return torch.addcmul(added, share[:, None, :, None], starts[at[:2]])


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
