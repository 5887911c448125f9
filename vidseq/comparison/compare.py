"""Trains and evaluates heads at an equal budget, several at a time, and compares them."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vidseq.checkpoint import load_model
from vidseq.claims import claim_folder, held
from vidseq.comparison.candidate import Trial, check_questions, run_trial, stream_milliseconds
from vidseq.comparison.figure import comparison_figure
from vidseq.comparison.plan import KIND, ComparisonPlan, make_plan, plan_fields
from vidseq.comparison.tables import comparison_table, notes, text_table
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError, unknown_name
from vidseq.evaluation.contexts import DEFAULT_CONTEXTS, parse_contexts
from vidseq.evaluation.controls import check_controls
from vidseq.evaluation.rows import concatenate, read_rows, write_rows
from vidseq.features.store import FeatureStore
from vidseq.files import atomic_write
from vidseq.heads import num_parameters
from vidseq.inference.model_features import open_features
from vidseq.processes import num_cpus, run_jobs
from vidseq.progress import progress
from vidseq.reporting.figures import save_figure
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.training.build import build_model
from vidseq.training.config import TrainConfig

#: What a budget counts.
COUNTS = ("head", "model")
CONTROLS = ("blind", "last_frame", "shuffled", "majority")


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison."""

    text: str
    """The table with its notes; empty if no run finished."""
    failed: dict[str, str]
    """The error of each failed run."""


def compare_heads(
    data: Path | str,
    out: Path | str,
    heads: str,
    *,
    match: str = "params",
    count: str = "head",
    budget: float | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    training: TrainConfig = TrainConfig(),  # noqa: B008  # frozen
    options: Mapping[str, Mapping[str, Any]] | None = None,
    split: str = "test",
    contexts: str = DEFAULT_CONTEXTS,
    controls: Sequence[str] = CONTROLS,
    features: str | None = None,
    workers: int | None = None,
) -> Comparison:
    """Trains and evaluates heads at an equal budget: same features, splits, seeds and settings, with matched widths.

    Every finished run is stored, so that the same call resumes, and repeats failed runs.

    Args:
        data: folder of the data set, with features.
        out: folder for the runs, rows.parquet, comparison.csv, .md, .tex, and the figure; new, empty, or of the same
            comparison.
        heads: names of heads, such as "conv,lstm"; "all" is every head.
        match: "params", "flops" (per frame) or "state" (bytes).
        count: "head": the budget counts the head; "model": it counts the whole model, for parameters.
        budget: the budget of each head; None: the size of the first head at the training's `dim`.
        seeds: training seeds.
        training: training config of all heads; its head, head options and seed are not used.
        options: options of heads by name, such as {"window": {"window": 64}}.
        split: the split to evaluate.
        contexts: see `vidseq.evaluation.contexts.parse_contexts`.
        controls: see `vidseq.evaluation.evaluator.evaluate`.
        features: the start of the name of a features folder; needed if there are several, unless training starts
            from a model.
        workers: number of runs at the same time, with one thread each; None: the number of CPUs.

    Returns:
        the table as text, and the failed runs.

    Raises:
        UserError: before training: a name is unknown, a head cannot come near the budget, there are no queries, or the
            folder holds another comparison (the message names the difference).
    """
    data, out = Path(data), Path(out)
    if count not in COUNTS:
        raise unknown_name("count", count, COUNTS)
    workers = num_cpus() if workers is None else workers
    if workers < 1:
        raise UserError(f"Comparison expects at least 1 worker, got {workers}.")
    check_controls(controls)
    dataset, store = Dataset.load(data), open_features(data, training.starts[:1], features)
    queries = check_questions(dataset, store, training, split)
    longest = max(query.time for query in queries)
    parse_contexts(contexts, longest)
    plan = make_plan(
        heads,
        match,
        outside=lru_cache(parameters_outside(dataset, store, training)) if count == "model" else None,
        budget=budget,
        frames=typical_frames(store, [query.video for query in queries]),
        seeds=seeds,
        options=options or {},
        training=training,
        split=split,
        contexts=contexts,
        controls=controls,
        dataset=dataset.info.name,
        features=store.fingerprint.name,
    )
    trials = [
        Trial(data, store.folder.name, plan, one, seed, training.device, out / "runs" / f"{one.head}-seed{seed}")
        for seed in plan.seeds
        for one in plan.candidates
    ]
    with held(out, "A comparison"):
        claim_folder(out, KIND, dataclasses.asdict(plan), fields=plan_fields)
        failed = _run_all(trials, workers)
        finished = [trial for trial in trials if trial.rows_file.is_file() and trial.name not in failed]
        if not finished:
            return Comparison("", failed)
        return Comparison(_report(plan, finished, store, queries[0].video, out), failed)


def parse_seeds(text: str) -> list[int]:
    """Parses a list of seeds, such as "0,1,2".

    Raises:
        UserError: the text is not a list of whole numbers.
    """
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"Comparison expects seeds such as 0,1,2, got '{text}'.") from None


def typical_frames(store: FeatureStore, videos: Sequence[str]) -> int:
    """Returns the median length of videos in frames."""
    return int(np.median([len(store.read(video).features) for video in sorted(set(videos))]))


def parameters_outside(dataset: Dataset, store: FeatureStore, training: TrainConfig) -> Callable[[int], float]:
    """Returns a function that counts a model's parameters outside the head, given its width.

    Args:
        dataset: the data set, whose classes determine the decoders.
        store: the features, whose width determines the projection.
        training: the training config with the tasks.
    """

    def count(dim: int) -> float:
        model = build_model(dataset, store, dataclasses.replace(training, head="rnn", head_options={}, dim=dim))
        return num_parameters(model) - num_parameters(model.head)

    return count


def _run_all(trials: Sequence[Trial], workers: int) -> dict[str, str]:
    """Runs the unfinished trials; returns the errors of failed ones."""
    left = {trial.name: trial for trial in trials if not trial.rows_file.is_file()}
    results = run_jobs(run_trial, left, workers, threads=1, isolated=True)
    bar = progress(results, total=len(trials), what="comparing", unit="run", initial=len(trials) - len(left))
    return {result.name: result.error for result in bar if result.error}


def _report(plan: ComparisonPlan, finished: Sequence[Trial], store: FeatureStore, video: str, out: Path) -> str:
    rows = concatenate([read_rows(trial.rows_file) for trial in finished])
    costs = [_cost(trial, store, video) for trial in finished]
    table = comparison_table(plan, rows, costs)
    shown, remarks = text_table(table), notes(plan, table, rows)
    text = f"{to_markdown(shown)}\n{remarks}"
    write_rows(rows, out / "rows.parquet")
    write_table(table, out / "comparison.csv")
    atomic_write(out / "comparison.md", text)
    write_table(shown, out / "comparison.tex")
    save_figure(comparison_figure(plan, table, rows), out / "comparison")
    return text


def _cost(trial: Trial, store: FeatureStore, video: str) -> dict[str, Any]:
    """Returns the cost of a trial; its time per frame is measured once, after all runs have ended."""
    cost: dict[str, Any] = json.loads(trial.cost_file.read_text(encoding="utf-8"))
    if "stream_milliseconds" not in cost:
        model = load_model(trial.folder / "run", "cpu", fingerprint=store.fingerprint)
        cost["stream_milliseconds"] = stream_milliseconds(model.eval(), store.read(video).features)
        atomic_write(trial.cost_file, json.dumps(cost, indent=1) + "\n")
    return {"head": trial.candidate.head, "seed": trial.seed, **cost}
