"""One progress bar for everything that takes more than a few seconds."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(
    items: Iterable[Item] | None = None, *, total: int | None = None, what: str, unit: str, initial: int = 0
) -> "tqdm[Item]":
    """Shows a progress bar on standard error if that is a terminal.

    Args:
        items: what to iterate over, or None to call `update` by hand.
        total: how many items there are, if `items` has no length.
        what: the work, in a few words.
        unit: one item, such as "video".
        initial: how many items were done before.
    """
    return tqdm(
        items, total=total, desc=what, unit=unit, initial=initial, disable=not sys.stderr.isatty(), leave=False
    )
