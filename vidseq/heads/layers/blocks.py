"""A residual stack of streaming layers, and helpers for torch's recurrent kernels and for states."""

import abc
import itertools
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from vidseq.ops.exported import all_true, all_valid
from vidseq.ops.live import is_live
from vidseq.ops.places import PlacedQueries, Places
from vidseq.ops.recent import latest

#: A layer's state: tensors, batch first.
LayerState = tuple[Tensor, ...]


SEGMENT = 1024
"""Frames of a segment of recurrent heads where no gradients are wanted."""


class Layer(nn.Module, abc.ABC):
    """One layer of a streaming head: takes x (B, T, D) and a state, returns y (B, T, D) and the new state."""

    @abc.abstractmethod
    def init_state(self, batch_size: int) -> LayerState:
        """Makes the state before the first frame."""

    @abc.abstractmethod
    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; `x`, `mask` and the new state are as in `TemporalHead.scan`."""

    @abc.abstractmethod
    def read_with_queries(
        self, x: Tensor, state: LayerState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, LayerState, Tensor]:
        """Reads new frames and answers queries, each as the next frame; see `TemporalHead.scan_with_queries`."""

    def answer(self, queries: Tensor, states: LayerState) -> Tensor:
        """Answers queries (N, D), each as the next frame of a stream of its own, with states (N, ...)."""
        alone = torch.ones(len(queries), 1, dtype=torch.bool, device=queries.device)
        return self(queries[:, None], states, alone)[0][:, 0]


class PlacedLayer(Layer):
    """A layer that computes its state at some places only."""

    @abc.abstractmethod
    def read_at(self, x: Tensor, state: LayerState, mask: Tensor, places: Places) -> tuple[Tensor, LayerState]:
        """Reads new frames as `forward` does, but returns the states at places, each tensor (P, ...)."""

    def read_with_queries(
        self, x: Tensor, state: LayerState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, LayerState, Tensor]:
        """Reads new frames and answers queries; see `Layer`."""
        places, index = queries.places.distinct()
        y, states = self.read_at(x, state, mask, places.then(Places.ends(mask)))
        ends = tuple(part[len(places.rows) :] for part in states)
        return y, ends, self.answer(queries.vectors, tuple(part.index_select(0, index) for part in states))


class FramewiseLayer(Layer):
    """A layer that computes its state after every frame anyway."""

    @abc.abstractmethod
    def read_frames(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; returns y and the states after every frame, each tensor (B, T, ...).

        Both are undefined where a frame is invalid.
        """

    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames; see `Layer`."""
        y, frames = self.read_frames(x, state, mask)
        return y, self._at_ends(frames, state, mask)

    def read_with_queries(
        self, x: Tensor, state: LayerState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, LayerState, Tensor]:
        """Reads new frames and answers queries; see `Layer`."""
        y, frames = self.read_frames(x, state, mask)
        states = (queries.places.newest(after, before).to(before.dtype) for after, before in zip(frames, state))
        return y, self._at_ends(frames, state, mask), self.answer(queries.vectors, tuple(states))

    def _at_ends(self, frames: LayerState, state: LayerState, mask: Tensor) -> LayerState:
        return tuple(last_valid(after, before, mask).to(before.dtype) for after, before in zip(frames, state))


class LiveLayer(FramewiseLayer):
    """A layer whose output is the first tensor of its state, with a fast path for one live frame."""

    @abc.abstractmethod
    def read_live(self, x: Tensor, state: LayerState) -> LayerState:
        """Returns the state after x (B, D), one valid frame per row."""


class ResidualStack(nn.Module):
    """A stack of layers. Each follows a LayerNorm and has a residual connection, so that deep stacks train.

        x = x + layer(norm(x))    for every layer;    y = norm(x) at the end

    Not causal: every layer has a second one that reads the video backwards; their outputs are added.
    """

    def __init__(self, dim: int, layers: Iterable[Layer], *, dropout: float, backward: Iterable[Layer] = ()) -> None:
        super().__init__()
        self.layers = cast("list[Layer]", nn.ModuleList(layers))
        self.backward_layers = cast("list[Layer]", nn.ModuleList(backward))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in self.layers)
        self.last_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self._live = all(isinstance(layer, LiveLayer) for layer in self.layers)

    def init_state(self, batch_size: int) -> LayerState:
        """Makes the stacked states of all layers, each tensor (B, layers, ...)."""
        return _stack_states([layer.init_state(batch_size) for layer in self.layers])

    def forward(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads new frames through all layers; see `TemporalHead.scan`."""
        if self._live and is_live(x):
            return self._read_live(x, state, mask)
        states = []
        for index, (norm, layer) in enumerate(zip(self.norms, self.layers)):
            y, new_state = layer(norm(x), tuple(part[:, index] for part in state), mask)
            x = x + (self.dropout(y) if self.training else y)
            states.append(new_state)
        return self.last_norm(x), _stack_states(states)

    def read_with_queries(
        self, x: Tensor, state: LayerState, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, LayerState, Tensor]:
        """Reads new frames and answers queries; see `TemporalHead.scan_with_queries`."""
        states, (asked, places) = [], queries
        for index, (norm, layer) in enumerate(zip(self.norms, self.layers)):
            before = tuple(part[:, index] for part in state)
            y, new_state, answers = layer.read_with_queries(norm(x), before, mask, PlacedQueries(norm(asked), places))
            x, asked = x + self.dropout(y), asked + self.dropout(answers)
            states.append(new_state)
        return self.last_norm(x), _stack_states(states), self.last_norm(asked)

    def _read_live(self, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
        """Reads one live frame per row; the mask is False for rows that have none."""
        x, states, whole = x.squeeze(1), [], all_valid(mask)
        layers = cast("list[LiveLayer]", self.layers)
        for norm, layer, old in zip(self.norms, layers, zip(*(part.unbind(1) for part in state))):
            new = layer.read_live(norm(x), old)
            x = x + (self.dropout(new[0]) if self.training else new[0])
            states.append(new if whole else tuple(torch.where(mask, after, before) for after, before in zip(new, old)))
        return self.last_norm(x).unsqueeze(1), _stack_states(states)

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos in both directions; see `TemporalHead.forward_noncausal`."""
        batch_size = x.shape[0]
        for norm, ahead, back in zip(self.norms, self.layers, self.backward_layers, strict=True):
            normed = norm(x).masked_fill(~mask[..., None], 0)
            y, _ = ahead(normed, ahead.init_state(batch_size), mask)
            y_back, _ = back(reverse_valid(normed, mask), back.init_state(batch_size), mask)
            x = x + self.dropout(y + reverse_valid(y_back, mask))
        return self.last_norm(x)


def _stack_states(states: list[LayerState]) -> LayerState:
    if len(states) == 1:  # one layer: a live frame copies nothing
        return tuple(_own_storage(part).unsqueeze(1) for part in states[0])
    return tuple(torch.stack(parts, dim=1) for parts in zip(*states))


def _own_storage(part: Tensor) -> Tensor:
    """Copies a state's tensor if it is a view of a larger one, which it would keep in memory."""
    alone = part.untyped_storage().nbytes() == part.numel() * part.element_size()
    return part if alone else part.clone()


def reverse_valid(x: Tensor, mask: Tensor) -> Tensor:
    """Reverses each row's valid frames and leaves its padding in place.

    Args:
        x: (B, T, D).
        mask: bool (B, T), a row's valid frames first.

    Returns:
        (B, T, D).
    """
    position = torch.arange(x.shape[1], device=x.device)[None]
    length = mask.sum(dim=1, keepdim=True)
    source = torch.where(mask, length - 1 - position, position)
    return x.gather(1, source[..., None].expand_as(x))


def run_recurrent(kernel: nn.RNNBase, x: Tensor, state: LayerState, mask: Tensor) -> tuple[Tensor, LayerState]:
    """Runs one of torch's one-layer recurrences so that padding never advances its state.

    Rows that have ended are left out, so the kernel runs once per distinct length. (Torch's packed sequences call it
    frame by frame on CPUs, which is about twenty times slower.)

    Args:
        kernel: nn.RNN, nn.LSTM or nn.GRU with one layer and `batch_first=True`.
        x: (B, T, D).
        state: its tensors, each (B, D).
        mask: bool (B, T), a row's valid frames first.

    Returns:
        the hidden values (B, T, D), undefined where invalid, and the new state.
    """
    if all_valid(mask):
        y, after = kernel(x, _as_torch(tuple(part[None].contiguous() for part in state)))
        return y, tuple(part[0] for part in _as_tuple(after))
    lengths = mask.sum(dim=1)
    ends = lengths[lengths > 0].unique().tolist()
    widths = [end - start for start, end in itertools.pairwise([0, *ends, x.shape[1]])]
    *parts, padding = x.split(widths, dim=1)  # one split: a slice per part makes the backward pass quadratic
    ys = []
    for part, end in zip(parts, ends):
        rows = (lengths >= end).nonzero()[:, 0]
        y, after = run_recurrent(kernel, part[rows], tuple(old[rows] for old in state), mask[rows, end - 1 : end])
        ys.append(y.new_zeros(*part.shape[:2], kernel.hidden_size).index_copy(0, rows, y))
        state = tuple(old.index_copy(0, rows, new.to(old.dtype)) for old, new in zip(state, after))
    return torch.cat([*ys, padding.new_zeros(*padding.shape[:2], kernel.hidden_size)], dim=1), state


def _as_torch(state: LayerState) -> Tensor | LayerState:
    """Unpacks a tuple of one tensor, as torch's kernels expect."""
    return state[0] if len(state) == 1 else state


def _as_tuple(state: Tensor | LayerState) -> LayerState:
    return (state,) if isinstance(state, Tensor) else state


def last_valid(y: Tensor, before: Tensor, mask: Tensor) -> Tensor:
    """Picks each row's value after its last valid frame.

    Args:
        y: values after every frame, (B, T, ...).
        before: value before the first frame, (B, ...), for rows without a valid frame.
        mask: bool (B, T), a row's valid frames first.

    Returns:
        (B, ...). It may be a view that keeps all frames in memory, so copy it into the state.
    """
    if all_true(mask):
        return y[:, -1]
    length = mask.sum(dim=1)
    latest = y[torch.arange(len(y), device=y.device), (length - 1).clamp(min=0)]
    return torch.where((length > 0).view(-1, *[1] * (before.ndim - 1)), latest, before)


def advance(past: Tensor, new: Tensor, mask: Tensor, dim: int = 1) -> Tensor:
    """Updates the latest frames: drops the oldest and appends the valid new ones.

    Args:
        past: the P latest frames, oldest first, (B, ..., P, ...) with P at `dim`; not changed.
        new: T frames that follow, like `past`.
        mask: bool (B, T), a row's valid frames first.
        dim: dimension of the frames.

    Returns:
        the P latest valid frames, like `past`.
    """
    return latest([past, new], mask, past.shape[dim], dim)
