"""Jobs in processes of their own: a failure, and a death, cost one job alone."""

import os

from vidseq.comparison.processes import run_jobs


def work(job):
    if job == "fail":
        raise ValueError("it is broken\nin two lines")
    if job == "die":
        os._exit(7)


def test_one_that_fails_and_one_that_dies_leave_the_others():
    ended = dict(run_jobs(work, ["fail", "fine", "die", "well"], 2))
    assert ended == {"fail": "it is broken", "fine": None, "die": "its process ended with exit code 7", "well": None}


def test_nothing_to_do():
    assert not list(run_jobs(work, [], 2))
