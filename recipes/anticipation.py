"""Long-term anticipation from observed labels, on Breakfast or 50 Salads: drawn futures beside the floors.

Command:   python recipes/anticipation.py --data FOLDER --name breakfast|50salads [--splits 1,2] [--out FOLDER]
           The data folder holds groundTruth, mapping.txt and splits (the layout of MS-TCN; 15 or 30 labels a second).
Cost:      50 Salads some minutes a split on one core, Breakfast an hour or so; a run that was stopped goes on.
Expected:  mean over classes in percent, a column a cell (observed: predicted), for repeating the last label, a bigram
           with mean lengths, the same with patience, and the model; over all predicted frames, and after the first
           transition alone. The floors repeat what is measured: on Breakfast 63.7 50.3 43.8 34.7 | 68.3 54.2 44.3 36.0
           (last label), on 50 Salads 37.2 24.3 18.5 8.3 | 39.3 18.8 11.4 5.6.

The model reads the observed labels as one-hot features, with how long the newest has lasted, and with the share of the
video that is over, since the published protocol tells every method how long the video is. Its decoder then draws
futures, of which each frame gets its likeliest label. It is selected by its loss on training people that are held out;
the test is scored once.
"""

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
from jsonargparse import auto_cli

from vidseq.checkpoint import load_model
from vidseq.data.action_sequences import Future
from vidseq.data.dataset import Dataset
from vidseq.data.importers import mstcn
from vidseq.data.importers.arrays import external_fingerprint
from vidseq.evaluation.long_term import (
    HORIZONS,
    OBSERVED,
    Bigram,
    Forecast,
    evaluate_long_term,
    long_term_table,
    repeat_last_label,
)
from vidseq.evaluation.rows import Run
from vidseq.evaluation.segment_metrics import runs_of
from vidseq.evaluation.table import to_markdown, write_table
from vidseq.features.store import FeatureStore
from vidseq.predictor import Predictor
from vidseq.progress import progress
from vidseq.tasks.action_sequence import expected_frames
from vidseq.training import TrainConfig, fit


@dataclasses.dataclass(frozen=True)
class Source:
    """What is known of a data set."""

    fps: int
    """Labels a second."""
    every: int
    """Every so many labels are shown to the model."""
    splits: str
    group: str
    """Finds the person in a video's name."""


SOURCES = {
    "breakfast": Source(15, 15, "1,2,3,4", r"^(P\d+)_"),
    "50salads": Source(30, 30, "1,2,3,4,5", r"^rgb-(\d+)-"),
}
SETTINGS = TrainConfig(
    tasks={"action_sequence": {"queries_per_video": 16, "label_smoothing": 0.05}},
    head="lstm",
    dim=64,
    dropout=0.3,
    feature_dropout=0.0,
    weight_decay=0.1,
    batch_size=4,
    lr=3e-3,
    epochs=40,
    full_context=1.0,
    monitor="loss",
    patience=8,
)
#: Share of the training people that the model is selected on.
HELD_OUT = 0.15


def main(
    data: Path,
    name: str = "50salads",
    out: Path = Path("runs/anticipation"),
    splits: str | None = None,
    training: TrainConfig = SETTINGS,
    num_futures: int = 25,
) -> None:
    """Trains on the official splits and prints the model beside the floors.

    Args:
        data: folder in the layout of MS-TCN, without features.
        name: which data set it is, "breakfast" or "50salads".
        out: folder for data sets, runs, rows and the table.
        splits: which official splits; none: all.
        training: how to train.
        num_futures: how many futures are drawn for each video and share observed.
    """
    source = SOURCES[name]
    tables: list[pd.DataFrame] = []
    for split in map(int, (splits or source.splits).split(",")):
        folder = out / f"{name}-split{split}"
        dataset, store = prepare(data, folder, source, split)
        labels = {video: labels_of(dataset, video, source.fps) for video in dataset.videos}
        test = {video.video: labels[video.video] for video in dataset.split("test")}
        seen = [labels[video.video] for part in ("train", "val") for video in dataset.split(part)]
        run = fit(dataset, store, training, out / f"{name}-split{split}-run", resume=True)
        predictor = Predictor(load_model(run, "cpu", fingerprint=store.fingerprint))
        methods: dict[str, Mapping[str, Forecast]] = {
            "last label": dict.fromkeys(test, repeat_last_label),
            "bigram": _each(Bigram(seen), test),
            "bigram, patient": _each(Bigram(seen, patient=True), test),
            "ours": {
                video: futures_forecast(predictor, store, video, len(true), source.fps, num_futures)
                for video, true in progress(test.items(), what=f"split {split}", unit="video")
            },
        }
        groups = {video: dataset.group_of(video) for video in test}
        for method, forecasts in methods.items():
            tables.append(
                evaluate_long_term(
                    forecasts, test, split=split, groups=groups, run=Run(run=method, seed=training.seed)
                )
            )
    rows = pd.concat(tables, ignore_index=True)
    write_table(rows, out / f"{name}.csv")
    table = long_term_table(rows)
    write_table(table, out / f"{name}.md")
    print(to_markdown(table, digits=1))


