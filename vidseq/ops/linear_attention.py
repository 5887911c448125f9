"""Attention by features of queries and keys: the past is a sum, so time and memory are linear in the frames."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.exported import all_valid

CHUNK = 64
"""Frames that are compared with one another directly; earlier frames are in the sums."""
SEGMENT = 4 * CHUNK
"""Frames whose features are made at a time, few enough to fit the processor's cache."""


class Sums(NamedTuple):
    """Sums over all keys so far; features are divided by e^top so that none overflows."""

    values: Tensor
    """Sum of phi(k_j) v_j, (B, H, m, d)."""
    weights: Tensor
    """Sum of phi(k_j), (B, H, m)."""
    top: Tensor
    """The largest log sum phi(k_j) so far, (B, H)."""


def empty_sums(values: Tensor, weights: Tensor) -> Sums:
    """Makes the sums before the first frame, like tensors of the right shape and dtype."""
    top = torch.full_like(weights[..., 0], torch.finfo(weights.dtype).min)
    return Sums(torch.zeros_like(values), torch.zeros_like(weights), top)


def causal_linear_attention(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, sums: Sums, log_features: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Sums]:
    """Attends from every frame to itself and all before it.

        y_t = sum_(j <= t) phi(q_t) . phi(k_j) v_j / sum_(j <= t) phi(q_t) . phi(k_j)

    Frames of a chunk are compared directly; earlier frames are read from the sums. Features exist only for the current
    chunk. A feature may be as large as e^|w|^2 or vanish. So keys are divided by the sum of their features, frame t by
    the largest such sum up to t, and the sums by the largest before the chunk, rescaled as it grows. No frame's scale
    depends on a later frame, and the scale cancels in y, so streaming is exact.

    Args:
        q: queries, (B, H, T, d).
        k: keys, like `q`.
        v: values, like `q`.
        valid: bool (B, T), a row's valid frames first.
        sums: of the earlier frames; not changed.
        log_features: maps (B, H, t, d) to the logarithms of positive features, (B, H, t, m).

    Returns:
        y (B, H, T, d), undefined where invalid, and the new sums.
    """
    reads, total, top = [], _joined(sums), sums.top
    parts = (part.split(SEGMENT, dim=2) for part in (q, k, v))
    for some_q, some_k, some_v, known in zip(*parts, valid.split(SEGMENT, dim=1)):
        read, total, top = _scan_segment(some_q, some_k, some_v, known, total, top, log_features)
        reads.append(read)
    return (reads[0] if len(reads) == 1 else torch.cat(reads, dim=2)), Sums(total[..., :-1], total[..., -1], top)


def _joined(sums: Sums) -> Tensor:
    """Returns sums of phi(k_j) [v_j, 1], (B, H, m, d + 1), so that one product reads both."""
    return torch.cat([sums.values, sums.weights[..., None]], dim=-1)


def _scan_segment(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    valid: Tensor,
    total: Tensor,
    top: Tensor,
    log_features: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs `causal_linear_attention` on one segment, all chunks at once; tensors are (B, H, chunks, C, ...)."""
    num_frames = q.shape[2]
    chunk = min(CHUNK, num_frames)
    v = F.pad(v, (0, 1), value=1)
    if not all_valid(valid):
        v = v.masked_fill(~valid[:, None, :, None], 0)
    q, k, v = (F.pad(part, (0, 0, 0, -num_frames % chunk)).unflatten(2, (-1, chunk)) for part in (q, k, v))
    phi_q, _ = _Scaled.apply(log_features(q))  # its scale cancels
    phi_k, scale = _scaled(log_features(k), F.pad(valid, (0, -num_frames % chunk)).unflatten(1, (-1, chunk)))
    highest = scale.detach().flatten(2)
    if highest.shape[2] > 1:  # ONNX has no maximum along frames
        highest = highest.cummax(dim=2).values
    tops = torch.maximum(highest, top[..., None]).unflatten(2, (-1, chunk))
    last = tops[..., -1]
    first = torch.cat([top[..., None], last[..., :-1]], dim=2)  # before each chunk

    ahead = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).triu(1)
    share = (scale[..., None, :] - tops[..., None]).masked_fill_(ahead, -torch.inf).exp_()  # scale of j over that of t
    written = phi_k.mT @ (v * (scale - last[..., None]).exp()[..., None])
    starts = []
    for new, kept in zip(written.unbind(2), (first - last).exp()[..., None, None].unbind(2)):
        starts.append(total)
        total = torch.addcmul(new, total, kept)
    read = (phi_q @ phi_k.mT * share) @ v + phi_q @ torch.stack(starts, dim=2) * (first[..., None] - tops).exp()[
        ..., None
    ]
    read = read[..., :-1] / _positive(read[..., -1:])
    return read.flatten(2, 3)[:, :, :num_frames], total, last[..., -1]


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, valid: Tensor, log_features: Callable[[Tensor], Tensor]
) -> Tensor:
    """Attends from every frame to all valid frames, past and future; arguments as in `causal_linear_attention`.

    Returns:
        y (B, H, T, d), undefined where invalid.
    """
    num_features = log_features(k[:, :, :1]).shape[-1]
    total = v.new_zeros(*v.shape[:2], num_features, v.shape[-1] + 1)
    top = torch.full_like(v[:, :, 0, 0], torch.finfo(v.dtype).min)
    v = F.pad(v, (0, 1), value=1).masked_fill(~valid[:, None, :, None], 0)
    for key, value, known in zip(k.split(SEGMENT, dim=2), v.split(SEGMENT, dim=2), valid.split(SEGMENT, dim=1)):
        phi_k, scale = _scaled(log_features(key), known)
        before, top = top, torch.maximum(scale.detach().amax(dim=2), top)
        written = phi_k.mT @ (value * (scale - top[..., None]).exp()[..., None])
        total = torch.addcmul(written, total, (before - top).exp()[..., None, None])
    reads = []
    for query in q.split(SEGMENT, dim=2):
        phi_q, _ = _Scaled.apply(log_features(query))
        read = phi_q @ total
        reads.append(read[..., :-1] / _positive(read[..., -1:]))
    return torch.cat(reads, dim=2)


class _Scaled(torch.autograd.Function):
    """Features divided by their sum, and the logarithm of that sum."""

    @staticmethod
    def forward(ctx: Any, log_phi: Tensor) -> tuple[Tensor, Tensor]:
        """Makes the features in one pass and the sum from the largest of them."""
        phi = log_phi.softmax(dim=-1)
        scale = log_phi.amax(dim=-1) - phi.amax(dim=-1).log()
        ctx.save_for_backward(phi)
        return phi, scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_phi: Tensor, grad_scale: Tensor) -> Tensor:
        """Adds the gradients of a softmax and of a log of a sum of exponentials."""
        (phi,) = ctx.saved_tensors
        return torch._softmax_backward_data(grad_phi, phi, -1, phi.dtype).addcmul_(phi, grad_scale[..., None])


def _scaled(log_phi: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Returns keys' features divided by their sum, (B, H, ..., m), and the log of that sum, (B, H, ...).

    The log is the least number where a key is invalid.
    """
    phi, scale = _Scaled.apply(log_phi)
    return phi, scale if all_valid(valid) else scale.masked_fill(~valid[:, None], torch.finfo(scale.dtype).min)


def _positive(weight: Tensor) -> Tensor:
    """Keeps a sum of positive numbers from rounding to 0."""
    return weight.clamp(min=torch.finfo(weight.dtype).tiny)
