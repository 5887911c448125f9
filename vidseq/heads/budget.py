"""Heads of equal size: the width at which a head has as many parameters as it may."""

from collections.abc import Mapping

from vidseq.errors import UserError
from vidseq.heads import make_head, num_parameters

#: Widths are multiples of this unless told otherwise, which suits four attention heads with rotary positions.
STEP = 8
WIDEST = 4096


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
    low, high = 0, WIDEST // step
    while low < high:
        middle = (low + high + 1) // 2
        fits = num_parameters(make_head(name, middle * step, options)) <= parameters
        low, high = (middle, high) if fits else (low, middle - 1)
    if low == 0:
        least = num_parameters(make_head(name, step, options))
        raise UserError(f"{name} head expects at least {least} parameters, got {parameters}. Allow it more.")
    return low * step
