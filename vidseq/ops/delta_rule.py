"""Fast weights written by the delta rule, without a loop over frames."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.places import Places, join_parts

CHUNK = 64
"""Frames whose mutual influence is solved at once; time and memory grow with d + CHUNK per frame."""
SEGMENT = 16 * CHUNK
"""Frames of a segment, which bounds the workspace of a long video."""


def delta_rule(
    q: Tensor, k: Tensor, v: Tensor, rate: Tensor, memory: Tensor, places: Places | None = None
) -> tuple[Tensor, Tensor]:
    """Stores key/value pairs in a matrix M; a pair replaces the value of its key. Reads after each write.

        new_t  = rate_t (v_t - M_(t-1)^T k_t)       what M lacks
        M_t    = M_(t-1) + k_t new_t^T
        read_t = M_t^T q_t

    Within a chunk that starts from M_0, new_t + rate_t sum_(j < t) (k_t . k_j) new_j = rate_t (v_t - M_0^T k_t): a
    triangular system with the same matrix for every M_0. So all chunks are solved at once for v and for k, and M is
    only computed at the chunk borders.

    Source: Schlag et al., arXiv:2102.11174, section 4.2; in chunks: Yang et al., arXiv:2406.06484, section 3.

    Args:
        q: queries, (B, H, T, d_k).
        k: keys, of length 1 at most so that M cannot explode, (B, H, T, d_k).
        v: values, (B, H, T, d_v).
        rate: (B, H, T), from 0 to 1; 0 where a frame is invalid.
        memory: M before the first frame, (B, H, d_k, d_v).
        places: where M is wanted; None: after the last frame of each row.

    Returns:
        read (B, H, T, d_v), and M at the places (P, H, d_k, d_v).
    """
    reads, found, indices = [], [], []
    segments = (part.split(SEGMENT, dim=2) for part in (q, k, v, rate[..., None]))
    for start, some_q, some_k, some_v, some_rate in zip(range(0, q.shape[2], SEGMENT), *segments):
        inside, index = (None, None) if places is None else places.within(start, start + some_q.shape[2])
        read, memory, contents = _scan_segment(some_q, some_k, some_v, some_rate, memory, inside)
        reads.append(read)
        found.append(contents)
        indices.append(index)
    at_places = memory if places is None else join_parts(found, [index for index in indices if index is not None])
    return (reads[0] if len(reads) == 1 else torch.cat(reads, dim=2)), at_places


def _scan_segment(
    q: Tensor, k: Tensor, v: Tensor, rate: Tensor, memory: Tensor, places: Places | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs `delta_rule` on one segment, all chunks at once; tensors are (B, H, chunks, C, ...).

    Returns the reads, M after the last frame, and M at the places.
    """
    num_frames = q.shape[2]
    chunk = min(CHUNK, num_frames)
    q, k, v, rate = (F.pad(part, (0, 0, 0, -num_frames % chunk)).unflatten(2, (-1, chunk)) for part in (q, k, v, rate))
    solved = rate * torch.cat([k, v], dim=-1)
    if chunk > 1:
        influence = (rate * k @ k.mT).tril(-1)
        solved = torch.linalg.solve_triangular(influence, solved, upper=False, unitriangular=True)
    starts, news = [], []
    for key, known, value in zip(*(part.unbind(2) for part in (k, *solved.split([k.shape[-1], v.shape[-1]], dim=-1)))):
        starts.append(memory)
        news.append(value - known @ memory)
        memory = memory + key.mT @ news[-1]
    start, new = torch.stack(starts, dim=2), torch.stack(news, dim=2)
    read = q @ start + (q @ k.mT).tril() @ new
    at_places = memory[:0] if places is None else _memory_at(places, start, k, new)
    return read.flatten(2, 3)[:, :, :num_frames], memory, at_places


def _memory_at(places: Places, start: Tensor, k: Tensor, new: Tensor) -> Tensor:
    """Returns M at places of a segment, (P, H, d_k, d_v): that of a chunk's start, and what its frames have added."""
    rows, chunk = places.rows, k.shape[3]
    index = (places.seen - 1).clamp(min=0) // chunk
    added = torch.arange(chunk, device=k.device) < (places.seen - index * chunk)[:, None]
    keys = k[rows, :, index].masked_fill(~added[:, None, :, None], 0)
    return start[rows, :, index] + keys.mT @ new[rows, :, index]
