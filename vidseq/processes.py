"""Jobs over processes, each of which writes its own file, so that what is done stays when one is killed."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import torch

from vidseq.device import num_cpus
from vidseq.errors import UserError
from vidseq.progress import progress


def run_jobs(
    jobs: Sequence[Callable[[], None]], what: str, unit: str, workers: int, sizes: Sequence[int] | None = None
) -> None:
    """Runs jobs in processes, or here where one worker is enough; a progress bar shows how far they are.

    Args:
        jobs: what to run; each can be sent to another process and stays done once it has returned.
        what: the name of the bar.
        unit: what it counts.
        workers: processes at most.
        sizes: how much each job adds to the bar; None: one each.

    Raises:
        UserError: a process was ended from outside. What a job itself raises comes through.
    """
    sizes = [1] * len(jobs) if sizes is None else sizes
    with progress(total=sum(sizes), what=what, unit=unit) as bar:
        if workers == 1 or len(jobs) < 2:
            for job, size in zip(jobs, sizes):
                job()
                bar.update(size)
            return
        threads = max(1, num_cpus() // workers)
        with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (threads,)) as pool:
            futures: dict[Future[None], int] = {pool.submit(job): size for job, size in zip(jobs, sizes)}
            try:
                for future in as_completed(futures):
                    future.result()
                    bar.update(futures[future])
            except BrokenProcessPool:
                raise UserError(
                    "A sweep expects its processes to live, got one that was ended from outside, perhaps for want of "
                    "memory. What is done is kept: run the same again, with fewer workers."
                ) from None
            finally:
                pool.shutdown(cancel_futures=True)
