import functools
import os
from pathlib import Path

import pytest

from vidseq.errors import UserError
from vidseq.processes import run_jobs


def write(path: Path) -> None:
    path.write_text("done")


def fail() -> None:
    raise UserError("No such thing.")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_jobs_are_done(tmp_path, workers):
    files = [tmp_path / str(number) for number in range(3)]
    run_jobs([functools.partial(write, file) for file in files], "write", "file", workers)
    assert all(file.is_file() for file in files)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_job_raises_comes_through(workers):
    with pytest.raises(UserError, match="No such thing"):
        run_jobs([fail, fail], "fail", "job", workers)


@pytest.mark.slow
def test_a_process_that_is_killed_is_told():
    jobs = [functools.partial(os._exit, 9)] * 2
    with pytest.raises(UserError, match=r"ended from outside, .* What is done is kept: run the same again"):
        run_jobs(jobs, "sweep", "answer", workers=2)