def prepare(data: Path, folder: Path, source: Source, split: int) -> tuple[Dataset, FeatureStore]:
    """Converts a split and writes its observed labels as features, unless that is done."""
    if not (folder / "dataset.json").is_file():
        mstcn.convert(data, folder, fps=source.fps, split=split, group=source.group, validation=HELD_OUT)
    dataset = Dataset.load(folder)
    rate = Fraction(source.fps, source.every)
    store = FeatureStore.create_in(folder, external_fingerprint("observed_labels", "one-hot", rate))
    for video in dataset.videos:
        if video not in store:
            labels = labels_of(dataset, video, source.fps)
            features = observed_features(labels, len(dataset.action_labels), source.fps)[:: source.every]
            store.write(video, features, np.arange(len(features)) / float(rate))
    return dataset, store


def labels_of(dataset: Dataset, video: str, fps: int) -> np.ndarray:
    """The class of every frame, (n,), out of segments without gaps."""
    numbers = {label: number for number, label in enumerate(dataset.action_labels)}
    segments = dataset.segments_of(video)
    return np.concatenate([np.full(round(s.end * fps) - round(s.start * fps), numbers[s.label]) for s in segments])


def observed_features(labels: np.ndarray, num_classes: int, fps: int) -> np.ndarray:
    """What is observed at each frame: its label, how long it has lasted, and the share of the video that is over."""
    runs = runs_of(labels)
    lasted = np.concatenate([np.arange(1, end - start + 1) for start, end in zip(runs.starts, runs.ends)]) / fps
    share = np.arange(1, len(labels) + 1) / len(labels)
    left = np.log((len(labels) - np.arange(len(labels))) / fps)
    return np.column_stack([np.eye(num_classes)[labels], np.log1p(lasted), share, left]).astype(np.float16)


def futures_forecast(
    predictor: Predictor, store: FeatureStore, video: str, num_frames: int, fps: int, num_futures: int
) -> Forecast:
    """Draws a video's futures after each share that is observed, and forecasts each frame's likeliest label."""
    starts = sorted({horizon.frames(num_frames)[0] for horizon in HORIZONS})
    assert len(starts) <= len(OBSERVED)
    stored = store.read(video)
    times = [max(0.0, start / fps - 1e-3) for start in starts]  # the last observed frame shows, the next does not
    drawn = predictor.futures(
        stored.features, stored.pts_seconds, times, num_futures=num_futures, temperature=1.0, video=video
    )
    by_start: dict[int, list[Future]] = dict(zip(starts, drawn))
    labels = predictor.classes("action_sequence")

    def forecast(observed: np.ndarray, frames: int) -> np.ndarray:
        futures = [future for future in by_start[len(observed)] if future]
        if not futures:  # every one says that all is over: so the newest label stays
            return repeat_last_label(observed, frames)
        return expected_frames(futures, labels, frames, fps).argmax(axis=1)

    return forecast


def _each(floor: Bigram, videos: dict[str, np.ndarray]) -> dict[str, Forecast]:
    return {video: floor.for_length(len(labels)) for video, labels in videos.items()}


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
