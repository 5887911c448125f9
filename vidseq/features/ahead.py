"""Does slow work in threads, ahead of its use."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How long a stop waits for the current step, in seconds.
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1


class _End:
    """Marks the end of the queue, with the error that ended it if there was one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def read_ahead(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """Iterates over `items` in a separate thread, so that making the next item overlaps with using the current one.

    Args:
        items: the items; only the thread uses the iterator. Its work must release the interpreter's lock to overlap.
        depth: largest number of waiting items, which bounds memory.

    Yields:
        the items in order. An error of `items` is raised at the position where it occurred.
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
    """Applies a function to several items at a time, each in a thread.

    A worker starts on an item as soon as it exists. If items come slowly, only one worker is busy, and the CPUs stay
    free for making items.

    Args:
        function: a thread-safe function, which must release the interpreter's lock to overlap.
        items: the items; the caller's thread iterates over them, at most `workers + 1` ahead of the results.
        workers: number of threads; with 1 the caller's thread does all work.

    Yields:
        the results in the order of the items. An error is raised at the position of its result.
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
    """Waits for room in the queue until the reader stops: a thread that waits forever keeps its video in memory."""
    while not stop.is_set():
        try:
            waiting.put(item, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False
