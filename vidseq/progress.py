"""One progress bar for everything that takes more than a few seconds."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item] | None = None, *, total: int | None = None, what: str, unit: str) -> "tqdm[Item]":
    """A progress bar on standard error that is silent where that is not a terminal.

    Args:
        items: what to go through, or None to call `update` by hand.
        total: how many there will be, where `items` cannot tell.
        what: the work, a few words.
        unit: one item, such as "video".
    """
    return tqdm(items, total=total, desc=what, unit=unit, disable=not sys.stderr.isatty(), leave=False)
