"""Next action on 50 Salads, 1 s ahead, against how much of the past is shown: every head, five splits, with controls.

Command:   python recipes/salads_next_action.py --data FOLDER [--splits 1,2] [--heads lstm] [--out runs/salads_next]
           FOLDER holds features/split1..5, groundTruth, mapping.txt and splits (the layout of MS-TCN).
Cost:      about 2 minutes a head and split on one core; a run that was stopped goes on.
Expected:  a table, and a figure of accuracy from one frame to everything beside the controls blind, last frame,
           shuffled past, majority answer and repeat the last label. Each query is asked 1 s before an action starts
           (background is no action), each model trained once with random context lengths ("given"). For orientation:
           past labels alone, told rightly, give about 50 to 58% (n-grams, unordered bag of the past).
           Repeating the last label is never right where one segment follows another at once: labels always change.

The CNN features of training videos are too good to choose settings by (see salads_frames.py), so training runs for a
fixed number of epochs, and frame labels are trained beside the next action to steady it.
"""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import auto_cli

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.data.importers.fifty_salads import convert_split
from vidseq.evaluation.context import DEFAULT_CONTEXTS
from vidseq.evaluation.evaluate import evaluate
from vidseq.evaluation.figure import context_figure, context_panels, save_figure
from vidseq.evaluation.metrics import summary
from vidseq.evaluation.rows import Run, concatenate, write_rows
from vidseq.evaluation.table import accuracy_table, to_markdown, write_table
from vidseq.features.store import FeatureStore
from vidseq.heads import head_names
from vidseq.predictor import Predictor
from vidseq.training import TrainConfig, fit

ANTICIPATION_SECONDS = 1.0
CONTROLS = ("blind", "last_frame", "shuffled", "majority", "repeat_last_label")
SETTINGS = TrainConfig(
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


def main(
    data: Path,
    out: Path = Path("runs/salads_next_action"),
    splits: str = "1,2,3,4,5",
    heads: str = "conv,rnn,lstm,memory,window",
    contexts: str = DEFAULT_CONTEXTS,
    seed: int = 0,
    limit: int | None = None,
    epochs: int = SETTINGS.epochs,
) -> None:
    """Trains next action on the official splits and scores it at every context.

    Args:
        data: folder of 50 Salads in the layout of MS-TCN, features a split.
        out: folder for data sets, runs, rows, the tables and the figure.
        splits: which official splits.
        heads: names, or "all".
        contexts: lengths of the past; the longest past of all splits together ends "...".
        seed: of training.
        limit: only the first so many queries of each split, to try it out.
        epochs: passes over the training videos.
    """
    names = head_names(heads)
    tables: list[pd.DataFrame] = []
    for split in map(int, splits.split(",")):
        folder = out / f"split{split}"
        if not (folder / "dataset.json").is_file():
            convert_split(data, folder, split)
        dataset, store = Dataset.load(folder), FeatureStore.open_in(folder)
        queries = dataset.next_action_queries(ANTICIPATION_SECONDS)
        for head in names:
            run = out / f"{head}-split{split}-seed{seed}"
            config = dataclasses.replace(SETTINGS, head=head, seed=seed, epochs=epochs)
            config = dataclasses.replace(config, head_options={"dropout": 0.2, **HEAD_OPTIONS.get(head, {})})
            fit(dataset, store, config, run, resume=True)
            predictor = Predictor(load_model(run, "cpu", fingerprint=store.fingerprint))
            about = Run(run=run.name, head=head, seed=seed)
            asked: dict[str, Any] = {"queries": queries, "contexts": contexts, "controls": CONTROLS, "limit": limit}
            tables.append(evaluate(predictor, dataset, store, "test", run=about, **asked))
            rows = concatenate(tables)
            write_rows(rows, out / "rows.parquet")
    report(rows, out)


def report(rows: pd.DataFrame, out: Path) -> None:
    """Prints all metrics with all of the past, and writes the tables and the figure."""
    write_table(accuracy_table(rows), out / "accuracy.csv")
    full = rows[(rows["context"] == "full") | (rows["control"] != "")]
    lines = [
        {"head": head, "control": control or "(none)", **summary(part), "queries": len(part)}
        for (head, control), part in full.groupby(["head", "control"], sort=False)
    ]
    table = pd.DataFrame(lines)
    write_table(table, out / "table.md")
    print(to_markdown(table))
    title = f"50 Salads: next action, {ANTICIPATION_SECONDS:g} s ahead"
    for path in save_figure(context_figure(context_panels(rows), title=title), out / "context"):
        print(path)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
