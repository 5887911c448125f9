"""Watches over work that may hang, such as decoding: it gives signs of progress, and another process counts time."""

import contextlib
import time
from collections.abc import Callable, Iterator

#: Seconds without progress after which reading counts as hung. Slow disks and large pictures take seconds at most.
PATIENCE_SECONDS = 300.0
#: Seconds from one sign to the next at least.
_BETWEEN_SIGNS = 1.0


class _Watch:
    """What a process knows of its watch: whom to notify, and when it last did."""

    notify: Callable[[bool], None] | None = None
    """Takes whether reading goes on; None: no other process watches this one."""
    depth = 0
    last = 0.0


def send_progress_to(notify: Callable[[bool], None]) -> None:
    """Names who is notified, from now on, that reading goes on (True) or is over (False)."""
    _Watch.notify = notify


def is_in_worker() -> bool:
    """Whether another process watches this one."""
    return _Watch.notify is not None


def report_progress() -> None:
    """Says that reading goes on; cheap enough for each packet."""
    if _Watch.notify is None or not _Watch.depth:
        return
    now = time.monotonic()
    if now - _Watch.last > _BETWEEN_SIGNS:
        _Watch.last = now
        _Watch.notify(True)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Asks to be ended if no progress is reported for long within the block, which reads a file."""
    _Watch.depth += 1
    if _Watch.notify is not None:
        _Watch.notify(True)
    try:
        yield
    finally:
        _Watch.depth -= 1
        if _Watch.notify is not None and not _Watch.depth:
            _Watch.notify(False)
