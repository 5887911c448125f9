"""Jobs in processes: a job that fails or dies costs itself alone, and no process outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vidseq import processes
from vidseq.errors import UserError
from vidseq.processes import JobResult, all_values, limit_threads, num_cpus, run_jobs

IN_PROCESSES = [1, pytest.param(2, marks=pytest.mark.slow)]


class Work:
    """Does what a job says; counts its jobs."""

    def __init__(self):
        self.done = 0
        self.threads = 0

    def begin(self, threads):
        self.threads = threads

    def __call__(self, job):
        self.done += 1
        if job == "fail":
            raise ValueError("it is broken\nin two lines")
        if job == "bug":
            raise KeyError("name")
        if job == "silent":
            raise RuntimeError
        if job == "full":
            raise UserError("No space.")
        if job == "no room":
            raise OSError(28, "No space left on device", "a/b.npy")
        if job == "die":
            os._exit(7)
        if job == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if job == "abort":
            os.abort()
        if job == "unpicklable":
            return threading.Lock()
        if job == "count":
            return self.done, self.threads, os.environ["OMP_NUM_THREADS"], os.getpid()
        return job


def named(*jobs):
    return {f"{job} {index}": job for index, job in enumerate(jobs)}


def errors(results):
    return {result.name: result.error for result in results}


@pytest.mark.parametrize("workers", IN_PROCESSES)
def test_all_jobs_are_done(workers):
    results = list(run_jobs(Work(), named("a", "b", "c"), workers))
    assert sorted((result.name, result.value) for result in results) == [("a 0", "a"), ("b 1", "b"), ("c 2", "c")]
    assert all(result == JobResult(result.name, result.value) for result in results)


def test_a_full_disk_is_a_line_with_a_way_out():
    line = "a/b.npy cannot be written: No space left on device. Make room, or name another place for it."
    assert errors(run_jobs(Work(), {"one": "no room"}, 1)) == {"one": line}


@pytest.mark.parametrize("workers", IN_PROCESSES)
def test_a_job_that_fails_costs_itself_alone(workers):
    results = {result.name: result for result in run_jobs(Work(), named("fail", "a", "bug", "silent", "b"), workers)}
    assert {name: result.error for name, result in results.items()} == {
        "fail 0": "it is broken", "a 1": "", "bug 2": "KeyError: 'name'", "silent 3": "RuntimeError", "b 4": ""
    }  # fmt: skip
    assert results["a 1"].value == "a" and "in two lines" in results["fail 0"].details


def test_one_that_fails_and_one_that_dies_leave_the_others():
    ended = errors(run_jobs(Work(), {job: job for job in ("fail", "fine", "die", "well")}, 2))
    assert ended == {"fail": "it is broken", "fine": "", "die": "its process ended with exit code 7", "well": ""}


@pytest.mark.slow
def test_any_death_costs_one_job_alone_and_is_reported():
    jobs = named("killed", "a", "abort", "b", "die", "c", "killed")
    assert errors(run_jobs(Work(), jobs, 2)) == {
        "killed 0": f"its process ended with exit code {-signal.SIGKILL}",
        "abort 2": f"its process ended with exit code {-signal.SIGABRT}",
        "die 4": "its process ended with exit code 7",
        "killed 6": f"its process ended with exit code {-signal.SIGKILL}",
        "a 1": "", "b 3": "", "c 5": "",
    }  # fmt: skip


@pytest.mark.slow
def test_a_value_that_cannot_be_sent_is_the_failure_of_its_job():
    ended = errors(run_jobs(Work(), named("unpicklable", "a"), 1, isolated=True))
    assert "cannot pickle" in ended["unpicklable 0"] and ended["a 1"] == ""


def test_an_isolated_job_has_a_process_of_its_own_even_alone():
    assert errors(run_jobs(Work(), {"one": "die"}, 1, isolated=True)) == {"one": "its process ended with exit code 7"}


def test_nothing_to_do():
    assert not list(run_jobs(Work(), {}, 2))
    assert not list(run_jobs(Work(), {}, 2, isolated=True))


@pytest.mark.parametrize("workers", IN_PROCESSES)
def test_a_fatal_error_ends_all_and_comes_through(workers):
    with pytest.raises(UserError, match=r"^No space\.$"):
        list(run_jobs(Work(), named("full", "full", "full"), workers, fatal=(UserError,)))


@pytest.mark.slow
def test_a_process_has_its_share_of_threads_and_serves_several_jobs(monkeypatch):
    monkeypatch.setattr(processes, "num_cpus", lambda: 6)
    work = Work()
    values = list(all_values(run_jobs(work, named(*["count"] * 4), 2, begin=work.begin), "A test").values())
    assert {threads for _, threads, _, _ in values} == {3}  # `begin` is of the same object as `work`
    assert {environment for _, _, environment, _ in values} == {"3"}
    assert len({pid for *_, pid in values} - {os.getpid()}) <= 2 and max(done for done, *_ in values) >= 2
    (value,) = all_values(run_jobs(work, {"one": "count"}, 1, threads=5, isolated=True), "A test").values()
    assert value[2] == "5"
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    (value,) = all_values(run_jobs(work, {"one": "count"}, 1, begin=work.begin, isolated=True), "A test").values()
    assert value[1:3] == (0, "7"), "a single process has the threads of its parent"


def test_threads_are_limited(monkeypatch):
    import torch

    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    limit_threads(2)
    assert torch.get_num_threads() == 2 and os.environ["OMP_NUM_THREADS"] == "2"
    torch.set_num_threads(before)
    assert num_cpus() >= 1


def test_failures_are_named_once_all_have_ended():
    results = list(run_jobs(Work(), named("a", "fail", "b", "bug", *["silent"] * 4), 1))
    with pytest.raises(UserError) as caught:
        all_values(results, "A sweep")
    assert str(caught.value) == (
        "A sweep expects all 8 of its jobs to succeed, got 6 that failed. fail 1: it is broken. "
        "Also failed: bug 3, silent 4, silent 5 .... The finished ones are kept: run the same again."
    )
    assert "in two lines" in str(caught.value.__cause__)
    with pytest.raises(UserError, match=r"got 1 that failed\. one: No space\. The finished"):
        all_values(run_jobs(Work(), {"one": "full"}, 1), "A sweep")
    assert all_values(results[:1], "A sweep") == {"a 0": "a"}


SCRIPT = """
import sys, time
from pathlib import Path
from vidseq.processes import run_jobs

