"""Runs the demo on a generated classroom, from video files to answers, next actions and a comparison of four heads.

Command:   python recipes/classroom.py --out demo
Cost:      nine to ten minutes on 2 CPU cores; an interrupted run resumes.
Expected:  a table of accuracy by question family for conv, lstm, memory and window with the controls blind, last frame
           and majority (its numbers are in `recipes/README.md`); a figure of accuracy against context; an annotated
           test video.

All features come from pixels: the demo writes H.264 files, decodes them, and runs an ImageNet CNN on their frames. Set
options of the world and of training by name, such as --world.train_videos 20 --training.epochs 2.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from vidseq.classroom import ClassroomConfig, generate
from vidseq.cli import run_script
from vidseq.data import Dataset, extract_dataset_features, write_browser
from vidseq.evaluation import evaluate_models
from vidseq.features import FeatureStore, build_backbone
from vidseq.inference import PredictionRequest, predict_sources
from vidseq.processes import all_values, run_jobs
from vidseq.training import TrainConfig, fit

FEATURES_A_SECOND = 2
CONTROLS = ("blind", "last_frame", "majority")
#: What a video teaches hardly depends on its length, so many short videos teach most per minute of computation.
WORLD = ClassroomConfig(
    train_videos=200,
    val_videos=16,
    test_videos=30,
    seconds=30.0,
    fps=5,
    min_children=1,
    max_children=2,
    families=("next_action", "color_now", "doing", "first_last", "color_then"),
)
TRAINING = TrainConfig(
    epochs=12,
    batch_size=8,
    queries_per_clip=16,
    feature_dropout=0.3,
    weight_decay=0.1,
    full_context=0.8,
    patience=None,
)
HEAD_OPTIONS: dict[str, dict[str, Any]] = {"conv": {"layers": 6}, "window": {"window": 64, "layers": 1}}


def main(
    out: Path = Path("demo"),
    heads: str = "conv,lstm,memory,window",
    world: ClassroomConfig = WORLD,
    training: TrainConfig = TRAINING,
    pooling: str = "2x3",
    contexts: str = "1f,4s,16s,full",
    workers: int = 2,
) -> None:
    """Runs the demo.

    Args:
        out: folder for all output.
        heads: names of the heads to compare.
        world: options of the generated classroom.
        training: training config; each of `heads` replaces its head.
        pooling: "mean", or a grid such as "2x3", which keeps positions.
        contexts: the contexts of the figure.
        workers: number of processes.
    """
    data, report = out / "data", out / "report"
    print(f"1/5  Drawing a classroom: {out / 'browse.html'} shows it.", flush=True)
    dataset = Dataset.load(generate(data, world, workers=workers))
    write_browser(data, out / "browse.html", limit=8)
    print("2/5  Looking at every frame with a CNN.", flush=True)
    look(dataset, pooling, workers)
    print(f"3/5  Training {heads}.", flush=True)
    runs = train(data, heads.split(","), training, out / "runs", workers)
    print("4/5  Evaluating on new videos: accuracy in percent, 95% intervals over videos.\n")
    print(evaluate_models(data, runs, contexts=contexts, controls=CONTROLS, out=report), flush=True)
    print("5/5  Annotating a video.", flush=True)
    annotate(dataset, runs[-1], out)
    print(closing_words(out, runs[-1]))


def look(dataset: Dataset, pooling: str, workers: int) -> None:
    """Extracts the features of every video; stops the demo if a video cannot be read."""
    backbone = build_backbone(pooling=pooling, resize="whole")
    report = extract_dataset_features(dataset, backbone, FEATURES_A_SECOND, workers=workers)
    print(f"     {report.summary()}")
    if report.failed:
        raise SystemExit(1)


def train(data: Path, heads: list[str], training: TrainConfig, out: Path, workers: int) -> list[Path]:
    """Trains the heads, several at a time, each in its own process."""
    jobs = {
        head: dataclasses.replace(training, head=head, head_options=HEAD_OPTIONS.get(head, {}) | training.head_options)
        for head in heads
    }
    results = run_jobs(partial(train_one, data, out), jobs, workers, threads=1, isolated=True)
    runs = all_values(results, "The demo")
    return [runs[head] for head in heads]


def train_one(data: Path, out: Path, config: TrainConfig) -> Path:
    """Trains one head, or resumes its training."""
    return fit(Dataset.load(data), FeatureStore.open_in(data), config, out / config.head, resume=True)


def annotate(dataset: Dataset, run: Path, out: Path) -> None:
    """Predicts on the first test video with queries of the data set, and draws the answers on the video."""
    video = dataset.split("test")[0].video
    queries = dataset.queries_of(video)
    questions = [query for query in queries if query.kind == "question"][::5]
    nexts = sorted({query.question for query in queries if query.kind == "next_action" and query.question})
    request = PredictionRequest(
        questions=tuple(query.question or "" for query in questions),
        at=tuple(query.time for query in questions),
        next_questions=tuple(nexts[:1]),
    )
    path = dataset.video_path(video)
    predict_sources(str(path), run, request, out=out / "predictions.jsonl", save_video=out / "annotated.mp4")


def closing_words(out: Path, run: Path) -> str:
    """Lists the output, and commands to continue with."""
    return f"""
Output: {out}/browse.html (the videos and their queries), {out}/report/context.png (accuracy against context),
{out}/annotated.mp4 (predictions of {run.name} on a video), {out}/predictions.jsonl (the same predictions as rows).

Continue with
  vidseq predict {out}/data/videos --model {run} --out rows.csv
  vidseq evaluate --data {out}/data --model {run} --contexts 1f,2s,4s,8s,full --controls shuffled --out report
  vidseq train --data {out}/data --out {out}/runs/rnn --head rnn
  vidseq data init YOUR_VIDEOS --out my_data"""


if __name__ == "__main__":
    run_script(main)
