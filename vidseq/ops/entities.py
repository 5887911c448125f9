"""Memories whose gates depend on their contents: a loop over frames in which each frame is cheap."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vidseq.ops.exported import is_exporting


def entity_scan(
    x: Tensor, matches: Tensor, news: Tensor, constant: Tensor, weight: Tensor, slope: Tensor, memory: Tensor
) -> Tensor:
    """Lets every frame update every memory h_j.

        g_j  = sigmoid(x_t . h_j + matches_tj)                      is this frame about j?
        c_j  = prelu(weight h_j + constant_j + news_t)              new content
        h_j <- (h_j + g_j c_j) / |h_j + g_j c_j|

    The backward pass is written by hand: few operations per frame in two loops, and the rest on all frames at once.

    Source: Henaff et al., arXiv:1612.03969, section 2.2; prelu with one slope.

    Args:
        x: frames, (T, B, d); T at least 1.
        matches: the rest of the gates' logits, (T, B, S).
        news: what a frame adds to the candidates of all memories, (T, B, d).
        constant: what a memory adds to its candidates at all frames, (S, d).
        weight: (d, d).
        slope: of the prelu below 0, (1,).
        memory: before the first frame, (B, S, d).

    Returns:
        the memories after each frame, (T, B, S, d).
    """
    if is_exporting():
        return _read_plainly(x, matches, news, constant, weight, slope, memory)
    return _EntityScan.apply(x, matches, news, constant, weight, slope, memory)


def _read_plainly(
    x: Tensor, matches: Tensor, news: Tensor, constant: Tensor, weight: Tensor, slope: Tensor, memory: Tensor
) -> Tensor:
    """Runs `entity_scan` by operators that can be exported."""
    memories = []
    for frame, match, new in zip(x, matches, news):
        inner = memory @ weight.T + constant + new[:, None]
        gate = (memory @ frame[..., None] + match[..., None]).sigmoid()
        memory = F.normalize(memory + gate * torch.where(inner > 0, inner, slope * inner), dim=-1)
        memories.append(memory)
    return torch.stack(memories)


class _EntityScan(torch.autograd.Function):
    """Entity memories; time is the first dimension inside."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        matches: Tensor,
        news: Tensor,
        constant: Tensor,
        weight: Tensor,
        slope: Tensor,
        start: Tensor,
    ) -> Tensor:
        """Runs five small operations and one matrix product per frame."""
        num_frames, (batch, slots, dim) = len(x), start.shape
        x, weight, below = x.contiguous(), weight.contiguous(), float(slope.detach())
        memories = start.new_empty(num_frames + 1, batch, slots, dim)
        memories[0] = start
        inner = news[:, :, None] + constant  # becomes the input of the prelu
        gates = matches[..., None].clone()
        norms = torch.empty_like(gates)
        change, weight_t = torch.empty_like(start), weight.T.contiguous()
        whole, rows = memories.unbind(0), memories.flatten(1, 2).unbind(0)
        for frame, before, row, after, into, flat, gate, norm in zip(
            x[..., None].unbind(0),
            whole,
            rows,
            whole[1:],
            inner.flatten(1, 2).unbind(0),
            inner.unbind(0),
            gates.unbind(0),
            norms.unbind(0),
        ):
            into.addmm_(row, weight_t)
            gate.baddbmm_(before, frame).sigmoid_()
            torch.addcmul(before, gate, F.leaky_relu(flat, below), out=change)
            torch.linalg.vector_norm(change, dim=-1, keepdim=True, out=norm)
            torch.div(change, norm, out=after)
        ctx.save_for_backward(x, weight, slope, memories, inner, gates, norms)
        return memories[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Runs from the last frame to the first, through the norm, the gate and the candidate."""
        x, weight, slope, memories, inner, gates, norms = ctx.saved_tensors
        to_match = F.leaky_relu(inner, float(slope)).mul_(gates * (1 - gates))
        to_inner = (inner > 0).to(inner.dtype).mul_(1 - slope).add_(slope).mul_(gates)
        grad_matches, changes = torch.empty_like(gates), torch.empty_like(inner)
        total, product, dot = (torch.zeros_like(part) for part in (memories[0], memories[0], gates[0]))
        grad_inner = torch.empty_like(total)
        flat_total, flat_inner = total.flatten(0, 1), grad_inner.flatten(0, 1)
        parts = (x[:, :, None], gradients[0], memories[1:], norms, to_match, to_inner, grad_matches, changes)
        frames = [part.unbind(0) for part in (*parts, changes.flatten(1, 2))]
        for frame, gradient, after, norm, match, into, grad_match, change, row in reversed([*zip(*frames)]):
            total += gradient
            torch.mul(after, total, out=product)
            torch.sum(product, dim=-1, keepdim=True, out=dot)
            torch.addcmul(total, after, dot, value=-1, out=change).div_(norm)
            torch.mul(change, match, out=product)
            torch.sum(product, dim=-1, keepdim=True, out=grad_match)
            torch.mul(change, into, out=grad_inner)
            torch.addmm(row, flat_inner, weight, out=flat_total)
            total.addcmul_(grad_match, frame)
        grad_slope = (changes * inner.clamp_(max=0)).mul_(gates).sum().view(1)
        grad_inners = changes.mul_(to_inner)
        grad_x = (grad_matches.mT @ memories[:-1]).squeeze(2)
        grad_weight = grad_inners.flatten(0, 2).T @ memories[:-1].flatten(0, 2)
        grad_constant = grad_inners.sum((0, 1))
        return grad_x, grad_matches[..., 0], grad_inners.sum(2), grad_constant, grad_weight, grad_slope, total
