"""Times every head against well-known peers in the same run, and writes a table, CSV and figure.

python tools/benchmark_heads.py --out benchmark --frames 1024 4096 16384

Each head and each peer has its own process, so that its memory is separate and a crash does not affect the others.
They take turns, and the fastest run counts. With one thread, CPU time is measured, which other programs do not add to;
with more threads, wall-clock time. A ratio is the peer's time divided by the head's: above 1 the head is faster.
Allocators: "glibc" as installed, and settings with which it returns less memory to the system and causes fewer page
    faults; the
ratio "at best" lets head and peer each use their fastest setting. Measurements are kept in rows.jsonl, and another run
resumes. With --before, heads of other checkouts take turns with those of this one.
"""

import argparse
import itertools
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from benchmark_peers import BENCHMARKED_HEADS, STREAMED
from benchmark_report import BEFORE, QUADRATIC, Row, read_rows, write_report

from vidseq import UserError
from vidseq.errors import unknown_name
from vidseq.files import atomic_write
from vidseq.progress import progress

WORKER = Path("tools/benchmark_worker.py")
"""The worker's place in a checkout."""

_KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)}
ALLOCATORS: dict[str, dict[str, str]] = {
    "glibc": {},
    "glibc, freed memory kept": _KEPT,
    "glibc, kept, huge pages": _KEPT | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
}
"""Settings of the allocator, as environment variables."""

JOBS = ("forward", "both", "step", "far", "train")


class Case(NamedTuple):
    """A head and its peers in one job, which are measured in turns."""

    head: str
    frames: int
    threads: int
    allocator: str
    job: str


