"""Sweeps trained models over contexts, in parts over several processes; an interrupted sweep resumes.

```
<out>/sweep.json         describes the sweep; a folder holds one sweep
<out>/parts/*.parquet    rows of some videos of one model, each file complete; removed when rows.parquet is written
<out>/retrained/...      a run per context length, in the mode retrained
<out>/rows.parquet       all rows
```
"""

import functools
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from vidseq.checkpoint import WEIGHTS_FILE, find_checkpoint, load_model
from vidseq.claims import claim_folder, held
from vidseq.context.retrained import RETRAINED, lengths_only, retrain, retrained_folder
from vidseq.data.dataset import Dataset
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.contexts import Context, parse_contexts
from vidseq.evaluation.controls import find_baseline
from vidseq.evaluation.evaluator import answer_baselines, ask_model, choose_controls_for, queries_of_split
from vidseq.evaluation.frame_queries import frame_label_queries
from vidseq.evaluation.models import queries_for
from vidseq.evaluation.rows import UNNAMED_RUN, Run, concatenate, lines_apart, read_rows, write_rows
from vidseq.evaluation.run_description import check_names, describe_run, trained_seconds
from vidseq.features.store import FeatureStore
from vidseq.inference.model_features import open_features
from vidseq.inference.predictor import Predictor
from vidseq.processes import JobResult, all_values, run_jobs
from vidseq.progress import progress
from vidseq.tasks import DenseTask, TaskOptions

