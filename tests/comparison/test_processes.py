"""Jobs in processes of their own: a failure, and a death, cost one job alone."""

import os

import pytest
import torch

from vidseq.comparison.processes import run_jobs


def work(job):
    if job == "fail":
        raise ValueError("it is broken\nin two lines")
    if job == "die":
        os._exit(7)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_one_that_fails_and_one_that_dies_leave_the_others(workers):
    ended = dict(run_jobs(work, ["fail", "fine", "die", "well"], workers))
    assert ended == {"fail": "it is broken", "fine": None, "die": "its process ended with exit code 7", "well": None}


def test_nothing_to_do():
    assert not list(run_jobs(work, [], 2))
