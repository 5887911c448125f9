"""The one interface of every temporal head: `init_state` and `scan`; the base class derives all other uses."""

import abc
import dataclasses
import itertools
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features.fingerprint import Fingerprint

#: A head's memory: a NamedTuple of tensors, batch first, returned new by every scan and never changed in place. So a
#: state may share with an older one what has stayed as it was.
State = NamedTuple

LEARNT_AT_ONCE = 4096
"""Frames that a head reads at once at least where gradients are wanted, if it reads in segments."""


def frames_at_once(size: int) -> int:
    """How many frames to read at once, where `size` are best without gradients."""
    return max(size, LEARNT_AT_ONCE) if torch.is_grad_enabled() else size


def joined(parts: Iterable[Tensor], num_frames: int) -> Tensor:
    """Parts (B, T, D) as whole videos; without gradients each is put in its place before the next is made."""
    if torch.is_grad_enabled():
        return torch.cat([*parts], dim=1)
    start, parts = 0, iter(parts)
    first = next(parts)
    whole = first.new_empty(len(first), num_frames, first.shape[2])
    for part in itertools.chain([first], parts):
        whole[:, start : start + part.shape[1]] = part
        start += part.shape[1]
    return whole


def option(default: Any, *, at_least: float | None = None, at_most: float | None = None) -> Any:
    """Declares a field of a head's Config together with the values it may take.

    Args:
        default: value when it is not given.
        at_least: smallest value allowed; None: no limit.
        at_most: largest value allowed; None: no limit.

    Returns:
        the dataclass field.
    """
    return dataclasses.field(default=default, metadata={"at_least": at_least, "at_most": at_most})


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """What every head can be told."""

    dim: int = dataclasses.field(metadata={"at_least": 1})
    """Width D of input and output."""
    causal: bool = True
    """True: an output depends on its frame and the past alone. False: offline labelling only, `forward` alone."""
    dropout: float = option(0.0, at_least=0, at_most=1)
    """Share of every layer's output that is dropped in training."""


