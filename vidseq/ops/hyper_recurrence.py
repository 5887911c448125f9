"""The recurrence of a HyperLSTM, with a backward pass written by hand."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def hyper_recurrence(
    inputs: Tensor,
    small_inputs: Tensor,
    both: Tensor,
    cell: Tensor,
    small_cell: Tensor,
    weight: Tensor,
    small_weight: Tensor,
    scale: Tensor,
    scale_bias: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Runs a small LSTM that scales the weight rows of a large one, over frames whose input products are precomputed.

        small  = LSTM cell of (small_inputs_t + small_weight [h_(t-1), s_(t-1)]), gives s_t
        d      = scale s_t + scale_bias, three vectors d_h, d_x, d_b
        large  = LSTM cell of (d_h * (weight h_(t-1)) + d_x * inputs_t + d_b), gives h_t

    The backward pass computes slopes for all frames at once before, and weight gradients after, so that a frame takes
    some ten operations.

    Args:
        inputs: (B, T, 4 D); gates in the order o, i, f, g, here and below.
        small_inputs: (B, T, 4 S).
        both: h and s before the first frame, (B, D + S).
        cell: the large cell before the first frame, (B, D).
        small_cell: the small one, (B, S).
        weight: (4 D, D).
        small_weight: (4 S, D + S).
        scale: (12 D, S), for d_h, d_x, d_b.
        scale_bias: (12 D).

    Returns:
        after every frame: h and s (B, T, D + S), the large cell (B, T, D), the small cell (B, T, S).
    """
    return _HyperRecurrence.apply(
        inputs, small_inputs, both, cell, small_cell, weight, small_weight, scale, scale_bias
    )


class _Cell(NamedTuple):
    """An LSTM cell at every frame, with what its backward pass needs; time first."""

    gates: Tensor
    """o, i, f, g, (T, B, 4 N)."""
    cells: Tensor
    """c, starting before the first frame, (1 + T, B, N)."""
    shown: Tensor
    """tanh(c), (T, B, N)."""

    @classmethod
    def empty(cls, cell: Tensor, num_frames: int) -> "_Cell":
        """Allocates frames after a cell (B, N)."""
        batch, width = cell.shape
        gates = cell.new_empty(num_frames, batch, 4 * width)
        return cls(gates, _with_room_after(cell, num_frames), cell.new_empty(num_frames, batch, width))

    def steps(self, hidden: Sequence[Tensor]) -> Callable[[int], None]:
        """Returns a function that turns frame t's gate sums into gates, c and h; it writes h to hidden[t + 1]."""
        width = self.shown.shape[-1]
        sigmoids, (o, i, f, g) = self.gates[..., : 3 * width].unbind(0), self._each()
        cells, shown = self.cells.unbind(0), self.shown.unbind(0)

        def step(t: int) -> None:
            sigmoids[t].sigmoid_()
            g[t].tanh_()
            torch.mul(f[t], cells[t], out=cells[t + 1]).addcmul_(i[t], g[t])
            torch.tanh(cells[t + 1], out=shown[t])
            torch.mul(o[t], shown[t], out=hidden[t + 1])

        return step

    def steps_back(self, grad_hidden: Sequence[Tensor], grad_cells: Tensor) -> tuple[Tensor, Callable[[int], None]]:
        """Returns the gradient of the gate sums (T, B, 4 N), and a function that fills in frame t.

        The function reads the gradient of h from grad_hidden[t + 1], and adds to that of c, (1 + T, B, N), at t + 1
        and t.
        """
        o, i, f, g = self.gates.chunk(4, dim=-1)
        slopes = [self.shown * o * (1 - o), g * i * (1 - i), self.cells[:-1] * f * (1 - f), i * (1 - g**2)]
        grad_gates = torch.stack(slopes, dim=2)
        grad_o, grad_rest = grad_gates[:, :, 0].unbind(0), grad_gates[:, :, 1:].unbind(0)
        through, keep, grad_cell = (o * (1 - self.shown**2)).unbind(0), self._each()[2], grad_cells.unbind(0)

        def step(t: int) -> None:
            now = grad_cell[t + 1].addcmul_(grad_hidden[t + 1], through[t])
            grad_o[t].mul_(grad_hidden[t + 1])
            grad_rest[t].mul_(now[:, None])
            grad_cell[t].addcmul_(now, keep[t])

        return grad_gates.flatten(2), step

    def _each(self) -> list[tuple[Tensor, ...]]:
        return [part.unbind(0) for part in self.gates.chunk(4, dim=-1)]


def _with_room_after(first: Tensor, num_frames: int) -> Tensor:
    """Allocates (1 + T, B, N) and fills in the first."""
    return torch.cat([first[None], first.new_empty(num_frames, *first.shape)])


