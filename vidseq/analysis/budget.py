"""Heads of equal size: the width at which a head has as many parameters, operations or bytes of state as it may."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import torch

from vidseq.analysis.flops import flops_a_frame
from vidseq.errors import UserError, unknown_name
from vidseq.heads import HEADS, make_head, num_parameters
from vidseq.heads.base import TemporalHead

#: Widths are multiples of this unless told otherwise, which suits four attention heads with rotary positions.
STEP = 8
MAX_WIDTH = 4096
#: Two heads match if what they have differs by no more than this share.
TOLERANCE = 0.02

#: What can be equal.
MATCHES = {"params": "parameters", "flops": "FLOPs a frame", "state": "bytes of state"}


def width_for(name: str, parameters: int, options: Mapping[str, object] | None = None, step: int = STEP) -> int:
    """Finds the largest width at which a head stays within a number of parameters.

    Args:
        name: a key of `HEADS`.
        parameters: how many it may have.
        options: of the head, other than its width.
        step: widths are multiples of this; each has to suit the head.

    Returns:
        the width, a multiple of `step`.

    Raises:
        UserError: it has more at the smallest width.
    """
    low, high = 0, MAX_WIDTH // step
    while low < high:
        middle = (low + high + 1) // 2
        fits = num_parameters(make_head(name, middle * step, options)) <= parameters
        low, high = (middle, high) if fits else (low, middle - 1)
    if low == 0:
        least = num_parameters(make_head(name, step, options))
        raise UserError(f"{name} head expects at least {least} parameters, got {parameters}. Allow it more.")
    return low * step


@dataclass(frozen=True)
class Size:
    """A head's width and options, and what it has at these."""

    dim: int
    options: Mapping[str, object]
    value: float
    """Parameters, FLOPs a frame or bytes of state."""

    def excess(self, budget: float) -> float:
        """By what share it has more than a budget; negative: less."""
        return self.value / budget - 1


def measure(head: TemporalHead, match: str, frames: int) -> float:
    """What a head has of that which shall be equal.

    Args:
        head: any.
        match: one of `MATCHES`.
        frames: of the video, for FLOPs; how many have been seen, for the state.

    Raises:
        UserError: an unknown match.
    """
    if match not in MATCHES:
        raise unknown_name("match", match, MATCHES)
    if match == "params":
        return num_parameters(head)
    return flops_a_frame(head, frames) if match == "flops" else head.state_bytes(1, frames)


def match_size(
    name: str,
    match: str,
    budget: float,
    *,
    frames: int,
    options: Mapping[str, object] | None = None,
    outside: Callable[[int], float] | None = None,
    causal: bool = True,
) -> Size:
    """Finds the width at which a head comes nearest to a budget.

    Heads whose width alone is too coarse have a second one that is solved with it: the width of the network in a
    transformer block (near four times dim), and of a convolution's channels (dim near them). An option that is given
    stays as it is.

    Args:
        name: a key of `HEADS`.
        match: what the budget is of, one of `MATCHES`.
        budget: how much there is.
        frames: see `measure`.
        options: of the head, other than its width.
        outside: what counts beside the head at a width, such as the parameters of what enters and leaves it.
        causal: False: of the form that sees the future, for which recurrent heads have a second set of weights.

    Returns:
        even width, options and value; see `Size.excess` for how near it is.

    Raises:
        UserError: an unknown name, or a budget that no width comes near: the narrowest head has more, or the widest
            less, than the budget and a fiftieth.
    """
    family = _family(name, dict(options or {}))

    @cache
    def size(width: int, inner: int) -> Size | None:
        """None: a width that this head cannot have."""
        dim, own = family.build(width, inner)
        try:
            with torch.device("cpu" if match == "flops" else "meta"):  # sizes need no numbers
                head = make_head(name, dim, own, causal)
        except UserError:
            if width % STEP == 0 and inner == family.usual(width):
                raise
            return None
        return Size(dim, own, measure(head, match, frames) + (outside(dim) if outside else 0))

    def usual(width: int) -> float:
        found = size(width, family.usual(width))
        return float("inf") if found is None else found.value

    lower = _largest(lambda step: usual(step * STEP) <= budget, MAX_WIDTH // STEP) * STEP
    near = [found for width in family.widths(lower, lower + STEP) for found in _around(size, width, family, budget)]
    best = min(near, key=lambda found: (max(abs(found.excess(budget)), TOLERANCE / 4), family.oddity(found)))
    if (lower == 0 or lower == MAX_WIDTH) and abs(best.excess(budget)) > TOLERANCE:
        bound = "at least" if lower == 0 else "at most"
        raise UserError(
            f"{name} head expects {bound} {best.value:.0f} {MATCHES[match]}, got a budget of {budget:.0f}. "
            f"Change the budget, its options, or what is matched."
        )
    return best


@dataclass(frozen=True)
class _Family:
    """How a width (a multiple of something) and an inner, finer one become a head's options."""

    options: Mapping[str, object]
    coarse: str = "dim"
    fine: str = ""
    times: int = 1
    """The usual inner width, in widths."""

    def widths(self, low: int, high: int) -> range:
        """A model's width must be even."""
        return range(max(2, low), min(high, MAX_WIDTH) + 1, 2 if self.coarse == "dim" else 1)

    def usual(self, width: int) -> int:
        if self.fine == "dim":
            return max(2, width // 2 * 2)
        return self.times * width if self.fine else 0

    def build(self, width: int, inner: int) -> tuple[int, dict[str, object]]:
        if not self.fine:
            return width, dict(self.options)
        widths = {self.coarse: width, self.fine: inner}
        dim = widths.pop("dim")
        return dim, {**self.options, **widths}

    def oddity(self, found: Size) -> float:
        """How far the inner width is from its usual place."""
        widths = {"dim": found.dim, **found.options}
        if not self.fine:
            return 0.0
        return abs(float(str(widths[self.fine])) / (self.times * float(str(widths[self.coarse]))) - 1)


def _family(name: str, options: dict[str, object]) -> _Family:
    if name not in HEADS:
        raise unknown_name("head", name, HEADS)
    known = {field.name for field in dataclasses.fields(HEADS[name].Config)}
    if "network" in known and "network" not in options:
        return _Family(options, fine="network", times=4)
    if "channels" in known and "channels" not in options:
        return _Family(options, coarse="channels", fine="dim")
    return _Family(options)


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that fits, where all smaller ones do; 0: none. Never tries far beyond it."""
    high = 1
    while high <= most and fits(high):
        high *= 2
    low, high = high // 2, min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _around(size: Callable[[int, int], Size | None], width: int, family: _Family, budget: float) -> Iterator[Size]:
    """The sizes of one width nearest to the budget, its inner width from a quarter to four times the usual one."""
    usual = family.usual(width)
    found = size(width, usual)
    if found is None:
        return
    yield found
    if not family.fine:
        return
    step = 2 if family.fine == "dim" else 1
    low, count = max(step, usual // 4 // step * step), 4 * usual // step

    def inner(place: int) -> Size:
        there = size(width, low + place * step)
        assert there is not None, "an inner width that does not suit the head"
        return there

    below = _largest(lambda place: inner(place).value <= budget, count)
    yield inner(below)
    yield inner(below + 1)
