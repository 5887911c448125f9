"""Long-term anticipation from observed labels, on Breakfast or 50 Salads: model and analogues beside the floors.

Command:   python recipes/anticipation.py --data FOLDER --name breakfast|50salads [--splits 1,2] [--heads lstm,gru]
           The data folder holds groundTruth, mapping.txt and splits (the layout of MS-TCN; 15 or 30 labels a second).
           Heads other than the settings' own are as large, with all that enters and leaves them.
Cost:      on one busy core 50 Salads (three seeds) 20 minutes and Breakfast (one) 40; a run that was stopped goes on.
Expected:  mean over classes in percent, a column a cell (observed: predicted), over all predicted frames and after the
           first transition alone; the same with 95% intervals over people, and above the patient bigram, paired:
             Breakfast  patient bigram  64.0 53.5 46.5 41.0 | 66.5 52.5 45.3 39.7
                        both            65.4 56.8 52.1 45.2 | 68.3 58.7 53.1 51.0
             50 Salads  patient bigram  42.7 27.5 20.1 10.8 | 51.0 27.8 18.9 11.7
                        both            52.8 42.9 34.3 23.4 | 52.8 35.4 29.3 22.0

The published protocol tells a method the observed labels and how long the whole video is. Three things foretell:
 * floors: the last label goes on; a bigram with mean lengths, the same with patience. They have no probabilities.
 * analogues: what came after similar moments of training videos, weighted by likeness; nothing is trained.
 * a model: its head reads observed segments, its task `labels_ahead` says how likely each class is after any share of
   what is left. It learns from moments of stretched training videos, one video a performance.
"both" is the weighted geometric mean of the last two, the model's weight growing over the next 5% of the video. Since
each class counts alike, however rare, a frame gets not its likeliest label but the one that adds most to the measure
(`ClassMeanChoice`); "likeliest" stands beside it.

What was chosen, was on people held out of split 1's training, 50 Salads in five folds or the first two, Breakfast in
three or the first, some sixty settings in all; training videos of one split are test videos of another, so that those
of other splits had a say. Test tables were read for the settings here alone, but three times: in three of the 3,524
test moments a part of the next frame had shown, which had raised Breakfast's cells at 20% by up to 0.3; and the
growing weight came later. Means over eight cells, held-out people:
 * labels that add most, rather than the likeliest: +3 to +4 points. The power of 0.75 costs 50 Salads at most one
   point against 1, which lost Breakfast 3, where some classes are so rare that their probabilities are all error.
 * pooled: 50 Salads 37 to 38, of analogues 34 and a model 36; Breakfast 59.5, of 59.1 and 51.1.
 * the growing weight: Breakfast 59.5 to 59.7 (the first cell 69.0 to 69.9), 50 Salads 37.5 with and without.
 * stretched segments: 1.27 nats a frame within 10%, without them 1.34 (50 Salads, a net of the same inputs).
 * likeness on Breakfast: 58.3, with that of 50 Salads 56.8.
What did not help: futures drawn by `action_sequence` from the same moments (34 videos are learnt by heart: held-out
loss rises from the fifth epoch on, and plans begin with a wrong present action); arithmetic pooling (50 Salads -1.5);
a larger `least` in pooling (Breakfast -10); a head that sees the newest segment alone; less dropout.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vidseq import load_model
from vidseq.baselines import BigramForecast, RepeatLastLabel
from vidseq.cli import run_script
from vidseq.comparison import equal_size
from vidseq.data import Dataset
from vidseq.errors import unknown_name
from vidseq.evaluation import Run
from vidseq.features import FeatureStore
from vidseq.forecasting import (
    OBSERVED,
    OFFSETS,
    ClassMeanChoice,
    Forecast,
    Similarity,
    SimilarMoments,
    evaluate_long_term,
    interval_table,
    long_term_table,
    moment_name,
    moments_of,
    named_forecast,
    pooled,
)
from vidseq.heads import head_names
from vidseq.importers import IMPORTERS
from vidseq.inference import Predictor
from vidseq.reporting import to_markdown, write_table
from vidseq.segmentation import runs_of
from vidseq.tasks import LabelsAhead
from vidseq.training import TrainConfig, fit


@dataclasses.dataclass(frozen=True)
class Source:
    """What is known of a data set."""

    fps: int
    """Labels a second."""
    moments: int
    """How many moments of each training video are learnt."""
    epochs: int
    """How often."""
    weight: float
    """Of the model, beside analogues."""
    likeness: Similarity
    """Of analogues."""
    splits: str
    seeds: str
    group: str
    """Finds the person in a video's name."""


