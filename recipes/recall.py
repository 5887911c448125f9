"""Measures which heads remember what was shown long ago, on generated recall tasks with equal parameters.

Command:   python recipes/recall.py --heads all --tasks frank --seeds 0,1,2
           python recipes/recall.py --heads all
Cost:      about 15 seconds per head, task and seed on one core (more for heads that sort or search); an interrupted
           run resumes.
Expected:  a table of the longest lag that each head solves (90% right at it and at every shorter one; chance is 12.5%,
           "adding" at best 25%), a table per task of accuracy at each lag, and a figure. If there are several things
           to remember, the RNN fails first; convolutions and attention succeed within their contexts; gated and memory
           heads succeed beyond the lags of their training.

Training goes from lags of 2 frames to 300 with the same steps for every head; lags of 1,000 and 10,000 are only
tested.

The schedule (`STAGES`, the learning rate) was set before any reported seed was run, on seed 100, "Frank", lags up to
300, with `conv`, `lstm` and `window`; so were the options of heads, those of `conv_encoder` last. Most steps are at
lags up to 10 and 30: with most steps at a lag of 2, convolutions learn only that lag. Of the learning rates 0.002 and
0.005 the larger was better where they differed. Attention sees 32 frames per layer and convolutions about 60 in all,
so training also has lags beyond their contexts, where other memory helps. `conv_encoder` has two levels because with
three it learnt nothing in so few steps. `reformer` has few buckets because no gradient joins frames in different
buckets.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from vidseq.analysis import LAGS, TASKS, accuracy_by_lag, recall_figure, recall_table, score_recall
from vidseq.cli import run_script
from vidseq.errors import unknown_name
from vidseq.heads import head_names
from vidseq.processes import all_values, run_jobs
from vidseq.progress import progress
from vidseq.reporting import save_figure, to_markdown, write_table


def main(
    heads: str = "conv,rnn,lstm,memory,window",
    tasks: str = ",".join(TASKS),
    out: Path = Path("runs/recall"),
    parameters: int = 20_000,
    seeds: str = "0",
    workers: int = 2,
) -> None:
    """Trains and scores heads, and reports all rows in the folder.

    Args:
        heads: names of heads, or "all".
        tasks: names of tasks.
        out: folder for the rows, the tables and the figure; existing rows are kept and reported too.
        parameters: largest number of parameters of each head.
        seeds: seeds of weights and clips, such as "0,1".
        workers: number of processes.
    """
    for task in tasks.split(","):
        if task not in TASKS:
            raise unknown_name("task", task, TASKS)
    wanted = [(h, task, int(s)) for s in seeds.split(",") for task in tasks.split(",") for h in head_names(heads)]
    files = {job: out / "rows" / f"{job[0]}-{job[1]}-{parameters}-{job[2]}.csv" for job in wanted}
    left = {f"{job[0]} on {job[1]}, seed {job[2]}": (*job, file) for job, file in files.items() if not file.is_file()}
    results = run_jobs(partial(run, parameters), left, workers, threads=1, isolated=True)
    all_values(progress(results, total=len(left), what="recall", unit="run"), "The benchmark")
    finished = (out / "rows").glob(f"*-{parameters}-*.csv")
    report(pd.concat([pd.read_csv(path) for path in finished], ignore_index=True), out)


def report(rows: pd.DataFrame, out: Path) -> None:
    """Writes and prints tables of the rows, and draws the figure."""
    table = recall_table(rows)
    write_table(table, out / "table.csv")
    print(f"Longest lag solved, of {', '.join(map(str, LAGS))} frames; 0: none\n\n{to_markdown(table)}")
    order = {"task": list(TASKS), "head": table["head"].tolist()}
    rows = rows.sort_values(
        ["task", "head", "seed", "lag"],
        key=lambda values: values.map(order[values.name].index) if values.name in order else values,
    )
    write_table(rows, out / "rows.csv")
    for task, part in rows.groupby("task", sort=False):
        shares = accuracy_by_lag(part)
        write_table(shares, out / f"{task}.csv")
        print(f"{task}: percent right at each lag\n\n{to_markdown(shares)}")
    for path in save_figure(recall_figure(rows), out / "recall"):
        print(path)


def run(parameters: int, job: tuple[str, str, int, Path]) -> None:
    """Scores one head on one task."""
    head, task, seed, file = job
    write_table(score_recall(head, task, parameters=parameters, seed=seed), file)


if __name__ == "__main__":
    run_script(main)
