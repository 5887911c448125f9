"""Doing slow work ahead of its use, in threads."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How long a stop waits for the step that is under way.
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1


class _End:
    """Stands at the end of the queue, with the error that ended it if there was one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def read_ahead(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """Goes through `items` in a thread of its own, so that making the next one overlaps with using this one.

    Args:
        items: what to go through; only the thread touches it. Its work must release the interpreter's lock to overlap.
        depth: how many items may wait to be used; this bounds memory.

    Yields:
        the items in order. An error of theirs is raised where it would have been.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, waiting, stop), name="read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join(STOP_SECONDS)


def map_side_by_side(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Applies a function to items, so many at a time, each in a thread.

    A worker starts on an item as soon as there is one: where items come slowly, one of them works and the CPUs stay
    free for whatever makes the items.

    Args:
        function: must release the interpreter's lock to overlap, and stand being called from several threads.
        items: gone through by the caller's thread, no more than `workers + 1` ahead of what is yielded.
        workers: threads; with 1 all is done in the caller's.

    Yields:
        the results in the order of the items. An error is raised where its result would have been.
    """
    if workers == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="side-by-side") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for result in waiting:
                result.cancel()


def _fill(items: Iterator[Item], waiting: "queue.Queue[Item | _End]", stop: threading.Event) -> None:
    end = _End()
    try:
        for item in items:
            if not _put(item, waiting, stop):
                return
    except BaseException as error:
        end = _End(error)
    _put(end, waiting, stop)


def _put(item: Item | _End, waiting: "queue.Queue[Item | _End]", stop: threading.Event) -> bool:
    """Waits for room; gives up when nobody reads on, since a thread that waits for ever keeps its video in memory."""
    while not stop.is_set():
        try:
            waiting.put(item, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False