SOURCES = {
    "breakfast": Source(15, 16, 10, 0.35, Similarity(done=1.0, elapsed=1.0, length=0.4), "1,2,3,4", "0", r"^(P\d+)_"),
    "50salads": Source(30, 32, 20, 0.5, Similarity(), "1,2,3,4,5", "0,1,2", r"^rgb-(\d+)-"),
}
SETTINGS = TrainConfig(
    tasks={"labels_ahead": {}},
    head="lstm",
    dim=64,
    dropout=0.3,
    feature_dropout=0.1,
    weight_decay=0.1,
    batch_size=64,
    lr=3e-3,
    full_context=1.0,
)
#: How much longer or shorter than it was an action is learnt.
STRETCH = 0.3
#: Share of a video over which the model's weight grows from nothing, for what comes at once analogues know better.
RAMP = 0.05
#: What all else is compared with.
FLOOR = "bigram, patient"

#: Outlooks of each video behind each observed share, (2, STEPS, C).
Outlooks = Mapping[str, np.ndarray]


def main(
    data: Path,
    name: str = "50salads",
    out: Path = Path("runs/anticipation"),
    splits: str | None = None,
    seeds: str | None = None,
    heads: str | None = None,
    training: TrainConfig | None = None,
) -> None:
    """Trains on the official splits and prints the model beside the floors.

    Args:
        data: folder in the layout of MS-TCN, without features.
        name: which data set it is, "breakfast" or "50salads".
        out: folder for data sets, runs, rows and the table.
        splits: which official splits; none: all.
        seeds: of training; none: what the data set's table has.
        heads: names, or "all"; none: the one that `training` names.
        training: how to train; none: as `SETTINGS` and `SOURCES` say.
    """
    if name not in SOURCES:
        raise unknown_name("data set", name, SOURCES)
    source = SOURCES[name]
    training = training or dataclasses.replace(SETTINGS, epochs=source.epochs)
    numbers, names = list(map(int, (seeds or source.seeds).split(","))), head_names(heads or training.head)
    rows = pd.concat(
        [
            score_split(data, out, name, split, numbers, names, training)
            for split in map(int, (splits or source.splits).split(","))
        ],
        ignore_index=True,
    )
    write_table(rows, out / f"{name}.csv")
    runs = [FLOOR, "analogues", *(f"{what}{mark(head, training)}" for what in ("model", "both") for head in names)]
    for what, table in {
        "": long_term_table(rows),
        "-intervals": interval_table(rows[rows["run"].isin(runs)]),
        f"-above-{FLOOR.replace(', ', '-')}": interval_table(rows, FLOOR),
    }.items():
        write_table(table, out / f"{name}{what}.md")
        print(to_markdown(table, digits=1))
    print(f"Intervals over {rows['group'].nunique()} people. Seeds: {', '.join(map(str, sorted(set(rows['seed']))))}.")


def score_split(
    data: Path, out: Path, name: str, split: int, seeds: Sequence[int], heads: Sequence[str], training: TrainConfig
) -> pd.DataFrame:
    """Trains and scores one official split; the rows of all methods."""
    source = SOURCES[name]
    dataset = prepare(data, out / f"{name}-split{split}", source, split)
    labels = {video: labels_of(dataset, video, source.fps) for video in dataset.videos}
    test, seen = ({v.video: labels[v.video] for v in dataset.split(part)} for part in ("test", "train"))
    learnt = performances(dataset, seen)
    choice = ClassMeanChoice(seen.values(), len(dataset.action_labels), len(test))
    moments, store = moments_to_learn(dataset, learnt, source)
    analogues = SimilarMoments(learnt.values(), len(dataset.action_labels), likeness=source.likeness)
    told = analogues_of(analogues, test)
    outlooks, rows, configs = {"analogues": told}, [], {}
    for head in heads:
        sized, parameters = equal_size(head, training, moments, store, frames=24)
        configs[head] = sized
        print(f"{head}: width {sized.dim}, options {sized.head_options}, {parameters:,} parameters.", flush=True)
    for seed in seeds:
        for head, sized in configs.items():
            run = out / f"{name}-split{split}{mark(head, training, '-')}-seed{seed}"
            fit(moments, store, dataclasses.replace(sized, seed=seed), run, resume=True)
            foretold = foretold_by(Predictor(load_model(run, "cpu", fingerprint=store.fingerprint)), store, test)
            both = {video: pool(foretold[video], told[video], source.weight) for video in test}
            outlooks |= {f"model{mark(head, training)}": foretold, f"both{mark(head, training)}": both}
        methods = floors(seen, test)
        for method, of_video in outlooks.items():
            methods[f"{method}, likeliest"] = named(of_video, test, None)
            methods[method] = named(of_video, test, choice)
        groups = {video: dataset.group_of(video) for video in test}
        for method, forecasts in methods.items():
            about = Run(run=method, seed=seed)
            rows.append(evaluate_long_term(forecasts, test, split=split, groups=groups, run=about))
        print(f"Split {split}, seed {seed} is done.", flush=True)
    return pd.concat(rows, ignore_index=True)


