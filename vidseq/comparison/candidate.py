"""Runs one trial of a comparison: trains a head with one seed, evaluates it, and stores its cost."""

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vidseq.analysis.flops import flops_a_frame
from vidseq.checkpoint import load_model
from vidseq.comparison.plan import Candidate, ComparisonPlan
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.models import queries_for
from vidseq.evaluation.rows import Run, write_rows
from vidseq.features.store import FeatureStore
from vidseq.files import atomic_write
from vidseq.heads import num_parameters
from vidseq.inference.predictor import Predictor
from vidseq.training import TrainConfig, fit
from vidseq.training.build import build_model


@dataclass(frozen=True)
class Trial:
    """The work of one process: one head with one seed."""

    data: Path
    features: str | None
    plan: ComparisonPlan
    candidate: Candidate
    seed: int
    device: str
    folder: Path

    @property
    def name(self) -> str:
        """Name of the trial."""
        return f"{self.candidate.head}, seed {self.seed}"

    @property
    def rows_file(self) -> Path:
        """File of its rows; the trial is finished if it exists."""
        return self.folder / "rows.parquet"

    @property
    def cost_file(self) -> Path:
        """File of its cost."""
        return self.folder / "cost.json"

    def config(self) -> TrainConfig:
        """Returns its training config."""
        size = self.candidate
        return TrainConfig(
            head=size.head,
            head_options=dict(size.options),
            dim=size.dim,
            seed=self.seed,
            device=self.device,
            **self.plan.training,
        )


def run_trial(trial: Trial) -> None:
    """Trains on one thread, or resumes, and evaluates; a finished trial is not repeated.

    Raises:
        UserError: see `fit` and `evaluate`.
    """
    if trial.rows_file.is_file():
        return
    torch.set_num_threads(1)
    dataset, store = Dataset.load(trial.data), FeatureStore.open_in(trial.data, trial.features)
    run, plan = trial.folder / "run", trial.plan
    fit(dataset, store, trial.config(), run, resume=True)
    model = load_model(run, trial.device, fingerprint=store.fingerprint)
    predictor = Predictor(model, dataset.class_labels)
    head = trial.candidate.head
    started = time.perf_counter()
    rows = evaluate(
        predictor,
        dataset,
        store,
        plan.split,
        queries=queries_for(model, dataset),
        contexts=plan.contexts,
        controls=plan.controls,
        run=Run(run=head, head=head, seed=trial.seed),
    )
    cost = {
        "head_parameters": num_parameters(model.head),
        "model_parameters": num_parameters(model),
        "flops_a_frame": flops_a_frame(model.head, plan.frames),
        "state_bytes": model.head.state_bytes(1, plan.frames),
        "train_seconds": _train_seconds(run),
        "evaluate_seconds": time.perf_counter() - started,
    }
    atomic_write(trial.cost_file, json.dumps(cost, indent=1) + "\n")
    write_rows(rows, trial.rows_file)  # last, because this file marks the trial as finished


def _train_seconds(run: Path) -> float:
    """Returns the seconds of training steps and validation, summed over all resumptions of the run."""
    lines = (run / "metrics.csv").read_text(encoding="utf-8").splitlines()
    index = lines[0].split(",").index("seconds")
    return sum(float(line.split(",")[index]) for line in lines[1:])


def check_questions(dataset: Dataset, store: FeatureStore, training: TrainConfig, split: str) -> list[Query]:
    """Returns the queries of a split that models are evaluated on, before anything is trained.

    Raises:
        UserError: there are none.
    """
    model = build_model(dataset, store, dataclasses.replace(training, head="rnn", head_options={}, dim=2))
    videos = {video.video for video in dataset.split(split)}
    queries = [query for query in queries_for(model, dataset) if query.video in videos]
    if not queries:
        raise UserError(
            f"Comparison expects queries in split '{split}' of '{dataset.info.name}', got none. Choose a split that "
            f"has questions or next actions."
        )
    return queries


def stream_milliseconds(model: Any, features: Any, rounds: int = 3) -> float:
    """Measures the milliseconds of one live frame at the end of a video, on one thread; the fastest round counts.

    Args:
        model: a `VideoReasoner`.
        features: features of the video, (T, F), float32; all but the last frames fill the memory.
        rounds: number of measurements.
    """
    frames = torch.from_numpy(features[None].astype("float32"))
    steps = min(32, frames.shape[1])
    best = float("inf")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(rounds):
                _, state = model.step(frames[:, :-steps], model.init_state(1))
                started = time.perf_counter()
                for index in range(frames.shape[1] - steps, frames.shape[1]):
                    _, state = model.step(frames[:, index : index + 1], state)
                best = min(best, (time.perf_counter() - started) / steps)
    finally:
        torch.set_num_threads(threads)
    return 1000 * best