def work(folder):
    Path(folder, "began").touch()
    for tick in range(600):
        Path(folder, "tick").write_text(str(tick))
        time.sleep(0.05)

if __name__ == "__main__":
    results = run_jobs(work, {folder: folder for folder in sys.argv[1:]}, 2)
    try:
        for result in results:
            print(result)
    except KeyboardInterrupt:
        sys.exit(42)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_their_parent(tmp_path: Path, stop: signal.Signals):
    (tmp_path / "script.py").write_text(SCRIPT)
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, tmp_path / "script.py", *folders]
    parent = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 60
    while not all((folder / "began").exists() for folder in folders) and time.monotonic() < deadline:
        time.sleep(0.02)
    if stop == signal.SIGINT:
        os.killpg(parent.pid, stop)  # as a terminal does: parent and workers alike
    else:
        os.kill(parent.pid, stop)  # the parent alone
    assert parent.wait(20) == (42 if stop == signal.SIGINT else -stop)
    time.sleep(0.5)
    before = [(folder / "tick").read_text() for folder in folders]
    time.sleep(0.5)
    assert [(folder / "tick").read_text() for folder in folders] == before, "a process goes on unseen"


@pytest.mark.slow
def test_processes_end_when_the_results_are_left():
    results = run_jobs(Work(), named("count", "count", "count", "count"), 2)
    pid = next(results).value[-1]
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


CLEAN = """
import multiprocessing
from vidseq.processes import run_jobs

def work(file):
    global lock
    lock = multiprocessing.Lock()  # killed, a process leaves its semaphores behind

if __name__ == "__main__":
    print([result.error for result in run_jobs(work, {"a": "a", "b": "b", "c": "c"}, 2)])
"""


@pytest.mark.slow
def test_idle_processes_clean_up(tmp_path: Path):
    (tmp_path / "script.py").write_text(CLEAN)
    ended = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "['', '', '']\n" and ended.stderr == ""


LEFT = """
import time
from vidseq.processes import run_jobs

def work(seconds):
    time.sleep(seconds)

if __name__ == "__main__":
    results = run_jobs(work, {"short": 0.1, "long": 300}, 2)  # still referred to when the script ends
    for result in results:
        raise RuntimeError("something else went wrong")
"""


@pytest.mark.slow
def test_a_parent_that_fails_does_not_wait_for_its_processes(tmp_path: Path):
    (tmp_path / "script.py").write_text(LEFT)
    ended = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1 and "something else went wrong" in ended.stderr
