"""The interface of every temporal head: `init_state` and `scan`. The base class derives all other uses from them."""

import abc
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.fingerprint import Fingerprint
from vidseq.heads.config import HeadConfig, check_options
from vidseq.heads.pieces import read_in_pieces
from vidseq.ops.places import PlacedQueries, join_parts

#: A head's state: a NamedTuple of tensors, batch first. Each scan returns a new one and changes none in place, so a
#: new state may share unchanged tensors with an older one.
State = NamedTuple

MIN_TRAINING_SEGMENT = 4096
"""Shortest segment where gradients are wanted, for heads that read in segments."""


def segment_length(size: int) -> int:
    """Returns the frames of a segment, where `size` is the fastest length without gradients."""
    return max(size, MIN_TRAINING_SEGMENT) if torch.is_grad_enabled() else size


def concatenate_parts(parts: Iterable[Tensor], num_frames: int) -> Tensor:
    """Concatenates parts (B, T, D) to whole videos. Without gradients it writes each part before it makes the next."""
    if torch.is_grad_enabled():
        return torch.cat([*parts], dim=1)
    start, parts = 0, iter(parts)
    first = next(parts)
    whole = first.new_empty(len(first), num_frames, first.shape[2])
    for part in itertools.chain([first], parts):
        whole[:, start : start + part.shape[1]] = part
        start += part.shape[1]
    return whole


