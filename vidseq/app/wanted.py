"""Work that ends early when nobody waits for it any more."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

Value = TypeVar("Value")
#: Called between the steps of long work; raises `LeftError` if nobody waits for the result.
Check: TypeAlias = Callable[[], None]
#: Seconds from one look at whether a client is still there to the next.
_BETWEEN_LOOKS = 0.2


class LeftError(Exception):
    """Nobody waits for the result any more."""


async def run_while_wanted(request: Request, work: Callable[[Check], Value]) -> Value:
    """Runs work in a thread until it is done or its client has gone.

    Args:
        request: of the client, its body read already.
        work: takes a check that it calls between its steps.

    Raises:
        LeftError: the client has gone.
    """
    gone = threading.Event()

    def check() -> None:
        if gone.is_set():
            raise LeftError

    watcher = asyncio.create_task(_watch(request, gone))
    try:
        return await run_in_threadpool(work, check)
    finally:
        gone.set()  # also where the server ends
        watcher.cancel()


async def _watch(request: Request, gone: threading.Event) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(_BETWEEN_LOOKS)
    gone.set()