class TemporalHead(nn.Module, abc.ABC):
    """Mixes information over time: x (B, T, D) -> y (B, T, D).

    A subclass is final and writes `init_state` and `scan` (and `forward_noncausal` if it has such a form).
    """

    name: ClassVar[str]
    """The head's word in checkpoints and on the command line."""
    Config: ClassVar[type[HeadConfig]]
    """Its options."""
    supports_noncausal: ClassVar[bool] = False
    """Whether `causal=False` exists."""
    streams_exactly: ClassVar[bool] = True
    """Whether chunked runs equal whole ones. Where not, the class docstring says why."""

    forgets: ClassVar[bool] = False
    """Whether an output depends on the newest `context_frames` frames alone, wherever they stand in a stream: then all
    longer pasts give the same. Not so where counters of a stream decide, or where there is no limit."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        if not isinstance(config, self.Config):
            raise TypeError(f"{self.name} head expects a {self.Config.__qualname__}, got {type(config).__qualname__}.")
        _check_options(self.name, config)
        if not config.causal and not self.supports_noncausal:
            raise UserError(f"{self.name} head has no non-causal form, got causal=False. Use causal=True.")
        self.config = config

    @property
    def dim(self) -> int:
        """Width D of input and output."""
        return self.config.dim

    # -- what a head writes

    @abc.abstractmethod
    def init_state(self, batch_size: int) -> Any:
        """What the head knows before the first frame, on the device and in the type of its parameters.

        Args:
            batch_size: number of streams B.

        Returns:
            a NamedTuple of tensors, each (B, ...).
        """

    @abc.abstractmethod
    def scan(self, x: Tensor, state: Any, mask: Tensor) -> tuple[Tensor, Any]:
        """Reads frames that come after those in `state`. Called by the base class, with checked input.

        Args:
            x: new frames, (B, T, D), T at least 1, zero where invalid.
            state: from `init_state` or an earlier `scan`; not changed.
            mask: bool (B, T), True = valid; a row's valid frames come first.

        Returns:
            y (B, T, D), anything where invalid, and the new state, which invalid frames leave as it was.
        """

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads a whole video at once, past and future; only for heads with `supports_noncausal`."""
        raise NotImplementedError(f"{self.name} head has no non-causal form.")

    def prepare(self, project: Callable[[Tensor], Tensor], fingerprint: Fingerprint | None) -> None:
        """Brings features of other videos that the head keeps to its width; a head that keeps none does nothing.

        Called once a model's weights are there, and again after they have changed.

        Args:
            project: the model's projection in eval mode, features (N, F) to (N, D).
            fingerprint: of the features that it is for; None: not known.
        """

    def name_videos(self, state: Any, videos: Sequence[str]) -> Any:
        """Tells a new state which videos it will read, so that none is retrieved for itself; most heads don't care.

        Args:
            state: from `init_state`.
            videos: a name for each of its B streams; "" where it is not known.

        Returns:
            the state to begin with.
        """
        return state

    def read(self, queries: Tensor, state: Any) -> Tensor:
        """Answers `ask`, with checked input; a head overrides this to spare copies of a large state.

        Args:
            queries: (B, Q, D), Q at least 1.
            state: what has been seen; neither changed nor advanced.

        Returns:
            answers (B, Q, D), each what `scan` would give for the query as the next frame.
        """
        batch, num_queries, dim = queries.shape
        rows = type(state)(*(part.repeat_interleave(num_queries, dim=0) for part in state))
        alone = queries.reshape(batch * num_queries, 1, dim)
        y, _ = self.scan(alone, rows, torch.ones_like(alone[..., 0], dtype=torch.bool))
        return y.reshape(batch, num_queries, dim)

    @property
    @abc.abstractmethod
    def context_frames(self) -> int | None:
        """The furthest past that can reach an output, current frame included; None: no limit."""

    @property
    def segment_frames(self) -> int | None:
        """Frames that are best read at once where no gradients are wanted, for all that is made of them should stay in
        a processor's cache; None: all, for heads whose state grows. Where gradients are wanted, at least
        `LEARNT_AT_ONCE`: much is kept for the way back then, but what is not stays small."""
        return None

    # -- what follows from it

    @final  # type: ignore[misc]  # nn.Module declares forward as an attribute
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Reads whole videos, offline.

        Args:
            x: features, (B, T, D); T may be 0.
            mask: bool (B, T), True = valid, a row's valid frames first; None: all valid.

        Returns:
            y (B, T, D), zero where invalid.

        Raises:
            ValueError: a shape or the mask does not fit.
        """
        x, known = self._check(x, mask)
        if x.shape[1] == 0:
            return x
        if self.config.causal:
            y, _ = self._scan(x, self.init_state(x.shape[0]), known)
        else:
            y = self.forward_noncausal(x, known)
        return y if mask is None else y.masked_fill(~known[..., None], 0)

    @final
    def step(self, x: Tensor, state: Any, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """Reads any number of new frames, live.

        Args:
            x: new frames, (B, T, D); T may be 0.
            state: from `init_state` or an earlier `step`; not changed.
            mask: bool (B, T), True = valid, a row's valid frames first; None: all valid.

        Returns:
            y (B, T, D), zero where invalid, and the new state.

        Raises:
            ValueError: a shape or the mask does not fit, or the head is not causal.
        """
        self._require_causal("step")
        x, known = self._check(x, mask)
        if x.shape[1] == 0:
            return x, state
        y, state = self._scan(x, state, known)
        return y if mask is None else y.masked_fill(~known[..., None], 0), state

    @final
    def ask(self, queries: Tensor, state: Any) -> Tensor:
        """Reads the memory with queries: each as if it were the next frame. Queries do not see each other.

        Args:
            queries: (B, Q, D).
            state: what has been seen; not advanced.

        Returns:
            answers (B, Q, D).

        Raises:
            ValueError: a shape does not fit, or the head is not causal.
        """
        self._require_causal("ask")
        queries, _ = self._check(queries, None)
        return self.read(queries, state) if queries.shape[1] else queries

    @final
    def state_bytes(self, batch_size: int = 1, frames: int = 0) -> int:
        """What streaming must keep after `frames` frames, in bytes; measured on a state."""
        return sum(part.numel() * part.element_size() for part in self._state_after(batch_size, frames))

    def _state_after(self, batch_size: int, frames: int) -> Any:
        """A state of the size it has after `frames` frames; heads whose state grows override this."""
        return self.init_state(batch_size)

    def _scan(self, x: Tensor, state: Any, mask: Tensor) -> tuple[Tensor, Any]:
        """`scan`, in segments where that is faster."""
        num_frames = x.shape[1]
        size = None if self.segment_frames is None else frames_at_once(self.segment_frames)
        if size is None or num_frames <= size:
            return self.scan(x, state, mask)

        def parts() -> Iterator[Tensor]:
            nonlocal state
            for some, known in zip(x.split(size, dim=1), mask.split(size, dim=1)):
                y, state = self.scan(some, state, known)
                yield y

        return joined(parts(), num_frames), state

    def _require_causal(self, what: str) -> None:
        if not self.config.causal:
            raise ValueError(
                f"{self.name} head with causal=False sees the future, so it cannot {what}. "
                f"Use forward on whole videos, or causal=True."
            )

    def _check(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Checks shapes, fills in the mask, and zeroes padding so that nothing in it can leak."""
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


def _check_options(head: str, config: HeadConfig) -> None:
    """Raises the error of the first option whose type or range is wrong."""
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, hint = getattr(config, field.name), hints[field.name]
        if not _is_a(value, hint):
            raise UserError(f"{head} head expects {field.name} as {hint.__name__}, got {value!r}.")
        low, high = field.metadata.get("at_least"), field.metadata.get("at_most")
        if low is not None and not value >= low:
            raise UserError(f"{head} head expects {field.name} of at least {low}, got {value}.")
        if high is not None and not value <= high:
            raise UserError(f"{head} head expects {field.name} of at most {high}, got {value}.")


def _is_a(value: object, hint: type) -> bool:
    """Like isinstance, but an int will do for a float and a bool is not a number."""
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def num_parameters(module: nn.Module) -> int:
    """Counts the trainable numbers of a module."""
    return sum(math.prod(parameter.shape) for parameter in module.parameters() if parameter.requires_grad)
