"""Which head still knows what was shown long ago? Generated recall tasks, equal parameters, growing lags.

Command:   python recipes/recall.py [--heads lstm,window] [--tasks frank] [--out runs/recall]
Cost:      about a quarter of a minute a head and task on one core (attention over all frames more); a run that was
           stopped goes on.
Expected:  a table of the longest lag that each head solves (90% right at it and at every shorter one; chance is 12.5%,
           "adding" at best 25%), and one of how often it is right at each lag. The RNN fails first; attention holds
           within its window; gated and memory heads hold beyond the lags that they were trained on.

Training goes from lags of 2 frames to 300, the same steps for every head; lags of 1,000 and 10,000 are only asked. A
lag is not asked once a head has been right less than half the time at a shorter one.
"""

from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from jsonargparse import auto_cli

from vidseq.analysis.recall import TASKS
from vidseq.analysis.recall_training import LAGS, longest_solved, score_recall
from vidseq.device import one_thread
from vidseq.errors import unknown_name
from vidseq.evaluation.table import to_markdown, write_table
from vidseq.heads import head_names
from vidseq.progress import progress


def main(
    heads: str = "conv,rnn,lstm,memory,window",
    tasks: str = ",".join(TASKS),
    out: Path = Path("runs/recall"),
    parameters: int = 20_000,
    seeds: str = "0",
    workers: int = 2,
) -> None:
    """Trains and scores.

    Args:
        heads: names, or "all".
        tasks: names.
        out: folder for the rows and the table; what is there already is kept.
        parameters: how many each head may have.
        seeds: of weights and clips.
        workers: processes.
    """
    for task in tasks.split(","):
        if task not in TASKS:
            raise unknown_name("task", task, TASKS)
    wanted = [(h, task, int(s)) for s in seeds.split(",") for task in tasks.split(",") for h in head_names(heads)]
    files = {job: out / "rows" / f"{job[0]}-{job[1]}-{parameters}-{job[2]}.csv" for job in wanted}
    left = [job for job in wanted if not files[job].is_file()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        jobs = [pool.submit(run, *job, parameters, files[job]) for job in left]
        try:
            for done in progress(as_completed(jobs), total=len(jobs), what="recall", unit="run"):
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)  # when a run fails, those to come wait for the next start
    rows = pd.concat([pd.read_csv(path) for path in files.values()], ignore_index=True)
    write_table(rows, out / "rows.csv")
    table = longest_solved(rows).join(rows.groupby("head")["parameters"].max()).reset_index()
    write_table(table, out / "table.csv")
    print(f"Longest lag solved, of {', '.join(map(str, LAGS))} frames; 0: none\n\n{to_markdown(table)}")
    rates = rows.pivot_table(index=["head", "task"], columns="lag", values="accuracy", sort=False).reset_index()
    write_table(rates, out / "accuracy.csv")
    print(f"Share of right answers at each lag\n\n{to_markdown(rates, digits=2)}")


def run(head: str, task: str, seed: int, parameters: int, file: Path) -> None:
    """Scores one head on one task."""
    write_table(score_recall(head, task, parameters=parameters, seed=seed), file)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
