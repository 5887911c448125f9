"""Several jobs side by side, each in a process of its own: one that fails or dies costs its own job alone."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")

#: Fresh processes, since forking one whose libraries run threads hangs.
_PROCESSES = multiprocessing.get_context("spawn")


def run_jobs(work: Callable[[Job], None], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, str | None]]:
    """Does each job in a process of its own, so many at a time.

    A process ends when the one that started it does, so that nothing goes on unseen.

    Args:
        work: what is done; it and the jobs are sent to the processes.
        jobs: what to do.
        workers: how many at a time.

    Yields:
        each job as it ends, with the error's text if it failed.
    """
    left = deque(jobs)
    busy: list[_Process[Job]] = []
    try:
        while left or busy:
            while left and len(busy) < workers:
                busy.append(_Process(work, left.popleft()))
            ready = wait([process.connection for process in busy])
            for process in [process for process in busy if process.connection in ready]:
                busy.remove(process)
                yield process.job, process.result()
    finally:
        for process in busy:
            process.end()


class _Process(Generic[Job]):
    def __init__(self, work: Callable[[Job], None], job: Job) -> None:
        self.job = job
        self.connection, theirs = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=_serve, args=(work, job, theirs))
        self._process.start()
        theirs.close()  # so that its end is noticed as the end of the connection

    def result(self) -> str | None:
        try:
            error = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return f"its process ended with exit code {self._process.exitcode}"
        self._process.join()
        return error

    def end(self) -> None:
        self._process.terminate()
        self._process.join()


def _serve(work: Callable[[Any], None], job: Any, connection: Connection) -> None:
    """Runs in the process: does the job and says how it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what to do
    threading.Thread(target=_end_with_parent, daemon=True).start()
    error = None
    try:
        work(job)
    except Exception as problem:  # whatever it is, it must not end the other jobs
        error = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
    with contextlib.suppress(BrokenPipeError):
        connection.send(error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
