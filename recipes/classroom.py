"""Runs the demo: shipped models answer questions about new classrooms, then small heads learn from scratch.

Command:   python recipes/classroom.py --out demo
Cost:      27 minutes of CPU time on two hyperthreads of one core; an interrupted run resumes.
Expected:  a new video with the answers of a shipped model drawn on it, wrong ones beside the right ones; tables of
           accuracy by question family for the shipped models and for conv, lstm, memory and window trained from
           scratch (the numbers are in `recipes/README.md`); a report of who forgets when.

All features come from pixels: the demo writes H.264 files, decodes them, and runs an ImageNet CNN on their frames. Set
options of the world and of training by name, such as --world.train_videos 20 --training.epochs 2.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from vidseq import load_model
from vidseq.classroom import ClassroomConfig, generate
from vidseq.cli import run_script
from vidseq.context import write_report
from vidseq.data import Dataset, extract_dataset_features, write_browser
from vidseq.evaluation import evaluate_models, read_rows
from vidseq.features import FeatureStore, backbone_like
from vidseq.inference import PredictionRequest, predict_sources
from vidseq.processes import all_values, run_jobs
from vidseq.training import ResolvedConfig, fit

SHIPPED = ("classroom", "classroom_stream")
#: Frames a second that the shipped models see.
SHIPPED_FPS = 2.0
CONTROLS = ("blind", "last_frame", "majority")
#: Questions whose answers lie in the past.
ABOUT_THE_PAST = ("first_last", "color_then")
#: Classrooms that no shipped model was trained on: its card says that it never saw this seed.
NEW = ClassroomConfig(train_videos=0, val_videos=0, test_videos=10, seed=1_000_000)
#: What a video teaches hardly depends on its length, so many short videos teach most per minute of computation.
WORLD = ClassroomConfig(
    train_videos=200,
    val_videos=16,
    test_videos=24,
    seconds=30.0,
    fps=2,
    min_children=1,
    max_children=2,
    families=("next_action", "color_now", "doing", *ABOUT_THE_PAST),
)
TRAINING = ResolvedConfig(
    epochs=12, batch_size=8, feature_dropout=0.1, full_context=0.8, look_dropout=0.5, patience=None
)
HEAD_OPTIONS: dict[str, dict[str, Any]] = {"conv": {"layers": 5}, "window": {"window": 64, "layers": 2}}


def main(
    out: Path = Path("demo"),
    heads: str = "conv,lstm,memory,window",
    new: ClassroomConfig = NEW,
    world: ClassroomConfig = WORLD,
    training: ResolvedConfig = TRAINING,
    fps: float = 1.0,
    contexts: str = "1f,4s,16s,full",
    workers: int = 2,
) -> None:
    """Runs the demo.

    Args:
        out: folder for all output.
        heads: names of the heads to train.
        new: options of the classroom that the shipped models are asked about.
        world: options of the classroom that the heads learn from.
        training: training config; each of `heads` replaces its head.
        fps: frames a second that the heads learn from.
        contexts: the contexts of the figures.
        workers: number of processes.
    """
    print("1/6  Drawing new classrooms, and answering questions about them with the models that ship.", flush=True)
    unseen = draw(out / "new", new, workers)
    look(unseen, SHIPPED_FPS, workers)
    print(evaluate_models(unseen.folder, SHIPPED, contexts="full", controls=("blind",), out=out / "new_report"))
    print("2/6  Writing the answers on a video.", flush=True)
    annotate(unseen, out)
    print(f"3/6  Drawing a classroom to learn from: {out / 'browse.html'} shows it.", flush=True)
    dataset = draw(out / "data", world, workers)
    write_browser(dataset.folder, out / "browse.html", limit=8)
    look(dataset, fps, workers)
    print(f"4/6  Training {heads} from scratch.", flush=True)
    runs = train(dataset.folder, heads.split(","), training, out / "runs", workers)
    print("5/6  Evaluating on new videos: accuracy in percent, 95% intervals over videos.\n")
    report = out / "report"
    print(evaluate_models(dataset.folder, runs, contexts=contexts, controls=CONTROLS, out=report), flush=True)
    print("6/6  Reporting who forgets when.", flush=True)
    rows = read_rows(report / "rows.parquet")
    past = rows[rows["family"].isin(ABOUT_THE_PAST)]
    write_report(out / "forgetting", past, title="Who forgets when", overwrite=True)
    print(closing_words(out))


def draw(folder: Path, world: ClassroomConfig, workers: int) -> Dataset:
    """Draws a classroom, or goes on drawing."""
    return Dataset.load(generate(folder, world, workers=workers))


def look(dataset: Dataset, fps: float, workers: int) -> None:
    """Makes features as the shipped models see; stops the demo if a video cannot be read."""
    model = load_model(SHIPPED[0])
    backbone = backbone_like(model.config.fingerprint, model.feature_projection)
    report = extract_dataset_features(dataset, backbone, fps, workers=workers)
    print(f"     {report.summary()}", flush=True)
    if report.failed:
        raise SystemExit(1)


def train(data: Path, heads: list[str], training: ResolvedConfig, out: Path, workers: int) -> list[Path]:
    """Trains the heads, several at a time, each in its own process."""
    jobs = {
        head: dataclasses.replace(training, head=head, head_options=HEAD_OPTIONS.get(head, {}) | training.head_options)
        for head in heads
    }
    results = run_jobs(partial(train_one, data, out), jobs, workers, threads=1, isolated=True)
    runs = all_values(results, "The demo")
    return [runs[head] for head in heads]


def train_one(data: Path, out: Path, config: ResolvedConfig) -> Path:
    """Trains one head, or resumes its training."""
    return fit(Dataset.load(data), FeatureStore.open_in(data), config, out / config.head, resume=True)


def annotate(dataset: Dataset, out: Path) -> None:
    """Asks a shipped model what the data set asks about its first video, and draws the answers beside the truth."""
    path = dataset.video_path(dataset.split("test")[0].video)
    rows, video = out / "predictions.jsonl", out / "annotated.mp4"
    predict_sources(str(path), SHIPPED[0], PredictionRequest(), data=dataset.folder, out=rows, save_video=video)


def closing_words(out: Path) -> str:
    """Lists the output, and commands to continue with."""
    return f"""
Output: {out}/annotated.mp4 (answers of the shipped model {SHIPPED[0]} beside the truth), {out}/predictions.jsonl (the
same as rows), {out}/browse.html (the videos that heads learnt from, with their queries), {out}/report/context.png
(accuracy against context), {out}/forgetting/index.html (who forgets when).

Continue with
  vidseq predict {out}/new/videos --model {SHIPPED[0]} --data {out}/new --out rows.csv
  vidseq evaluate --data {out}/data --model {out}/runs/window --contexts 1f,4s,full --controls shuffled --out report
  vidseq train --data {out}/data --out {out}/runs/rnn --head rnn
  vidseq data init YOUR_VIDEOS --out my_data"""


if __name__ == "__main__":
    run_script(main)
