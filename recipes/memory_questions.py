"""Measures which heads remember: questions made from the segments of 50 Salads, such as "has the cheese been cut yet?"

Command:   python recipes/memory_questions.py --data FOLDER [--splits 1] [--heads window,gru] [--show features]
           FOLDER holds groundTruth, mapping.txt, splits and, for features, features (the layout of MS-TCN).
Cost:      about 3 minutes per head and split on one idle core; an interrupted run or sweep resumes.
Expected:  accuracy by family, beside controls and with the recent past alone; twins right by the age of the evidence;
           a report of accuracy against context. Chance is 50%: every question has a twin with the same words, choices,
           time and present action, and the other answer.

A sample shows the label of its action (perfect perception, a sample a second: memory alone is measured), or its CNN
features. Labels are from annotators, so they are no result on pixels. Two controls answer from the true past labels:
in no order (a bag), and the last three in order (a chain).
"""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from vidseq.cli import run_script
from vidseq.context import Sweep, run_sweep, write_report
from vidseq.data import Dataset, ask_questions, frame_classes_of
from vidseq.evaluation import pivot_accuracy, pool_splits
from vidseq.features import FeatureStore, external_fingerprint
from vidseq.heads import head_names
from vidseq.importers import convert_fifty_salads_split
from vidseq.reporting import to_markdown, write_table
from vidseq.training import ResolvedConfig, fit

CONTEXTS = "1f,4s,16s,64s,full"
CONTROLS = ("majority", "question_only", "time_only", "bag_of_frames", "label_bag_probe", "label_chain_probe")
SETTINGS = ResolvedConfig(
    tasks={"question": {}}, dim=64, batch_size=8, lr=3e-3, epochs=40, drawn_questions=4, patience=None
)
#: Edges of the ages of the evidence in the table of twins, in seconds.
AGES = (0, 16, 64, 180, np.inf)
LABEL_FPS = 1


def main(
    data: Path,
    out: Path = Path("runs/memory_questions"),
    splits: str = "1,2,3,4,5",
    heads: str = "window,gru,lstm,memory",
    show: Literal["labels", "features"] = "labels",
    fps: str = "3",
    per_video: int = 100,
    contexts: str = CONTEXTS,
    epochs: int = SETTINGS.epochs,
    limit: int | None = None,
) -> None:
    """Trains on the official splits, sweeps contexts, and writes tables and the report.

    Args:
        data: folder of 50 Salads in the layout of MS-TCN.
        out: folder for data sets, runs, sweeps, tables and the report.
        splits: official splits, such as "1,2".
        heads: names of heads, or "all".
        show: what a sample shows: the label of its action, or CNN features.
        fps: rate of the labels in the folder.
        per_video: most questions of a video.
        contexts: lengths of the past to show.
        epochs: passes over the training videos.
        limit: largest number of queries of each split, for a short trial.
    """
    tables, twins = [], []
    for split in map(int, splits.split(",")):
        folder = prepare(data, out, split, show, fps, per_video)
        runs = train(folder, out, split, head_names(heads), dataclasses.replace(SETTINGS, epochs=epochs))
        sweep = Sweep(data=folder, models=tuple(runs), contexts=contexts, controls=CONTROLS, limit=limit)
        tables.append(run_sweep(sweep, out / "sweeps" / f"split{split}"))
        twins.append(twin_rows(tables[-1]))
    report(pool_splits(tables), pd.concat(twins), out, f"50 Salads: questions of memory from {show}")


def prepare(data: Path, out: Path, split: int, show: str, fps: str, per_video: int) -> Path:
    """Converts a split and asks questions of it, unless that is done; returns the folder of the questions."""
    segments, asked = out / f"segments{split}", out / f"questions{split}"
    if not (segments / "dataset.json").is_file():
        convert_fifty_salads_split(data, segments, split, fps=fps)
    if not (asked / "dataset.json").is_file():
        dataset = ask_questions(segments, asked, per_video=per_video)
        if show == "labels":
            (asked / "features").unlink(missing_ok=True)
            write_labels(dataset)
    return asked


def write_labels(dataset: Dataset) -> None:
    """Writes the label of the action at each second as features, one-hot."""
    store = FeatureStore.create_in(dataset.folder, external_fingerprint("labels", LABEL_FPS))
    for video in dataset.videos.values():
        times = np.arange(max(1, int(video.duration * LABEL_FPS))) / LABEL_FPS
        features = frame_classes_of(dataset.segments_of(video.video), times, dataset.action_labels)
        store.write(video.video, features.numpy(), times)


def train(folder: Path, out: Path, split: int, heads: list[str], training: ResolvedConfig) -> list[Path]:
    """Trains each head on the questions; returns the run folders."""
    dataset, store = Dataset.load(folder), FeatureStore.open_in(folder)
    runs = [out / f"{head}-split{split}" for head in heads]
    for head, run in zip(heads, runs):
        fit(dataset, store, dataclasses.replace(training, head=head), run, resume=True)
    return runs


def twin_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Makes a row for each pair of twins, with all of the past: right if both are, and the age of the evidence."""
    asked = rows[((rows["context"] == "full") | (rows["control"] != "")) & rows["pair"].notna()]
    asked = asked.assign(head=asked["head"].where(asked["control"] == "", asked["control"]))
    twins = asked.groupby(["head", "family", "pair"], as_index=False).agg(
        right=("correct", "all"), age=("evidence_age_seconds", "min")
    )
    return twins.dropna(subset="age")


def report(rows: pd.DataFrame, twins: pd.DataFrame, out: Path, title: str) -> None:
    """Prints accuracy by family and by head, twins by age, and writes the report."""
    shown = rows.assign(entry=rows["control"].where(rows["control"] != "", rows["head"] + " " + rows["context"]))
    table = pivot_accuracy(shown, index="entry", columns="family")
    ages = twins.assign(age=pd.cut(twins["age"], AGES))
    by_age = ages.pivot_table(index="head", columns="age", values="right", observed=True).mul(100).round(1)
    done = ages[ages["family"] == "done"]
    done_by_age = done.pivot_table(index="head", columns="age", values="right", observed=True).mul(100).round(1)
    for name, part in (("accuracy", table), ("twins", flat(by_age)), ("done_twins", flat(done_by_age))):
        write_table(part, out / f"{name}.md")
        print(f"{name}\n\n{to_markdown(part)}\n")
    print(
        write_report(out / "report", rows, title=title, command="python recipes/memory_questions.py", overwrite=True)
    )


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """Turns the names of rows and columns into text."""
    return table.set_axis([str(column) for column in table.columns], axis="columns").reset_index()


if __name__ == "__main__":
    run_script(main)
