"""The progress bar for work that takes more than a few seconds."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from vidseq.watch import is_in_worker

Item = TypeVar("Item")


def progress(
    items: Iterable[Item] | None = None, *, total: int | None = None, what: str, unit: str, initial: int = 0
) -> "tqdm[Item]":
    """Shows a progress bar on standard error, if that is a terminal.

    Args:
        items: the items to iterate over; None: the caller calls `update`.
        total: number of items, if `items` has no length.
        what: the work, in a few words.
        unit: one item, such as "video".
        initial: number of items that were done before.
    """
    return tqdm(
        items, total=total, desc=what, unit=unit, initial=initial, disable=not sys.stderr.isatty(), leave=False,
        position=1 if is_in_worker() else None,  # below the bar of the process that waits for this one
    )  # fmt: skip


def write_line(text: str) -> None:
    """Writes a line to standard output at once, without tearing a progress bar on the same terminal."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()