#: What a sweep can vary. The rows name "given" "truncated" if the run never saw short contexts in training.
VARIED = ("given", "density", "extrapolated", "retrained")
#: A part holds whole videos with about this many queries.
_QUERIES_A_PART = 400
_ROWS_FILE, _PARTS = "rows.parquet", "parts"
#: Factors by which density divides the number of frames, and by which extrapolation multiplies the trained length.
_THINNED, _STRETCHED = (1, 2, 4, 8, 16, 32), (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Describes a sweep: the models, the data and the contexts."""

    data: Path
    models: tuple[Path, ...]
    """Folders of runs or models."""
    split: str = "test"
    contexts: str = "1f,1s,2s,...,full"
    controls: tuple[str, ...] = ("all",)
    vary: tuple[str, ...] = ("given",)
    """Some of `VARIED`."""
    seeds: tuple[int, ...] = ()
    """Seeds of retrained models; (): those of the runs."""
    features: str | None = None
    """The start of the name of a features folder; None: those that the models need, see `open_features`."""
    limit: int | None = None
    """Largest number of queries, counted from the first; None: all."""
    device: str = "auto"
    frame_labels_every: float | None = None
    """Seconds from one frame-label query to the next; None: use the queries of the models' query tasks."""

    def __post_init__(self) -> None:
        for name in self.vary:
            if name not in VARIED:
                raise UserError(f"A sweep expects to vary some of {', '.join(VARIED)}, got '{name}'.")


@dataclass(frozen=True)
class _Part:
    """Some videos of one model, the unit of work of a process."""

    name: str
    model: Path
    run: Run
    contexts: tuple[Context, ...]
    controls: tuple[str, ...]
    videos: tuple[str, ...]
    answers: int
    """Number of answers to compute, for the progress bar."""


@dataclass(frozen=True)
class _Training:
    """A model to train before it is swept."""

    run: Path
    context: Context
    seed: int
    out: Path


@dataclass(frozen=True)
class _Line:
    """One model with its contexts and controls."""

    model: Path
    run: Run
    contexts: tuple[Context, ...]
    controls: tuple[str, ...]


def run_sweep(
    sweep: Sweep,
    out: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Answers every query with every model, at every context and under every control; resumes an interrupted sweep.

    Args:
        sweep: the models, the data and the contexts.
        out: folder for the rows; created if it is missing.
        workers: number of processes.
        overwrite: start again: rows, parts and retrained models in the folder are deleted, other files stay.

    Returns:
        the rows, which are also in `<out>/rows.parquet`.

    Raises:
        UserError: the folder holds other files, a model has no task of the data set, contexts or controls do not suit
            the queries, or a model returns invalid scores.
    """
    if workers < 1:
        raise UserError(f"A sweep expects at least 1 worker, got {workers}.")
    for kept in (_opened, _predictor, _frame_queries):
        kept.cache_clear()  # files may have changed since an earlier sweep of this process
    loaded = _OpenSweep(sweep)
    with held(out, "A sweep"):
        return _run_sweep(sweep, loaded, out, workers, overwrite)


def _run_sweep(sweep: Sweep, loaded: "_OpenSweep", out: Path, workers: int, overwrite: bool) -> pd.DataFrame:
    if overwrite:
        _remove_results(out)
    claim_folder(out, "sweep", loaded.plan(), overwrite=overwrite)
    if (out / _ROWS_FILE).is_file():
        return read_rows(out / _ROWS_FILE)
    trainings, lines = loaded.lines(out)
    _train_all(sweep, trainings, workers)
    parts = [part for index, line in enumerate(lines) for part in loaded.parts(line, f"{index:03d}")]
    files = {part.name: out / _PARTS / f"{part.name}.parquet" for part in parts}
    _answer_all(sweep, {part: file for part in parts if not (file := files[part.name]).is_file()}, workers)
    tables = [read_rows(file) for file in files.values()]
    tables += loaded.baselines(lines, out / _PARTS)
    rows = lines_apart(concatenate(tables))
    write_rows(rows, out / _ROWS_FILE)
    shutil.rmtree(out / _PARTS)
    return rows


class _OpenSweep:
    """A sweep with its data set and models loaded."""

    def __init__(self, sweep: Sweep) -> None:
        check_names(sweep.models, "A sweep")
        self.sweep = sweep
        self.dataset, self.store = opened(sweep)
        self.models = [predictor_of(folder, sweep) for folder in sweep.models]
        self.runs = [describe_run(folder, found.model) for folder, found in zip(sweep.models, self.models)]
        self.query_sets = [
            QuerySet(self.dataset, self.store, sweep.split, _queries(sweep, found), found.classes_of_kinds)
            for found in self.models
        ]
        longest = max(query_set.longest_seconds for query_set in self.query_sets)
        self.contexts = parse_contexts(sweep.contexts, longest)
        self.longest = longest
        if len(self.contexts) < 2:
            raise UserError(f"A sweep expects two contexts or more, got '{sweep.contexts}'. Use 1f,1s,2s,...,full.")
        self.controls = [choose_controls_for(query_set, sweep.controls) for query_set in self.query_sets]

    def plan(self) -> dict[str, Any]:
        """Returns everything that the rows depend on."""
        queries = sorted({repr(query) for query_set in self.query_sets for query in query_set.queries})
        return {
            "dataset": self.dataset.info.name,
            "split": self.sweep.split,
            "features": self.store.fingerprint.name,
            "contexts": [context.name for context in self.contexts],
            "controls": [list(controls) for controls in self.controls],
            "vary": list(self.sweep.vary),
            "seeds": list(self.sweep.seeds),
            "limit": self.sweep.limit,
            "frame_labels_every": self.sweep.frame_labels_every,
            "queries": _digest("\n".join(queries).encode()),
            "models": [
                {**asdict(run), "weights": _digest((find_checkpoint(folder) / WEIGHTS_FILE).read_bytes())}
                for folder, run in zip(self.sweep.models, self.runs)
            ],
        }

    def lines(self, out: Path) -> tuple[list[_Training], list[_Line]]:
        """Returns the models to train first, and the lines of all models."""
        trainings: list[_Training] = []
        lines: list[_Line] = []
        for folder, run, controls in zip(self.sweep.models, self.runs, self.controls):
            asked = tuple(control for control in controls if not find_baseline(control))
            if "given" in self.sweep.vary:
                lines.append(_Line(folder, run, tuple(self.contexts), asked))
            if "density" in self.sweep.vary:
                contexts = tuple(Context(every=every) for every in _THINNED)
                lines.append(_Line(folder, _in_mode(run, "density"), contexts, asked))
            if "extrapolated" in self.sweep.vary:
                lines.append(_Line(folder, _in_mode(run, "extrapolated"), self._stretched(folder), asked))
            if "retrained" in self.sweep.vary:
                found = self._retrained(folder, run, asked, out)
                trainings += [training for training, _ in found]
                lines += [line for _, line in found]
        return trainings, lines

    def parts(self, line: _Line, prefix: str) -> Iterator[_Part]:
        """Yields a line's parts, each of some videos."""
        query_set = self.query_sets[self._index_of(line.run)]
        counts: dict[str, int] = {}
        for query in query_set.queries:
            counts[query.video] = counts.get(query.video, 0) + 1
        videos: list[str] = []
        queries = index = 0
        for video, count in counts.items():
            videos.append(video)
            queries += count
            if queries >= _QUERIES_A_PART or video == list(counts)[-1]:
                answers = queries * (len(line.contexts) + len(line.controls))
                name = f"{prefix}-{index:05d}"
                yield _Part(name, line.model, line.run, line.contexts, line.controls, tuple(videos), answers)
                videos, queries, index = [], 0, index + 1

    def baselines(self, lines: Sequence[_Line], folder: Path) -> list[pd.DataFrame]:
        """Returns the rows of baselines, computed once for the same queries and repeated for every line."""
        tables: list[pd.DataFrame] = []
        seen: set[tuple[str, str, int]] = set()
        for line in lines:
            index = self._index_of(line.run)
            key = (line.run.run, line.run.mode, line.run.seed)
            names = [control for control in self.controls[index] if find_baseline(control)]
            if key in seen or not names:
                continue
            seen.add(key)
            rows = self._baseline_rows(index, names, folder)
            tables.append(rows.assign(run=line.run.run, head=line.run.head, seed=line.run.seed, mode=line.run.mode))
        return tables

    def _baseline_rows(self, index: int, names: Sequence[str], folder: Path) -> pd.DataFrame:
        query_set = self.query_sets[index]
        digest = _digest(repr((names, [repr(query) for query in query_set.queries])).encode())[:16]
        file = folder / f"baselines-{digest}.parquet"
        if not file.is_file():
            asked = _all_queries(self.sweep, self.models[index])
            training = [query for query in asked if self.dataset.videos[query.video].split == "train"]
            write_rows(concatenate(answer_baselines(query_set, names, training, UNNAMED_RUN)), file)
        return read_rows(file)

    def _stretched(self, folder: Path) -> tuple[Context, ...]:
        seconds = trained_seconds(folder)
        contexts = tuple(
            Context(seconds=seconds * factor) for factor in _STRETCHED if seconds * factor <= self.longest
        )
        if len(contexts) < 2:
            raise UserError(
                f"Extrapolation expects a run trained to at most half of the longest past, {self.longest:.1f} s, "
                f"got '{folder}', trained to {seconds:g} s. Train one with "
                "`vidseq train --max-clip-seconds` or `vidseq train --context-seconds`."
            )
        return contexts

    def _retrained(
        self, folder: Path, run: Run, controls: tuple[str, ...], out: Path
    ) -> list[tuple[_Training, _Line]]:
        contexts = lengths_only(self.contexts)
        longest = max(contexts, key=lambda context: (context.seconds, context.frames or 0))
        found = []
        for seed in self.sweep.seeds or (run.seed,):
            named = Run(run=run.run, head=run.head, seed=seed, mode="retrained")
            for context in contexts:
                new_run = retrained_folder(out, run.run, context, seed)
                asked = controls if context == longest else ()
                training = _Training(folder, context, seed, new_run)
                found.append((training, _Line(new_run, named, (context,), asked)))
        return found

    def _index_of(self, run: Run) -> int:
        return [known.run for known in self.runs].index(run.run)


def _remove_results(out: Path) -> None:
    for folder in (_PARTS, RETRAINED):
        shutil.rmtree(out / folder, ignore_errors=True)
    (out / _ROWS_FILE).unlink(missing_ok=True)


def _train_all(sweep: Sweep, trainings: Sequence[_Training], workers: int) -> None:
    jobs = {f"{item.run.name} at {item.context.name}, seed {item.seed}": item for item in trainings}
    results = run_jobs(functools.partial(_train, sweep), jobs, workers)
    all_values(progress(results, total=len(jobs), what="retrain", unit="model"), "A sweep")


def _answer_all(sweep: Sweep, files: Mapping[_Part, Path], workers: int) -> None:
    jobs = {f"{part.run.run} ({part.run.mode}), part {part.name}": (part, file) for part, file in files.items()}
    with progress(total=sum(part.answers for part in files), what="sweep", unit="answer") as bar:

        def shown() -> Iterator[JobResult[None]]:
            for result in run_jobs(functools.partial(_answer_part, sweep), jobs, workers):
                bar.update(jobs[result.name][0].answers)
                yield result

        all_values(shown(), "A sweep")


def _train(sweep: Sweep, training: _Training) -> None:
    dataset, store = opened(sweep)
    retrain(dataset, store, training.run, training.context, training.seed, training.out)


def _answer_part(sweep: Sweep, job: tuple[_Part, Path]) -> None:
    part, file = job
    dataset, store = opened(sweep)
    predictor = predictor_of(part.model, sweep)
    queries = [query for query in _queries(sweep, predictor) if query.video in set(part.videos)]
    query_set = QuerySet(dataset, store, sweep.split, queries, predictor.classes_of_kinds)
    tables = ask_model(predictor, query_set, part.contexts, part.controls, part.run, advance=lambda count: None)
    write_rows(concatenate(tables), file)


def _queries(sweep: Sweep, predictor: Predictor) -> list[Query]:
    dataset, _ = opened(sweep)
    queries = _all_queries(sweep, predictor)
    if not queries:
        raise UserError(f"A sweep expects models with a query task that '{dataset.info.name}' has, got none.")
    return queries_of_split(dataset, sweep.split, queries, sweep.limit)


def _all_queries(sweep: Sweep, predictor: Predictor) -> list[Query]:
    """Returns all queries for a model, in all splits."""
    if sweep.frame_labels_every is None:
        return queries_for(predictor.model, opened(sweep)[0])
    task = predictor.model.dense_task()
    dense = _Dense(task.name, predictor.classes(task.name), task.options, task)
    return _frame_queries(_source(sweep), sweep.frame_labels_every, dense)


@dataclass(frozen=True)
class _Dense:
    """A dense task. Those of two models are equal if their classes and options are equal."""

    name: str
    classes: tuple[str, ...]
    options: TaskOptions
    task: DenseTask = field(compare=False)


@functools.lru_cache(maxsize=1)
def _frame_queries(source: "_Source", every_seconds: float, dense: _Dense) -> list[Query]:
    """Makes the frame-label queries once per process, because it reads the times of every video."""
    return frame_label_queries(*_opened(source), every_seconds, dense.task, dense.classes)


class _Source(NamedTuple):
    """What a sweep reads."""

    data: Path
    models: tuple[Path, ...]
    features: str | None


def _source(sweep: Sweep) -> _Source:
    return _Source(sweep.data, tuple(sweep.models), sweep.features)


def opened(sweep: Sweep) -> tuple[Dataset, FeatureStore]:
    """Opens the data set of a sweep and the features that its models need; once a process."""
    return _opened(_source(sweep))


@functools.lru_cache(maxsize=1)
def _opened(source: _Source) -> tuple[Dataset, FeatureStore]:
    return Dataset.load(source.data), open_features(*source)


@functools.lru_cache(maxsize=1)
def _predictor(folder: Path, source: _Source, device: str) -> Predictor:
    dataset, store = _opened(source)
    model = load_model(folder, device, fingerprint=store.fingerprint)
    return Predictor(model, dataset.class_labels)


def predictor_of(folder: Path, sweep: Sweep) -> Predictor:
    """Loads a model for the classes of a sweep's data set; the last one stays loaded."""
    return _predictor(folder, _source(sweep), sweep.device)


def _in_mode(run: Run, mode: str) -> Run:
    return Run(run=run.run, head=run.head, seed=run.seed, mode=mode)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
