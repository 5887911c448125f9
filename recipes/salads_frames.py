"""Frame labels on 50 Salads from the shared 128-wide spatial CNN features: every head, offline and causal.

Command:   python recipes/salads_frames.py --data FOLDER [--splits 1,2] [--heads conv,lstm] [--out runs/salads_frames]
           FOLDER holds features/split1..5, groundTruth, mapping.txt and splits (the layout of MS-TCN).
Cost:      about 1 to 2 minutes a head and split on one core; a run that was stopped goes on.
Expected:  means over the five splits, F1 per video, background left out of edit and F1, against ED-TCN's
           64.7 | 59.8 | 68.0 / 63.9 / 52.6: conv, offline, as segments 66.0 | 64.7 | 72.1 / 70.3 / 59.5 (seed 0).

How settings were chosen: the CNN of each split was trained on that split's training videos, so held-out training
videos look far too easy (94% against 65%) and validation on them says nothing. Instead, for each split j, models were
trained on its training videos but ten, with its features, and scored on its test videos, which its CNN has not seen.
These scores, those on split i's own test videos left aside, pick the same settings for every split i. (The ten videos
are the test videos of the split before j.) For the same reason training runs for a fixed number of epochs, and
features are disturbed as slowly as actions last: noise that makes training videos as hard as others are. The test was
not untouched: split 1 was looked at early, and a full run of earlier settings came before the search went on.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import auto_cli

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.data.importers.fifty_salads import convert_split
from vidseq.errors import unknown_name
from vidseq.evaluation.frame_labels import evaluate_frame_labels, frame_label_table, true_frame_labels
from vidseq.evaluation.rows import Run
from vidseq.evaluation.table import to_markdown, write_table
from vidseq.features.store import FeatureStore
from vidseq.heads import HEADS, head_names
from vidseq.predictor import Predictor
from vidseq.tasks.segment_decoding import SegmentDecoder, SegmentModel, decode_segments
from vidseq.training import TrainConfig, fit

SETTINGS = TrainConfig(
    tasks={"frame_labels": {"smoothing": 0.15}},
    dim=64,
    feature_dropout=0.2,
    dropout=0.1,
    feature_noise=1.0,
    feature_drift=2.0,
    batch_size=4,
    lr=2e-3,
    epochs=40,
    full_context=1.0,
    patience=None,
)
HEAD_OPTIONS: dict[str, dict[str, Any]] = {"conv": {"layers": 9}}
SCORE_WEIGHT = 0.4


def main(
    data: Path,
    out: Path = Path("runs/salads_frames"),
    splits: str = "1,2,3,4,5",
    heads: str = "conv,rnn,lstm,memory,window",
    forms: str = "offline,causal",
    seed: int = 0,
    limit: int | None = None,
    epochs: int = SETTINGS.epochs,
) -> None:
    """Trains and scores frame labels on the official splits.

    Args:
        data: folder of 50 Salads in the layout of MS-TCN, features a split.
        out: folder for data sets, runs, rows and the table.
        splits: which official splits.
        heads: names, or "all".
        forms: offline (past and future), causal (the past alone), or both.
        seed: of training.
        limit: only the first so many training videos, to try it out.
        epochs: passes over the training videos.
    """
    names = head_names(heads)
    tables: list[pd.DataFrame] = []
    for split in map(int, splits.split(",")):
        folder = out / f"split{split}"
        if not (folder / "dataset.json").is_file():
            convert_split(data, folder, split)
        dataset, store = load_split(folder, limit)
        for head in names:
            for form in forms_of(head, forms):
                causal = form == "causal"
                config = dataclasses.replace(SETTINGS, head=head, causal=causal, seed=seed, epochs=epochs)
                config = dataclasses.replace(config, head_options={"dropout": 0.2, **HEAD_OPTIONS.get(head, {})})
                run = out / f"{head}-{form}-split{split}-seed{seed}"
                fit(dataset, store, config, run, resume=True)
                tables += score(run, dataset, store)
                rows = pd.concat(tables, ignore_index=True)
                write_table(rows, out / "rows.csv")
    table = frame_label_table(rows, ["head", "form", "decoding"])
    write_table(table, out / "table.csv")
    print(to_markdown(table, digits=1))


def forms_of(head: str, forms: str) -> list[str]:
    """The forms asked for that a head has."""
    asked = forms.split(",")
    for form in asked:
        if form not in ("offline", "causal"):
            raise unknown_name("form", form, ("offline", "causal"))
    return [form for form in asked if form == "causal" or HEADS[head].supports_noncausal]


def load_split(folder: Path, limit: int | None) -> tuple[Dataset, FeatureStore]:
    """Loads a converted split with its first training videos alone."""
    dataset = Dataset.load(folder)
    kept = {video.video for video in dataset.split("train")[:limit]} | {v.video for v in dataset.split("test")}
    videos = {name: video for name, video in dataset.videos.items() if name in kept}
    segments = [segment for segment in dataset.segments if segment.video in kept]
    return dataclasses.replace(dataset, videos=videos, segments=segments), FeatureStore.open_in(folder)


def score(run: Path, dataset: Dataset, store: FeatureStore) -> Iterator[pd.DataFrame]:
    """Scores a run's model on the test videos: frame by frame, and as segments with lengths learnt from training."""
    model = load_model(run, "cpu", fingerprint=store.fingerprint)
    predictor = Predictor(model, {"action": dataset.action_labels})
    scores = {
        video.video: np.log(np.clip(predictor.frame_labels(store.read(video.video).features), 1e-12, None))
        for video in dataset.split("test")
    }
    training = list(true_frame_labels(dataset, store, "train").values())
    segments = SegmentModel.fit(training, len(dataset.action_labels))
    ways = {
        "frame by frame": {video: rows.argmax(axis=1) for video, rows in scores.items()},
        "segments": {video: decode(rows, segments, model.config.causal) for video, rows in scores.items()},
    }
    for decoding, labels in ways.items():
        about = Run(run=run.name, head=model.config.head)
        rows = evaluate_frame_labels(labels, dataset, store, "test", run=about, decoding=decoding)
        yield rows.assign(form="causal" if model.config.causal else "offline")


def decode(log_probabilities: np.ndarray, segments: SegmentModel, causal: bool) -> np.ndarray:
    """Labels frames by segments; for a causal model each frame from what came up to it."""
    if causal:
        return SegmentDecoder(segments, score_weight=SCORE_WEIGHT).step(log_probabilities)
    return decode_segments(log_probabilities, segments, score_weight=SCORE_WEIGHT)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
