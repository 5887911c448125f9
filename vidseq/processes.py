"""Runs many jobs in several processes. A job that fails, or that ends its process, costs itself alone.

`concurrent.futures` and `loky` lose every job that is under way or waiting when one process dies, and neither ends its
processes when their parent is killed, so this module builds on `multiprocessing.Process` and `Pipe` instead.
"""

import atexit
import contextlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, cast

from vidseq.errors import UserError
from vidseq.files import why_not_written
from vidseq.watch import send_progress_to

Job = TypeVar("Job")
Value = TypeVar("Value")

#: Fresh processes: to fork a process whose libraries run threads can hang.
_PROCESSES = multiprocessing.get_context("spawn")
#: Seconds that a process has to end after it was asked to, before it is killed.
_PATIENCE = 10.0


@dataclass(frozen=True)
class JobResult(Generic[Value]):
    """The outcome of one job."""

    name: str
    value: Value | None = None
    """What the job returned."""
    error: str = ""
    """Why the job failed, in one line; empty if it did not."""
    details: str = ""
    """The traceback of a job that failed."""


def num_cpus() -> int:
    """Counts the CPUs that this process may use, or where the system does not say, the CPUs of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(threads: int) -> None:
    """Sets how many CPU threads torch uses, and libraries with OpenMP that are imported later."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def run_jobs(
    work: Callable[[Job], Value],
    jobs: Mapping[str, Job],
    workers: int,
    *,
    threads: int | None = None,
    begin: Callable[[int], None] | None = None,
    fatal: tuple[type[Exception], ...] = (),
    isolated: bool = False,
    patience: float | None = None,
) -> Iterator[JobResult[Value]]:
    """Runs jobs in processes, or in this process if one worker is enough.

    Each process runs one job after another. A process that dies costs the job that it was at, and is replaced. All
    processes end with the iterator, at Ctrl-C, and when this process ends, even if it is killed.

    Args:
        work: what to do with each job. It is sent to each process once, together with `begin`, so that methods of one
            object stay methods of one object.
        jobs: what to work on, by a name for reports.
        workers: how many processes at most.
        threads: CPU threads of each process; None: an equal share of the CPUs, and for a single worker no limit.
        begin: called once in each process whose threads are limited, with their number; for libraries that
            `limit_threads` does not reach.
        fatal: errors that no other job would escape either; the first one is raised here and ends all jobs.
        isolated: whether a single worker, too, is a process of its own.
        patience: seconds without progress after which a job that is `watched` is ended; None: no limit.

    Yields:
        the result of each job, in the order in which they end.
    """
    if not isolated and (workers == 1 or len(jobs) < 2):
        for name, job in jobs.items():
            yield _run(work, name, job, fatal)
        return
    share = max(1, num_cpus() // workers) if threads is None and workers > 1 else threads
    team = _Team(lambda: Worker(Duty(work, share, begin, fatal), patience))
    atexit.register(team.end)  # before multiprocessing waits for processes that nobody has ended
    try:
        yield from team.run(jobs, workers)
    finally:
        team.end()
        atexit.unregister(team.end)


def all_values(results: Iterable[JobResult[Value]], who: str) -> dict[str, Value]:
    """Collects what jobs returned, once all of them have ended.

    Args:
        results: of `run_jobs`.
        who: what the jobs belong to, such as "A sweep".

    Raises:
        UserError: some jobs failed. It names them, and gives the reason for the first.
    """
    values: dict[str, Value] = {}
    failed: list[JobResult[Value]] = []
    for result in results:
        if result.error:
            failed.append(result)
        else:
            values[result.name] = cast(Value, result.value)
    if failed:
        first, others = failed[0], [result.name for result in failed[1:]]
        more = f" Also failed: {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}." if others else ""
        raise UserError(
            f"{who} expects all {len(values) + len(failed)} of its jobs to succeed, got {len(failed)} that failed. "
            f"{first.name}: {first.error.rstrip('.')}.{more} The finished ones are kept: run the same again."
        ) from (RuntimeError(first.details) if first.details else None)
    return values


class _Team(Generic[Job, Value]):
    """Processes at work; those that die are replaced."""

    def __init__(self, new_worker: Callable[[], "Worker[Job, Value]"]) -> None:
        self._new_worker = new_worker
        self._workers: list[Worker[Job, Value]] = []

    def run(self, jobs: Mapping[str, Job], workers: int) -> Iterator[JobResult[Value]]:
        left = deque(jobs.items())
        for _ in range(min(workers, len(jobs))):
            self._start(*left.popleft())
        while busy := [worker.connection for worker in self._workers]:
            wait(busy, min((left for left in map(_seconds_left, self._workers) if left is not None), default=None))
            for worker in [worker for worker in self._workers if worker.has_message or worker.is_stuck]:
                result = worker.receive()
                if result is None or isinstance(result, Part):
                    continue
                if not left or not worker.is_alive():
                    self._workers.remove(worker)
                    worker.end()
                    if left:
                        self._start(*left.popleft())
                else:
                    worker.start(*left.popleft())
                yield result

    def _start(self, name: str, job: Job) -> None:
        worker = self._new_worker()
        self._workers.append(worker)
        worker.start(name, job)

    def end(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()


def _seconds_left(worker: "Worker[Any, Any]") -> float | None:
    return worker.seconds_left


@dataclass(frozen=True)
class Duty(Generic[Job, Value]):
    """What a process is sent once."""

    work: Callable[[Job], Value]
    threads: int | None = None
    begin: Callable[[int], None] | None = None
    fatal: tuple[type[Exception], ...] = ()
    in_parts: bool = False
    """Whether the work yields values, which are sent one by one."""


@dataclass(frozen=True)
class Part(Generic[Value]):
    """A value of work that yields some."""

    value: Value


class Worker(Generic[Job, Value]):
    """One process, seen from its parent."""

    def __init__(self, duty: Duty[Job, Value], patience: float | None = None) -> None:
        self.connection, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_serve, args=(duty, theirs))
        self._process.start()
        theirs.close()  # so that the process' end is seen as the connection's end
        self._name = ""
        self._busy = False
        self._patience = patience
        self._deadline = math.inf

    def start(self, name: str, job: Job) -> None:
        """Sends a job."""
        self._name, self._busy = name, True
        with contextlib.suppress(OSError):  # the process has died; `receive` reports it
            self.connection.send((name, job))

    @property
    def seconds_left(self) -> float | None:
        """How long to wait for a message at most, before the job counts as hung."""
        return None if math.isinf(self._deadline) else max(0.0, self._deadline - time.monotonic())

    @property
    def has_message(self) -> bool:
        """Whether something came, or the process ended."""
        return self.connection.poll()

    @property
    def is_stuck(self) -> bool:
        """Whether its job has shown no progress for too long."""
        return self.seconds_left == 0

    def receive(self) -> "JobResult[Value] | Part[Value] | None":
        """Takes a message: a job's result, a part of it, or None for a sign of progress. Ends a job that is stuck."""
        if not self.has_message and self.is_stuck:
            self._process.kill()
            return self._lost(f"it showed no progress for {self._patience:g} s, so its process was ended")
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return self._lost("its process ended with exit code {}")
        if isinstance(message, bool):
            self._deadline = math.inf if self._patience is None or not message else time.monotonic() + self._patience
            return None
        if isinstance(message, Part):
            return message
        self._busy, self._deadline = False, math.inf
        if isinstance(message, Exception):
            raise message
        return cast("JobResult[Value]", message)

    def _lost(self, reason: str) -> "JobResult[Value]":
        self._busy, self._deadline = False, math.inf
        self._process.join()
        return JobResult(self._name, error=reason.format(self._process.exitcode))

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def end(self) -> None:
        """Ends the process: at once if it is busy."""
        self.connection.close()
        if self._busy:
            self._process.terminate()
        self._process.join(_PATIENCE)  # an idle process ends by itself, and cleans up
        if self._process.is_alive():  # something in it catches the signal
            self._process.kill()
            self._process.join()


def _serve(duty: Duty[Any, Any], connection: Connection) -> None:
    """Runs in the process: jobs come in and results go out, until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what to do
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if duty.threads is not None:
        limit_threads(duty.threads)
        if duty.begin is not None:
            duty.begin(duty.threads)
    sending = threading.Lock()  # signs of progress come from other threads, too

    def send(message: object) -> None:
        with sending:
            connection.send(message)

    send_progress_to(send)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            name, job = connection.recv()
            try:
                result = _run_parts(duty, name, job, send) if duty.in_parts else _run(duty.work, name, job, duty.fatal)
            except duty.fatal as error:
                send(error)
                continue
            try:
                send(result)
            except BrokenPipeError:
                raise
            except Exception as error:  # the value cannot be pickled
                send(_failed(name, error))


def _run_parts(duty: Duty[Job, Any], name: str, job: Job, send: Callable[[object], None]) -> JobResult[Any]:
    def work(job: Job) -> None:
        for value in duty.work(job):
            send(Part(value))

    return _run(work, name, job, (*duty.fatal, BrokenPipeError))


def _run(
    work: Callable[[Job], Value], name: str, job: Job, fatal: tuple[type[Exception], ...] = ()
) -> JobResult[Value]:
    try:
        return JobResult(name, work(job))
    except fatal:
        raise
    except Exception as error:  # whatever it is, it must not end the other jobs
        return _failed(name, error)


def _failed(name: str, error: Exception) -> JobResult[Any]:
    text = str(error).strip()
    line = text.splitlines()[0] if text else ""
    if isinstance(error, OSError):
        line = why_not_written(error) or line
    if not isinstance(error, (ValueError, OSError)):  # whose texts say by themselves what is wrong
        line = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return JobResult(name, error=line or type(error).__name__, details=traceback.format_exc())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