def mark(head: str, training: TrainConfig, comma: str = ", ") -> str:
    """Tells a head from the settings' own, which needs no mark."""
    return "" if head == training.head else f"{comma}{head}"


def prepare(data: Path, folder: Path, source: Source, split: int) -> Dataset:
    """Converts a split, unless that is done."""
    if not (folder / "dataset.json").is_file():
        IMPORTERS["mstcn"](data, folder, fps=source.fps, split=split, group=source.group)
    return Dataset.load(folder)


def performances(dataset: Dataset, videos: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One video of each performance, however many cameras saw it: a person's one sequence of actions."""
    first: dict[tuple[object, ...], str] = {}
    for video, labels in videos.items():
        first.setdefault((dataset.group_of(video), *runs_of(labels).labels.tolist()), video)
    return {video: videos[video] for video in first.values()}


def moments_to_learn(dataset: Dataset, learnt: Iterable[str], source: Source) -> tuple[Dataset, FeatureStore]:
    """The moments that training asks about, and what they and those of the test show."""
    folder = dataset.folder / "moments"
    shares = (*np.linspace(0.05, 0.6, source.moments // 2).tolist(), *OBSERVED * (source.moments // 4))
    moments = moments_of(dataset, folder, learnt, shares, stretch=STRETCH)
    moments_of(dataset, folder, [video.video for video in dataset.split("test")], OBSERVED)
    return moments, FeatureStore.open_in(folder)


def labels_of(dataset: Dataset, video: str, fps: int) -> np.ndarray:
    """The class of every frame, (n,), out of segments without gaps."""
    numbers = {label: number for number, label in enumerate(dataset.action_labels)}
    segments = dataset.segments_of(video)
    return np.concatenate([np.full(round(s.end * fps) - round(s.start * fps), numbers[s.label]) for s in segments])


def analogues_of(analogues: SimilarMoments, test: Mapping[str, np.ndarray]) -> Outlooks:
    """What came after similar moments of the training videos."""
    return {
        video: np.stack([analogues.outlook(labels[: int(share * len(labels))], len(labels)) for share in OBSERVED])
        for video, labels in test.items()
    }


def foretold_by(predictor: Predictor, store: FeatureStore, test: Iterable[str]) -> Outlooks:
    """What a trained model foretells."""
    task = predictor.model.task_of(LabelsAhead)
    told: dict[str, list[np.ndarray]] = {video: [] for video in test}
    for video, outlooks in told.items():
        for number, share in enumerate(OBSERVED):
            moment = moment_name(video, number)
            stored = store.read(moment)
            now = [float(stored.pts_seconds[-1])]
            decoded = predictor.decoded(task.name, stored.features, stored.pts_seconds, now, moment)
            outlooks += list(task.forecast(decoded, OFFSETS / (1 - share)))
    return {video: np.stack(outlooks) for video, outlooks in told.items()}


def pool(foretold: np.ndarray, told: np.ndarray, weight: float) -> np.ndarray:
    """Model and analogues together, behind each observed share."""
    growing = weight * np.minimum(OFFSETS / RAMP, 1)
    return np.stack([pooled(pair, (growing, 1 - growing)) for pair in zip(foretold, told)])


def named(outlooks: Outlooks, test: Mapping[str, np.ndarray], choice: ClassMeanChoice | None) -> dict[str, Forecast]:
    """Forecasts of the classes that a choice names, or of the likeliest."""
    return {
        video: named_forecast(
            {
                share: outlook.argmax(axis=1) if choice is None else choice(outlook, share)
                for share, outlook in zip(OBSERVED, outlooks[video])
            },
            len(labels),
        )
        for video, labels in test.items()
    }


def floors(seen: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray]) -> dict[str, Mapping[str, Forecast]]:
    """What needs no probabilities, and so has no other label to choose."""
    bigram, patient = BigramForecast(seen.values()), BigramForecast(seen.values(), patient=True)
    return {
        "last label": dict.fromkeys(test, RepeatLastLabel.forecast),
        "bigram": {video: bigram.for_length(len(labels)) for video, labels in test.items()},
        FLOOR: {video: patient.for_length(len(labels)) for video, labels in test.items()},
    }


if __name__ == "__main__":
    run_script(main)