class Worker:
    """One head or peer in its own process; the head of another checkout runs that one's code."""

    def __init__(self, subject: str, case: Case, options: argparse.Namespace) -> None:
        self.subject, self.timeout, self.error = subject, options.timeout, ""
        checkout = checkouts(options).get(subject)
        spec = {
            "subject": subject if checkout is None else case.head,
            "head": case.head,
            "dim": options.dim,
            "frames": case.frames,
            "threads": case.threads,
            "limit_gb": options.limit_gb,
        }
        environment = os.environ | ALLOCATORS[case.allocator] | {"OMP_NUM_THREADS": str(case.threads)}
        if checkout is not None:
            environment["PYTHONPATH"] = str(checkout)
        root = checkout or Path(__file__).parents[1]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(root / WORKER), json.dumps(spec)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.facts = self._answer()

    def measure(self, job: str) -> dict[str, Any]:
        """Runs a job once; returns {} after a failure, which is in `error`."""
        if self.error:
            return {}
        assert self.process.stdin is not None
        try:
            print(job, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            self.error = "ended"
        return self._answer()

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        if not self.error and not select.select([self.process.stdout], [], [], self.timeout)[0]:
            self.error = f"over {self.timeout:g} s"
            self.process.kill()
        if self.error:
            return {}
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            errors = self.process.stderr.read().strip().splitlines()
            self.error = errors[-1][:200] if errors else "killed"
            return {}
        answer: dict[str, Any] = json.loads(line)
        self.error = answer.get("error", "")
        return answer


def checkouts(options: argparse.Namespace) -> dict[str, Path]:
    """Returns the other checkouts by the names that their heads have in rows."""
    return {BEFORE + folder.resolve().name: folder.resolve() for folder in options.before}


def measure(workers: list[Worker], case: Case, options: argparse.Namespace) -> list[Row]:
    """Runs one job of all workers in turns."""
    best: dict[str, float] = {}
    peaks: dict[str, int | None] = {}
    start = time.perf_counter()
    for run in range(1 if case.job == "train" else options.runs):
        for worker in workers:
            answer = worker.measure(case.job)
            if "ms" in answer:
                best[worker.subject] = min(best.get(worker.subject, float("inf")), answer["ms"])
                peaks.setdefault(worker.subject, answer.get("bytes"))
        if run and time.perf_counter() - start > options.seconds_a_job:
            break
    return [
        Row(
            **case._asdict(),
            subject=worker.subject,
            ms=best.get(worker.subject),
            peak_bytes=peaks.get(worker.subject),
            error=worker.error,
            matrix_rate=worker.facts.get("matrix_rate"),
            state_bytes=worker.facts.get("state_bytes"),
        )
        for worker in workers
    ]


def jobs_of(head: str, wanted: list[str]) -> list[str]:
    """Returns the jobs that a head supports."""
    benchmarked = BENCHMARKED_HEADS[head]
    possible = set() if benchmarked.live_only else {"forward", "both"}
    if benchmarked.causal:
        possible |= {"step", "far"}
    if benchmarked.head not in QUADRATIC and not benchmarked.live_only:
        possible.add("train")
    return [job for job in wanted if job in possible]


def cases(options: argparse.Namespace) -> list[Case]:
    """Returns all requested cases; jobs of the same workers follow one another."""
    grid = itertools.product(options.heads, options.frames, options.threads, options.allocators)
    return [Case(*setting, job) for setting in grid for job in jobs_of(setting[0], options.jobs)]


def run_cases(todo: list[Case], options: argparse.Namespace) -> Iterator[list[Row]]:
    """Measures the cases in order."""
    for _, together in itertools.groupby(todo, key=lambda case: case[:-1]):
        workers: dict[str, Worker] = {}
        try:
            for case in together:
                subjects = [
                    case.head,
                    *(peer.name for peer in BENCHMARKED_HEADS[case.head].peers if not options.without_peers),
                ]
                if case.job in ("step", "far"):
                    streamed = STREAMED if case.job == "step" else ()
                    subjects = [name for name in subjects if name in BENCHMARKED_HEADS or name in streamed]
                if case.job == "train":
                    subjects = [case.head]
                subjects += checkouts(options)
                for name in subjects:
                    if name not in workers:
                        workers[name] = Worker(name, case, options)
                yield measure([workers[name] for name in subjects], case, options)
        finally:
            for worker in workers.values():
                worker.close()


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmark"), help="folder of rows, tables and figure")
    parser.add_argument("--heads", nargs="+", default=list(BENCHMARKED_HEADS), metavar="HEAD", help="forms of heads")
    parser.add_argument("--frames", nargs="+", type=int, default=[1024, 4096, 16384], help="lengths T of the video")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="CPU threads")
    parser.add_argument("--allocators", nargs="+", default=list(ALLOCATORS)[:2], metavar="SETTING")
    parser.add_argument(
        "--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="train: both, with all of a head's default layers"
    )
    parser.add_argument(
        "--without-peers", action="store_true", help="measure only heads, for example for growth with T"
    )
    parser.add_argument(
        "--before", nargs="+", type=Path, default=[], metavar="CHECKOUT", help="other checkouts to compare heads with"
    )
    parser.add_argument("--dim", type=int, default=256, help="width D")
    parser.add_argument("--runs", type=int, default=7, help="largest number of runs; the fastest counts")
    parser.add_argument("--seconds-a-job", type=float, default=20, help="start no further run after this time")
    parser.add_argument("--timeout", type=float, default=120, help="seconds after which a run is stopped")
    parser.add_argument("--limit-gb", type=float, default=12, help="memory that one process may take")
    parser.add_argument("--pause-after", type=float, default=float("inf"), help="seconds; start no job after that")
    options = parser.parse_args()
    for name, known in (("heads", BENCHMARKED_HEADS), ("allocators", ALLOCATORS)):
        for value in getattr(options, name):
            if value not in known:
                raise unknown_name(name[:-1], value, known)
    for folder in options.before:
        if not (folder / WORKER).is_file():
            raise UserError(f"--before expects checkouts of vidseq with {WORKER}, got none in '{folder}'.")
    return options


def _line(row: Row) -> str:
    return json.dumps(row._asdict()) + "\n"


def main() -> None:
    """Measures the missing cases, then writes the report on all rows."""
    options = parse()
    path = options.out / "rows.jsonl"
    before = read_rows(path)
    atomic_write(path, "".join(_line(row) for row in before))  # removes the incomplete line of an interrupted run
    done = {Case(row.head, row.frames, row.threads, row.allocator, row.job) for row in before}
    todo = [case for case in cases(options) if case not in done]
    start = time.perf_counter()
    with progress(total=len(todo), what="measure", unit="job") as bar, path.open("a", encoding="utf-8") as file:
        for count, rows in enumerate(run_cases(todo, options), start=1):
            file.write("".join(_line(row) for row in rows))
            file.flush()
            bar.update()
            if time.perf_counter() - start > options.pause_after:
                print(f"Paused with {len(todo) - count} jobs left; run the command again to resume.")
                break
    print(f"torch {torch.__version__}, float32, B = 1, D = {options.dim}\n")
    print(write_report(read_rows(path), options.out))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from None
