"""Work in another process: its values come one by one, and a job that dies or hangs costs itself alone."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from vidseq.errors import UserError, VideoError
from vidseq.isolation import Isolated
from vidseq.processes import JobResult, run_jobs
from vidseq.watch import report_progress, watched


class CannotGoOnError(Exception):
    """Ends all jobs."""


def work(job: str) -> Iterator[object]:
    """Does what a job says, and yields its process before and after."""
    yield os.getpid()
    with watched():
        if job == "abort":
            os.abort()
        if job == "hang":
            time.sleep(600)
        if job == "fail":
            raise UserError("it is broken")
        if job == "fatal":
            raise CannotGoOnError("no disk")
        if job == "slow":
            for _ in range(30):
                time.sleep(0.1)
                report_progress()
    if job == "think":
        time.sleep(2.5)  # nothing is read, so that nothing can hang
    yield job


@pytest.fixture
def isolated() -> Iterator[Isolated[str, object]]:
    made: Isolated[str, object] = Isolated(work, fatal=(CannotGoOnError,), patience=2.0)
    yield made
    made.end()


def test_jobs_share_a_process_until_one_ends_it(isolated: Isolated[str, object]) -> None:
    first, value = isolated("a", "a")
    assert value == "a" and first != os.getpid()
    values = isolated("b.mp4", "fail")
    assert next(values) == first
    with pytest.raises(VideoError, match=r"^b\.mp4: it is broken$"):
        next(values)
    with pytest.raises(VideoError, match=rf"^c\.mp4: its process ended with exit code {-signal.SIGABRT}$"):
        list(isolated("c.mp4", "abort"))
    second, _ = isolated("d", "d")
    assert second != first
    with pytest.raises(CannotGoOnError):
        list(isolated("e", "fatal"))


def test_only_reading_without_progress_is_a_hang(isolated: Isolated[str, object]) -> None:
    began = time.monotonic()
    with pytest.raises(VideoError, match=r"^a\.mp4: it showed no progress for 2 s, so its process was ended$"):
        list(isolated("a.mp4", "hang"))
    assert 2 <= time.monotonic() - began < 60
    assert list(isolated("b", "slow"))[1] == "slow" and list(isolated("c", "think"))[1] == "think"


def hang_at_one(job: int) -> int:
    """Never comes back from job 1."""
    with watched():
        while job == 1:
            time.sleep(1)
    return job


def test_a_pool_ends_what_hangs_and_goes_on() -> None:
    results = list(run_jobs(hang_at_one, {str(job): job for job in range(3)}, 1, isolated=True, patience=1.0))
    assert results == [
        JobResult("0", 0),
        JobResult("1", error="it showed no progress for 1 s, so its process was ended"),
        JobResult("2", 2),
    ]
