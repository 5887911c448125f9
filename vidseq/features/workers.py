"""Several processes, one video each at a time. A process that dies costs its video and is replaced."""

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol

from vidseq.device import num_cpus
from vidseq.errors import UserError
from vidseq.features.report import Outcome

#: Fresh processes, since forking one whose libraries run threads hangs.
_PROCESSES = multiprocessing.get_context("spawn")


class Work(Protocol):
    """What is done to each video; it is sent to every process once."""

    def __call__(self, video: str, path: Path) -> Outcome:
        """Does it."""

    def limit_threads(self, threads: int) -> None:
        """Uses no more than so many CPU threads from now on."""


def run_workers(work: Work, videos: Sequence[tuple[str, Path]], workers: int) -> Iterator[Outcome]:
    """Does the work in several processes.

    Args:
        work: what each process does to a video.
        videos: identifier and file of each.
        workers: how many processes.

    Yields:
        what became of each video, in the order in which they are finished.

    Raises:
        UserError: one that no other video would be spared, such as a full disk.
    """
    left = deque(videos)
    threads = max(1, num_cpus() // workers)
    team = [_Worker(work, threads) for _ in range(workers)]
    try:
        for worker in team:
            worker.start(left.popleft())
        while busy := {worker.connection: worker for worker in team if worker.video is not None}:
            for ready in wait(list(busy)):
                worker = busy[ready]  # type: ignore[index]
                outcome = worker.outcome()
                if not worker.process.is_alive() and left:
                    team[team.index(worker)] = worker = _Worker(work, threads)
                if left:
                    worker.start(left.popleft())
                yield outcome
    finally:
        for worker in team:
            worker.end()


class _Worker:
    """A process and the video that it is at."""

    def __init__(self, work: Work, threads: int) -> None:
        self.connection, theirs = _PROCESSES.Pipe()
        self.process = _PROCESSES.Process(target=_serve, args=(work, threads, theirs), daemon=True)
        self.process.start()
        theirs.close()  # so that its end is noticed as the end of the connection
        self.video: tuple[str, Path] | None = None

    def start(self, video: tuple[str, Path]) -> None:
        self.video = video
        with contextlib.suppress(OSError):  # it has died; `outcome` says so
            self.connection.send(video)

    def outcome(self) -> Outcome:
        assert self.video is not None
        (video, path), self.video = self.video, None
        try:
            result = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return Outcome(video, error=f"{path}: its process ended with exit code {self.process.exitcode}")
        if isinstance(result, UserError):
            raise result
        return result

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _serve(work: Work, threads: int, connection: Connection) -> None:
    """Runs in the process: videos come in, outcomes go out, until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what to do
    work.limit_threads(threads)
    while True:
        try:
            video, path = connection.recv()
        except EOFError:
            return
        try:
            connection.send(work(video, path))
        except UserError as error:
            connection.send(error)
        except BrokenPipeError:
            return
