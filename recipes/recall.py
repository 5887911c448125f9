"""Which head still knows what was shown long ago? Generated recall tasks, equal parameters, growing lags.

Command:   python recipes/recall.py --heads all --tasks frank --seeds 0,1,2
           python recipes/recall.py --heads all
Cost:      about a quarter of a minute a head, task and seed on one core (heads that sort or search more); a run that
           was stopped goes on.
Expected:  a table of the longest lag that each head solves (90% right at it and at every shorter one; chance is 12.5%,
           "adding" at best 25%), one a task of how often it is right at each lag, and a figure. Where more than one
           thing is to be kept the RNN is the first to fail; convolutions and attention hold within their sight; gated
           and memory heads hold beyond the lags that they were trained on.

Training goes from lags of 2 frames to 300, the same steps for every head; lags of 1,000 and 10,000 are only asked.

The schedule (`STAGES`, the learning rate) was set before any seed that is reported was run: on seed 100, "Frank",
lags up to 300, with `conv`, `lstm` and `window`; heads' options there too, those of `conv_encoder` the last. Most
steps are at lags up to 10 and 30, for with most of them at a lag of 2 convolutions learn that lag alone. Of learning
rates of 0.002 and 0.005 the larger was better where they differed. Attention looks 32 frames back a layer and
convolutions about 60 in all, so that training asks beyond their sight too, and what a head keeps besides is of use.
`conv_encoder` has two levels, for with three it learnt nothing in so few steps; `reformer` has few buckets, for no
gradient brings together what was hashed apart.
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
    """Trains and scores.

    Args:
        heads: names, or "all".
        tasks: names.
        out: folder for the rows, the tables and the figure; what is there already is kept, and told too.
        parameters: how many each head may have.
        seeds: of weights and clips.
        workers: processes.
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
    """Writes and prints the rows as tables, and draws them."""
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