def _from_zeros(gradient: Tensor) -> Tensor:
    """Lays out the gradient of frames (B, T, N) as (1 + T, B, N), with zeros for the frame before the first."""
    return torch.cat([torch.zeros_like(gradient[:, :1]), gradient], dim=1).transpose(0, 1).contiguous()


class _HyperRecurrence(torch.autograd.Function):
    """HyperLSTM recurrence; time is the first dimension inside, so that a frame is contiguous."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        small_inputs: Tensor,
        both: Tensor,
        cell: Tensor,
        small_cell: Tensor,
        weight: Tensor,
        small_weight: Tensor,
        scale: Tensor,
        scale_bias: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Keeps gates, scales and products of every frame."""
        num_frames, dim = inputs.shape[1], cell.shape[1]
        both = _with_room_after(both, num_frames)
        h, s = both[..., :dim].unbind(0), both[..., dim:].unbind(0)
        large, small = (_Cell.empty(part, num_frames) for part in (cell, small_cell))
        product = inputs.new_empty(num_frames, len(inputs), len(weight))
        scales = inputs.new_empty(num_frames, len(inputs), len(scale))
        d_h, d_x, d_b = (part.unbind(0) for part in scales.chunk(3, dim=-1))
        frames, products, seen = scales.unbind(0), product.unbind(0), both.unbind(0)
        gates, small_gates = large.gates.unbind(0), small.gates.unbind(0)
        large_steps, small_steps = large.steps(h), small.steps(s)
        turned, small_turned, scale_turned = (part.T for part in (weight, small_weight, scale))
        for t, (now, small_now) in enumerate(zip(inputs.unbind(1), small_inputs.unbind(1))):
            torch.addmm(small_now, seen[t], small_turned, out=small_gates[t])
            small_steps(t)
            torch.addmm(scale_bias, s[t + 1], scale_turned, out=frames[t])
            torch.mm(h[t], turned, out=products[t])
            torch.addcmul(d_b[t], d_h[t], products[t], out=gates[t]).addcmul_(d_x[t], now)
            large_steps(t)
        ctx.save_for_backward(inputs, both, product, scales, weight, small_weight, scale, *large, *small)
        return both[1:].transpose(0, 1), large.cells[1:].transpose(0, 1), small.cells[1:].transpose(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_both: Tensor, grad_cells: Tensor, grad_small_cells: Tensor) -> tuple[Tensor, ...]:
        """Runs from the last frame to the first."""
        inputs, both, product, scales, weight, small_weight, scale, *cells = ctx.saved_tensors
        large, small = _Cell(*cells[:3]), _Cell(*cells[3:])
        dim, (d_h, d_x, _) = weight.shape[1], scales.chunk(3, dim=-1)
        grad_both, grad_cells, grad_small_cells = map(_from_zeros, (grad_both, grad_cells, grad_small_cells))
        grad_seen, grad_h, grad_s = grad_both.unbind(0), grad_both[..., :dim].unbind(0), grad_both[..., dim:].unbind(0)
        grad_gates, large_steps = large.steps_back(grad_h, grad_cells)
        grad_small_gates, small_steps = small.steps_back(grad_s, grad_small_cells)
        inputs = inputs.transpose(0, 1)
        grad_scales = torch.stack([product, inputs, torch.ones_like(inputs)], dim=2)  # times the gates' gradients
        grad_product = d_h.clone(memory_format=torch.contiguous_format)  # likewise
        gates, small_gates, products = grad_gates.unbind(0), grad_small_gates.unbind(0), grad_product.unbind(0)
        frames, rows = grad_scales.unbind(0), grad_scales.flatten(2).unbind(0)
        for t in reversed(range(len(product))):
            large_steps(t)
            frames[t].mul_(gates[t][:, None])
            products[t].mul_(gates[t])
            grad_s[t + 1].addmm_(rows[t], scale)
            small_steps(t)
            grad_seen[t].addmm_(small_gates[t], small_weight)
            grad_h[t].addmm_(products[t], weight)
        all_scales, all_small = grad_scales.flatten(2).flatten(0, 1), grad_small_gates.flatten(0, 1)
        seen = both[:-1].flatten(0, 1)
        return (
            (grad_gates * d_x).transpose(0, 1),
            grad_small_gates.transpose(0, 1),
            grad_both[0],
            grad_cells[0],
            grad_small_cells[0],
            grad_product.flatten(0, 1).T @ seen[:, :dim],
            all_small.T @ seen,
            all_scales.T @ both[1:, :, dim:].flatten(0, 1),
            all_scales.sum(dim=0),
        )
