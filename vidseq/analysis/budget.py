"""Finds the width at which a head has a given number of parameters, operations or bytes of state."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import torch

from vidseq.analysis.flops import flops_a_frame
from vidseq.errors import UserError, unknown_name
from vidseq.heads import HEADS, make_head, num_parameters
from vidseq.heads.base import TemporalHead

#: The default step between widths, which suits four attention heads with rotary positions.
STEP = 8
MAX_WIDTH = 4096
#: Two heads match if their sizes differ by at most this fraction.
TOLERANCE = 0.02

#: The measures of size that can be matched.
MATCHES = {"params": "parameters", "flops": "FLOPs a frame", "state": "bytes of state"}


def width_for(name: str, parameters: int, options: Mapping[str, object] | None = None, step: int = STEP) -> int:
    """Finds the largest width at which a head stays within a number of parameters.

    Args:
        name: a key of `HEADS`.
        parameters: largest number of parameters.
        options: options of the head other than its width.
        step: widths are multiples of this; the head must allow each of them.

    Returns:
        the width, a multiple of `step`.

    Raises:
        UserError: the head has more parameters at the smallest width.
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
    """A head's width and options, and its size with them."""

    dim: int
    options: Mapping[str, object]
    value: float
    """Parameters, FLOPs per frame or bytes of state."""

    def excess(self, budget: float) -> float:
        """Returns the fraction by which the size exceeds a budget; negative if it is smaller."""
        return self.value / budget - 1


def measure(head: TemporalHead, match: str, frames: int) -> float:
    """Measures the size of a head.

    Args:
        head: any head.
        match: the measure, one of `MATCHES`.
        frames: number of frames of the video for FLOPs; number of frames seen for the state.

    Raises:
        UserError: the measure is unknown.
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
    """Finds the width at which the size of a head is nearest to a budget.

    For some heads the width alone is too coarse, so a second, inner width is searched too: the width of the
    feed-forward network in a transformer block (near four times dim), or the dim of a convolutional head (near its
    channels). Given options are kept.

    Args:
        name: a key of `HEADS`.
        match: the measure of size, one of `MATCHES`.
        budget: the size to match.
        frames: see `measure`.
        options: options of the head other than its width.
        outside: returns the size that counts besides the head at a width, such as that of the projection and decoders.
        causal: False: the head sees the future too; recurrent heads then have a second set of weights.

    Returns:
        an even width, the options and the size; see `Size.excess` for its distance from the budget.

    Raises:
        UserError: the name is unknown, or no width comes within 2% of the budget.
    """
    family = _family(name, dict(options or {}))

    @cache
    def size(width: int, inner: int) -> Size | None:
        """Returns None for a width that the head does not allow."""
        dim, own = family.build(width, inner)
        try:
            with torch.device("cpu" if match == "flops" else "meta"):  # only FLOPs need the values of weights
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
    best = min(near, key=lambda found: (max(abs(found.excess(budget)), TOLERANCE / 4), family.deviation(found)))
    if (lower == 0 or lower == MAX_WIDTH) and abs(best.excess(budget)) > TOLERANCE:
        bound = "at least" if lower == 0 else "at most"
        raise UserError(
            f"{name} head expects {bound} {best.value:.0f} {MATCHES[match]}, got a budget of {budget:.0f}. "
            f"Change the budget, its options, or what is matched."
        )
    return best


@dataclass(frozen=True)
class _Family:
    """How a coarse width and a finer inner width become a head's options."""

    options: Mapping[str, object]
    coarse: str = "dim"
    fine: str = ""
    times: int = 1
    """The usual ratio of inner width to width."""

    def widths(self, low: int, high: int) -> range:
        """Returns the widths in a range; a model's width must be even."""
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

    def deviation(self, found: Size) -> float:
        """Returns the relative deviation of the inner width from its usual value."""
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
    """Finds the largest number up to `most` that fits, given that all smaller ones fit; 0 if none does.

    It never tries numbers much larger than the result, which would be expensive.
    """
    high = 1
    while high <= most and fits(high):
        high *= 2
    low, high = high // 2, min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _around(size: Callable[[int, int], Size | None], width: int, family: _Family, budget: float) -> Iterator[Size]:
    """Yields the sizes of one width nearest to the budget, with inner widths from 1/4 to 4 times the usual one."""
    usual = family.usual(width)
    found = size(width, usual)
    if found is None:
        return
    yield found
    if not family.fine:
        return
    step = 2 if family.fine == "dim" else 1
    low, count = max(step, usual // 4 // step * step), 4 * usual // step

    def inner(index: int) -> Size:
        found_size = size(width, low + index * step)
        assert found_size is not None, "an inner width that does not suit the head"
        return found_size

    below = _largest(lambda index: inner(index).value <= budget, count)
    yield inner(below)
    yield inner(below + 1)