class TemporalHead(nn.Module, abc.ABC):
    """Mixes information over time: x (B, T, D) -> y (B, T, D).

    A subclass is final and writes `init_state` and `scan` (and `forward_noncausal` if it has such a form).
    """

    name: ClassVar[str]
    """Name of the head in checkpoints and on the command line."""
    Config: ClassVar[type[HeadConfig]]
    """Class of its options."""
    supports_noncausal: ClassVar[bool] = False
    """Whether `causal=False` exists."""
    streams_exactly: ClassVar[bool] = True
    """Whether a run in chunks equals a whole run. Where it does not, the class docstring gives the reason."""

    fixed_context: ClassVar[bool] = False
    """Whether an output depends on the newest `context_frames` frames only, anywhere in a stream. All longer pasts
    then give the same output. False where a counter in the state decides, or where the context has no limit."""

    exportable: ClassVar[bool] = False
    """Whether a step for one frame can be exported, with a state whose shapes never change; see `fixed_state`."""

    asks_in_one_pass: bool = False
    """Whether the head has `scan_with_queries`. Others read frames in pieces, each up to the next place of a query."""

    @classmethod
    def options_for_context(cls, frames: int, causal: bool) -> dict[str, int]:
        """The options by which an output sees at least so many frames.

        Args:
            frames: of the past, and as many of the future where `causal` is False.
            causal: the head's form.

        Returns:
            options of the head's Config; none where the default ones see enough, or where no option decides.
        """
        return {}

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        if not isinstance(config, self.Config):
            raise TypeError(f"{self.name} head expects a {self.Config.__qualname__}, got {type(config).__qualname__}.")
        check_options(self.name, config)
        if not config.causal and not self.supports_noncausal:
            raise UserError(f"{self.name} head has no non-causal form, got causal=False. Use causal=True.")
        self.config = config

    @property
    def dim(self) -> int:
        """Width D of input and output."""
        return self.config.dim

    # -- what a subclass writes

    @abc.abstractmethod
    def init_state(self, batch_size: int) -> Any:
        """Makes the state before the first frame, on the device and in the dtype of the parameters.

        Args:
            batch_size: number of streams B.

        Returns:
            a NamedTuple of tensors, each (B, ...).
        """

    @abc.abstractmethod
    def scan(self, x: Tensor, state: Any, mask: Tensor) -> tuple[Tensor, Any]:
        """Reads the frames that follow those in `state`. The base class calls it with checked input.

        Args:
            x: new frames, (B, T, D), T at least 1, zero where invalid.
            state: from `init_state` or an earlier `scan`; not changed.
            mask: bool (B, T), True = valid; a row's valid frames come first.

        Returns:
            y (B, T, D), undefined where invalid, and the new state. Invalid frames do not change the state.
        """

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos, past and future. Only heads with `supports_noncausal` have it."""
        raise NotImplementedError(f"{self.name} head has no non-causal form.")

    def prepare(self, project: Callable[[Tensor], Tensor], fingerprint: Fingerprint | None) -> None:
        """Projects the features of other videos that the head keeps. A head that keeps none does nothing.

        The model calls it when its weights are loaded, and again after they have changed.

        Args:
            project: the model's projection in eval mode, features (N, F) to (N, D).
            fingerprint: of the features that the model reads; None: not known.
        """

    def name_videos(self, state: Any, videos: Sequence[str]) -> Any:
        """Stores in a new state which videos it will read, so that a head never retrieves a video for itself.

        Most heads ignore it.

        Args:
            state: from `init_state`.
            videos: names of the B streams' videos; "" where the name is not known.

        Returns:
            the state to begin with.
        """
        return state

    def attend_queries(self, queries: Tensor, state: Any) -> Tensor:
        """Answers `ask`, with checked input. A head overrides it to avoid copies of a large state.

        Args:
            queries: (B, Q, D), Q at least 1.
            state: the frames read so far; neither changed nor advanced.

        Returns:
            answers (B, Q, D), each equal to the output of `scan` for the query as the next frame.
        """
        batch, num_queries, dim = queries.shape
        rows = type(state)(*(part.repeat_interleave(num_queries, dim=0) for part in state))
        alone = queries.reshape(batch * num_queries, 1, dim)
        y, _ = self.scan(alone, rows, torch.ones_like(alone[..., 0], dtype=torch.bool))
        return y.reshape(batch, num_queries, dim)

    def scan_with_queries(
        self, x: Tensor, state: Any, mask: Tensor, queries: PlacedQueries
    ) -> tuple[Tensor, Any, Tensor]:
        """Reads frames as `scan` does, and answers queries at their places. Heads with `asks_in_one_pass` have it.

        Args:
            x: see `scan`.
            state: see `scan`.
            mask: see `scan`.
            queries: at least one; none sees an invalid frame.

        Returns:
            y and the new state as `scan` gives them, and the answers (N, D).
        """
        raise NotImplementedError(f"{self.name} head asks in pieces.")

    @property
    @abc.abstractmethod
    def context_frames(self) -> int | None:
        """Frames that can reach an output, current frame included; None: no limit."""

    @property
    def segment_frames(self) -> int | None:
        """Frames of a segment without gradients, few enough that its tensors stay in the processor's cache.

        None: the whole video, for heads whose state grows. With gradients, a segment has at least
        `MIN_TRAINING_SEGMENT` frames: the backward pass then keeps most tensors anyway, and only the others stay
        small.
        """
        return None

    def fixed_state(self, frames: int) -> Any:
        """Makes the state before the first frame of one stream, in tensors whose shapes never change, for export.

        Args:
            frames: what a store that grows without a limit keeps: when it is full, the oldest frame goes.

        Returns:
            a NamedTuple as from `init_state`, as large as it ever gets.
        """
        return self.init_state(1)

    # -- what the base class derives

    @final  # type: ignore[misc]  # nn.Module declares forward as an attribute
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Reads whole videos offline.

        Args:
            x: features, (B, T, D); T may be 0.
            mask: bool (B, T), True = valid, a row's valid frames first; None: all valid.

        Returns:
            y (B, T, D), zero where invalid.

        Raises:
            ValueError: the shape of x or the mask does not fit.
        """
        x, valid = self._check(x, mask)
        if x.shape[1] == 0:
            return x
        if self.config.causal:
            y, _ = self._scan(x, self.init_state(x.shape[0]), valid)
        else:
            y = self.forward_noncausal(x, valid)
        return y if mask is None else y.masked_fill(~valid[..., None], 0)

    @final
    def step(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """Reads new frames of live streams, any number at a time.

        Args:
            x: new frames, (B, T, D); T may be 0.
            state: from `init_state` or an earlier `step`; not changed.
            mask: bool (B, T), True = valid, a row's valid frames first; None: all valid.

        Returns:
            y (B, T, D), zero where invalid, and the new state.

        Raises:
            ValueError: the shape of x or the mask does not fit, or the head is not causal.
        """
        self._require_causal("step")
        x, valid = self._check(x, mask)
        if x.shape[1] == 0:
            return x, state
        y, state = self._scan(x, state, valid)
        return y if mask is None else y.masked_fill(~valid[..., None], 0), state

    @final
    def ask(self, queries: Tensor, state: Any) -> Tensor:
        """Reads the memory with queries. Each query counts as the next frame; queries do not see each other.

        Args:
            queries: (B, Q, D).
            state: the frames read so far; not advanced.

        Returns:
            answers (B, Q, D).

        Raises:
            ValueError: the shape of the queries does not fit, or the head is not causal.
        """
        self._require_causal("ask")
        queries, _ = self._check(queries, None)
        return self.attend_queries(queries, state) if queries.shape[1] else queries

    @final
    def ask_along(self, x: Tensor, state: Any, mask: Tensor, queries: PlacedQueries) -> tuple[Tensor, Tensor]:
        """Reads new frames and asks queries on the way, each where it stands: `step` and `ask` for many places.

        Args:
            x: new frames, (B, T, D); T may be 0.
            state: from `init_state` or an earlier `step`; not changed.
            mask: bool (B, T), True = valid, a row's valid frames first.
            queries: N queries, each after some of its row's valid frames, or before the first.

        Returns:
            y (B, T, D), zero where invalid, and the answers (N, D).

        Raises:
            ValueError: a shape does not fit, a query is after the end of its row, or the head is not causal.
        """
        self._require_causal("ask")
        x, mask = self._check(x, mask)
        self._check_queries(queries, mask)
        if not len(queries.vectors):
            return self.step(x, state, mask)[0], queries.vectors
        if not self.asks_in_one_pass or x.shape[1] == 0:
            return read_in_pieces(self, x, state, mask, queries)
        y, answers = self._scan_with_queries(x, state, mask, queries)
        return y.masked_fill(~mask[..., None], 0), answers

    @final
    def state_bytes(self, batch_size: int = 1, frames: int = 0) -> int:
        """Returns the bytes of the state after `frames` frames, measured on a state."""
        return sum(part.numel() * part.element_size() for part in self._state_after(batch_size, frames))

    def _state_after(self, batch_size: int, frames: int) -> Any:
        """Makes a state of the size that it has after `frames` frames. Heads whose state grows override it."""
        return self.init_state(batch_size)

    def _scan(self, x: Tensor, state: Any, mask: Tensor) -> tuple[Tensor, Any]:
        """Runs `scan`, in segments where that is faster."""
        num_frames = x.shape[1]
        size = None if self.segment_frames is None else segment_length(self.segment_frames)
        if size is None or num_frames <= size:
            return self.scan(x, state, mask)

        def parts() -> Iterator[Tensor]:
            nonlocal state
            for part, part_mask in zip(x.split(size, dim=1), mask.split(size, dim=1)):
                y, state = self.scan(part, state, part_mask)
                yield y

        return concatenate_parts(parts(), num_frames), state

    def _scan_with_queries(self, x: Tensor, state: Any, mask: Tensor, queries: PlacedQueries) -> tuple[Tensor, Tensor]:
        """Runs `scan_with_queries`, in segments where that is faster."""
        num_frames = x.shape[1]
        size = num_frames if self.segment_frames is None else segment_length(self.segment_frames)
        if num_frames <= size:
            y, _, answers = self.scan_with_queries(x, state, mask, queries)
            return y, answers
        ys, found, indices = [], [], []
        for start, part, part_mask in zip(range(0, num_frames, size), x.split(size, dim=1), mask.split(size, dim=1)):
            places, index = queries.places.within(start, start + part.shape[1])
            some = PlacedQueries(queries.vectors.index_select(0, index), places)
            if len(index):
                y, state, answers = self.scan_with_queries(part, state, part_mask, some)
                found.append(answers)
                indices.append(index)
            else:
                y, state = self.scan(part, state, part_mask)
            ys.append(y)
        return torch.cat(ys, dim=1), join_parts(found, indices)

    def _require_causal(self, what: str) -> None:
        if not self.config.causal:
            raise ValueError(
                f"{self.name} head with causal=False sees the future, so it cannot {what}. "
                f"Use forward on whole videos, or causal=True."
            )

    def _check(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Checks shapes, fills in the mask, and zeroes the padding so that its values cannot leak."""
        if x.ndim != 3 or x.shape[-1] != self.dim:
            raise ValueError(f"{self.name} head expects x (B, T, {self.dim}), got {tuple(x.shape)}.")
        if mask is None:
            return x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        if mask.dtype != torch.bool or mask.shape != x.shape[:2]:
            raise ValueError(
                f"{self.name} head expects a bool mask {tuple(x.shape[:2])}, True = valid, "
                f"got {mask.dtype} {tuple(mask.shape)}."
            )
        if bool((mask[:, 1:] & ~mask[:, :-1]).any()):
            raise ValueError(f"{self.name} head expects each row's valid frames first, got a gap in the mask.")
        return x.masked_fill(~mask[..., None], 0), mask

    def _check_queries(self, queries: PlacedQueries, mask: Tensor) -> None:
        vectors, (rows, seen) = queries
        if vectors.ndim != 2 or vectors.shape[1] != self.dim or not len(vectors) == len(rows) == len(seen):
            raise ValueError(
                f"{self.name} head expects queries (N, {self.dim}) and a place of each, "
                f"got {tuple(vectors.shape)} and {len(rows)} rows, {len(seen)} places."
            )
        lengths = mask.sum(dim=1)[rows]
        if bool(((seen < 0) | (seen > lengths)).any()):
            wrong = int(((seen < 0) | (seen > lengths)).nonzero()[0])
            raise ValueError(
                f"{self.name} head expects queries after 0 to {int(lengths[wrong])} frames of row {int(rows[wrong])}, "
                f"got {int(seen[wrong])}. Read more frames first."
            )


def num_parameters(module: nn.Module) -> int:
    """Counts the trainable parameters of a module."""
    return sum(math.prod(parameter.shape) for parameter in module.parameters() if parameter.requires_grad)
