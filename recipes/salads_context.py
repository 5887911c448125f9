"""Measures how much of the past next actions and frame labels of 50 Salads use: five causal heads, five splits.

Command:   python recipes/salads_context.py --data FOLDER [--splits 1,2] [--heads lstm] [--out runs/salads_context]
           FOLDER holds features/split1..5, groundTruth, mapping.txt and splits (the layout of MS-TCN).
Cost:      1 to 3 minutes per head and split on one core; an interrupted run or sweep resumes.
Expected:  two reports, next_action/index.html and frame_labels/index.html, and their summaries: accuracy from one
    frame
           to all of the past, with all controls. For comparison: the true past labels alone give 50 to 55% of next
           actions (n-grams) and 67% (their unordered bag).
           Repeating the last label is never right if one segment directly follows another: labels always change.

Each model has both tasks and is trained once, with random context lengths ("given"). A next action is asked 1 s before
it starts (background is not an action); a frame label is asked every ten seconds. The sweep of a split is that of
`vidseq context`. The splits, each with its own models, are then pooled, so that intervals resample all 25 people.

The CNN features of training videos are too good to choose settings with (see salads_frames.py, which has the same
settings except for its slower drift), so training runs for a fixed number of epochs. For the same reason, controls
that learn from training features, such as the bag of frames, do worse than they could.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vidseq.cli import run_script
from vidseq.context import Sweep, run_sweep, summarise, summary_text_table, write_report
from vidseq.data import Dataset
from vidseq.evaluation import pivot_accuracy, pool_splits
from vidseq.features import FeatureStore
from vidseq.heads import head_names
from vidseq.importers import convert_fifty_salads_split
from vidseq.reporting import to_markdown, write_table
from vidseq.training import ResolvedConfig, fit

CONTEXTS = "1f,1s,2s,4s,8s,16s,32s,64s,128s,256s,full"
ANTICIPATION_SECONDS = 1.0
EVERY_SECONDS = 10.0
SETTINGS = ResolvedConfig(
    tasks={
        "next_action": {"anticipation_seconds": ANTICIPATION_SECONDS},
        "frame_labels": {"smoothing": 0.15},
    },
    dim=64,
    feature_dropout=0.2,
    dropout=0.1,
    feature_noise=1.0,
    feature_drift=2.0,
    batch_size=4,
    lr=2e-3,
    epochs=40,
    full_context=0.5,
    patience=None,
)
HEAD_OPTIONS: dict[str, dict[str, Any]] = {"conv": {"layers": 9}}
#: For each task: seconds between frame-label queries (None: next actions), the controls, and the title of the report.
TASKS: dict[str, tuple[float | None, tuple[str, ...], str]] = {
    "next_action": (
        None,
        ("blind", "shuffled", "swapped_past:10s", "majority", "time_only", "bag_of_frames", "bag_of_labels",
         "repeat_last_label", "ngram:1", "ngram:2", "ngram:3"),
        f"50 Salads: next action, {ANTICIPATION_SECONDS:g} s ahead",
    ),
    "frame_labels": (
        EVERY_SECONDS,
        ("shuffled", "swapped_past:10s", "majority", "time_only", "bag_of_frames"),
        "50 Salads: frame labels, causal",
    ),
}  # fmt: skip


def main(
    data: Path,
    out: Path = Path("runs/salads_context"),
    splits: str = "1,2,3,4,5",
    heads: str = "gru,lstm,conv,memory,window",
    tasks: str = "next_action,frame_labels",
    contexts: str = CONTEXTS,
    seed: int = 0,
    limit: int | None = None,
    epochs: int = SETTINGS.epochs,
    queries_per_clip: int = SETTINGS.queries_per_clip,
) -> None:
    """Trains on the official splits, sweeps contexts, and writes the reports.

    Args:
        data: folder of 50 Salads in the layout of MS-TCN, with features for each split.
        out: folder for data sets, runs, sweeps and reports.
        splits: official splits, such as "1,2".
        heads: names of heads, or "all".
        tasks: tasks to evaluate: next_action, frame_labels.
        contexts: context lengths, the same for all splits.
        seed: training seed.
        limit: largest number of queries of each split and task, for a short trial.
        epochs: passes over the training videos.
        queries_per_clip: number of next-action queries per training clip; fewer are faster.
    """
    training = dataclasses.replace(SETTINGS, seed=seed, epochs=epochs, queries_per_clip=queries_per_clip)
    split_numbers = [int(split) for split in splits.split(",")]
    runs = {split: train(data, out, split, head_names(heads), training) for split in split_numbers}
    for task in tasks.split(","):
        every, controls, title = TASKS[task]
        tables = []
        for split in split_numbers:
            sweep = Sweep(
                data=out / f"split{split}", models=tuple(runs[split]), contexts=contexts, controls=controls,
                limit=limit, frame_labels_every=every,
            )  # fmt: skip
            tables.append(run_sweep(sweep, out / "sweeps" / f"{task}-split{split}"))
        report(pool_splits(tables), out / task, title, f"python recipes/salads_context.py --data {data.name}")


def train(data: Path, out: Path, split: int, heads: Sequence[str], training: ResolvedConfig) -> list[Path]:
    """Converts a split unless it is converted already, and trains each head on it; returns the run folders."""
    folder = out / f"split{split}"
    if not (folder / "dataset.json").is_file():
        convert_fifty_salads_split(data, folder, split)
    dataset, store = Dataset.load(folder), FeatureStore.open_in(folder)
    runs = [out / f"{head}-split{split}-seed{training.seed}" for head in heads]
    for head, run in zip(heads, runs):
        options = {"dropout": 0.2, **HEAD_OPTIONS.get(head, {})}
        config = dataclasses.replace(training, head=head, head_options=options)
        fit(dataset, store, config, run, resume=True)
    return runs


def report(rows: pd.DataFrame, out: Path, title: str, command: str) -> None:
    """Prints accuracy by context and control and the summary, and writes the report."""
    shown = rows.assign(context=rows["control"].where(rows["control"] != "", rows["context"]))
    table = pivot_accuracy(shown, index="context")
    write_table(table, out / "accuracy.md")
    print(f"{title}\n\n{to_markdown(table)}")
    summaries = summarise(rows)
    print(to_markdown(summary_text_table(summaries)))
    print(write_report(out, rows, title=title, command=command, summaries=summaries, overwrite=True), flush=True)


if __name__ == "__main__":
    run_script(main)
