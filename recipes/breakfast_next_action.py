"""Measures next actions on Breakfast from past action labels, by the number of labels shown: five heads, four splits.

Command:   python recipes/breakfast_next_action.py --data FOLDER [--heads gru] [--seeds 0] [--out runs/breakfast_next]
           FOLDER holds groundTruth, mapping.txt and splits (the layout of MS-TCN).
Cost:      about 12 minutes on one core; an interrupted run or sweep resumes.
Expected:  a table of heads, n-gram chains and other controls, with differences from the chain chosen on held-out
    people
           and from the unordered bag of past labels; a report of accuracy from one past action to all of them.

The input is the true labels of past actions, no pixels. A frame is an action: its one-hot label, its duration, and the
time since the last action began (see epic_next_action.py, which uses the same input). "SIL" is not an action. Queries
ask for every action but the first of a video: 6,647 in the test videos of the four splits together.

Nothing is chosen on test videos. Some people are held out of each split's training videos. The order of the split's
chain is chosen on them in each run; the settings below were chosen once, on those of split 1. Intervals resample the
52 people, not the 1,712 videos, many of which show one performance from several cameras.
"""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from vidseq.cli import run_script
from vidseq.context import Sweep, run_sweep, write_report
from vidseq.data import Dataset
from vidseq.evaluation import pivot_accuracy, pool_splits
from vidseq.features import FeatureStore
from vidseq.forecasting import best_chain, next_action_table
from vidseq.heads import head_names
from vidseq.importers import convert_breakfast_split, write_action_steps
from vidseq.reporting import to_markdown, write_table
from vidseq.training import ResolvedConfig, fit

CHAINS = tuple(f"ngram:{order}" for order in (1, 2, 3, 4, 8))
CONTROLS = ("blind", "shuffled", "swapped_past:1s", "majority", "time_only", "bag_of_labels", "repeat_last_label")
SETTINGS = ResolvedConfig(
    dim=64,
    tasks={"next_action": {"label_smoothing": 0.1}},
    full_context=0.5,
    queries_per_clip=32,
    batch_size=32,
    lr=4e-3,
    epochs=10,
    patience=None,
)
#: No video has more than 23 actions.
HEAD_OPTIONS: dict[str, dict[str, Any]] = {"window": {"window": 24}}
TITLE = "Breakfast: next action from the labels of past actions (a second is an action)"


def main(
    data: Path,
    out: Path = Path("runs/breakfast_next_action"),
    splits: str = "1,2,3,4",
    heads: str = "gru,lstm,conv,memory,window",
    seeds: str = "0",
    contexts: str = "1f,2f,3f,4f,6f,8f,full",
    epochs: int = SETTINGS.epochs,
    limit: int | None = None,
) -> None:
    """Trains and scores next actions on the official splits, and compares them with chains.

    Args:
        data: folder of Breakfast in the layout of MS-TCN; features are not needed.
        out: folder for data sets, runs, rows, tables and the report.
        splits: official splits, such as "1,2".
        heads: names of heads, or "all".
        seeds: training seeds, such as "0,1".
        contexts: numbers of past actions to show; "full": all.
        epochs: passes over the training videos.
        limit: largest number of queries of each split, for a short trial.
    """
    tables, chosen = [], []
    for split in map(int, splits.split(",")):
        dataset, store = prepare(data, out, split)
        chain = best_chain(dataset, store, CHAINS)
        print(f"Split {split}: the best chain on held-out people is {chain}.", flush=True)
        runs = []
        for head in head_names(heads):
            for seed in map(int, seeds.split(",")):
                runs.append(out / f"split{split}" / f"{head}-seed{seed}")
                config = dataclasses.replace(SETTINGS, head=head, seed=seed, epochs=epochs)
                config = dataclasses.replace(config, head_options=HEAD_OPTIONS.get(head, {}))
                fit(dataset, store, config, runs[-1], resume=True)
        sweep = Sweep(
            data=dataset.folder, models=tuple(runs), contexts=contexts, controls=(*CONTROLS, *CHAINS), limit=limit
        )
        tables.append(run_sweep(sweep, out / "sweeps" / f"split{split}"))
        chosen.append(tables[-1][tables[-1]["control"] == chain])
    rows = pool_splits(tables)
    report(rows, pool_splits(chosen), out)
    command = f"python recipes/breakfast_next_action.py --data {data.name}"
    print(write_report(out / "report", rows, title=TITLE, command=command, overwrite=True))


def prepare(data: Path, out: Path, split: int) -> tuple[Dataset, FeatureStore]:
    """Returns the data set of a split, in which each action takes one second, and its features."""
    annotations, steps = out / "annotations" / f"split{split}", out / "steps" / f"split{split}"
    if not (annotations / "dataset.json").is_file():
        print(convert_breakfast_split(data, annotations, split).summary())
    if not (steps / "dataset.json").is_file():
        actions = Dataset.load(annotations)
        write_action_steps(steps, actions, [actions])
    return Dataset.load(steps), FeatureStore.open_in(steps)


def report(rows: pd.DataFrame, chosen: pd.DataFrame, out: Path) -> None:
    """Prints and writes the tables: heads and controls, and accuracy by the number of actions shown."""
    full = rows[(rows["control"] == "") & (rows["context"] == "full")]
    models = {str(head): part for head, part in full.groupby("head", sort=False)}
    asked = rows[~rows["control"].isin(["", "blind", "shuffled", "swapped_past:1s"])]
    # Baselines have the same rows for every run.
    controls = {str(name): part.drop_duplicates("query") for name, part in asked.groupby("control", sort=False)}
    controls["chosen chain"] = chosen.drop_duplicates("query")
    table = next_action_table(models, controls, ["chosen chain", "bag_of_labels"])
    write_table(table, out / "table.md")
    print(to_markdown(table))
    curves = pivot_accuracy(rows[rows["control"] == ""], index="context")
    write_table(curves, out / "contexts.md")
    print(to_markdown(curves))
    seeds = ", ".join(map(str, sorted(set(rows["seed"]))))
    print(f"Intervals over {rows['group'].nunique()} people. Seeds: {seeds}.", flush=True)


if __name__ == "__main__":
    run_script(main)
