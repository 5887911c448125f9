"""The whole sweep of trained models over contexts: in parts, over processes, to be resumed after a kill.

```
<out>/sweep.json         what is swept: a folder holds one sweep
<out>/parts/*.parquet    rows of some videos of one model, whole or not at all; removed once rows.parquet is there
<out>/retrained/...      a run a context length, where the mode retrained was asked for
<out>/rows.parquet       all rows
```
"""

import functools
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from vidseq.checkpoint import WEIGHTS_FILE, find_checkpoint, load_model
from vidseq.claims import claim_folder
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
from vidseq.evaluation.rows import UNNAMED_RUN, Run, concatenate, read_rows, write_rows
from vidseq.evaluation.run_description import describe_run, trained_seconds
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.processes import JobResult, all_values, run_jobs
from vidseq.progress import progress
from vidseq.tasks import DenseTask, TaskOptions

#: What can be varied: "given" is named "truncated" in the rows of a run that never saw short contexts.
VARIED = ("given", "density", "extrapolated", "retrained")
#: A part holds whole videos with about so many queries.
_QUERIES_A_PART = 400
_ROWS_FILE, _PARTS = "rows.parquet", "parts"
#: Of a span, so many times fewer frames; and of the trained length, so many times more seconds.
_THINNED, _STRETCHED = (1, 2, 4, 8, 16, 32), (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What to sweep."""

    data: Path
    models: tuple[Path, ...]
    """Folders of runs or models."""
    split: str = "test"
    contexts: str = "1f,1s,2s,...,full"
    controls: tuple[str, ...] = ("all",)
    vary: tuple[str, ...] = ("given",)
    """Any of `VARIED`."""
    seeds: tuple[int, ...] = ()
    """Of retrained models; none: those of the runs."""
    features: str | None = None
    limit: int | None = None
    """Only the first so many queries."""
    device: str = "auto"
    frame_labels_every: float | None = None
    """Ask for frame labels, one in every so many seconds; None: ask the queries that models were trained for."""

    def __post_init__(self) -> None:
        for name in self.vary:
            if name not in VARIED:
                raise UserError(f"A sweep expects to vary some of {', '.join(VARIED)}, got '{name}'.")


@dataclass(frozen=True)
class _Part:
    """Some videos of one model: what one process does at a time."""

    name: str
    model: Path
    run: Run
    contexts: tuple[Context, ...]
    controls: tuple[str, ...]
    videos: tuple[str, ...]
    answers: int
    """How much there is to do, for the progress bar."""


@dataclass(frozen=True)
class _Training:
    """A model to train before it can be swept."""

    run: Path
    context: Context
    seed: int
    out: Path


@dataclass(frozen=True)
class _Line:
    """One model with what is asked of it."""

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
    """Asks every model every query at every context and under every control, or goes on where that was stopped.

    Args:
        sweep: what.
        out: folder for the rows; made if it is missing.
        workers: processes.
        overwrite: begin anew; rows, parts and retrained models that are in the folder are deleted, other files kept.

    Returns:
        the rows, which are in `<out>/rows.parquet` too.

    Raises:
        UserError: a folder that holds something else, models without a task that the data set has, contexts or
            controls that do not fit, or answers that are no scores.
    """
    if workers < 1:
        raise UserError(f"A sweep expects at least 1 worker, got {workers}.")
    for kept in (_opened, _predictor, _frame_queries):
        kept.cache_clear()  # files may have changed since an earlier sweep of this process
    subject = _Subject(sweep)
    if overwrite:
        _remove_results(out)
    claim_folder(out, "sweep", subject.plan(), overwrite=overwrite)
    if (out / _ROWS_FILE).is_file():
        return read_rows(out / _ROWS_FILE)
    trainings, lines = subject.lines(out)
    _train_all(sweep, trainings, workers)
    parts = [part for number, line in enumerate(lines) for part in subject.parts(line, f"{number:03d}")]
    files = {part.name: out / _PARTS / f"{part.name}.parquet" for part in parts}
    _answer_all(sweep, {part: file for part in parts if not (file := files[part.name]).is_file()}, workers)
    tables = [read_rows(file) for file in files.values()]
    tables += subject.baselines(lines, out / _PARTS)
    rows = concatenate(tables)
    write_rows(rows, out / _ROWS_FILE)
    shutil.rmtree(out / _PARTS)
    return rows


class _Subject:
    """A sweep with its data set and models at hand."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.dataset, self.store = _opened(sweep.data, sweep.features)
        self.models = [_loaded(folder, sweep) for folder in sweep.models]
        self.runs = [describe_run(folder, found.model) for folder, found in zip(sweep.models, self.models)]
        self.exams = [
            QuerySet(self.dataset, self.store, sweep.split, _queries(sweep, found), found.classes_of_kinds)
            for found in self.models
        ]
        longest = max(query_set.longest_seconds for query_set in self.exams)
        self.contexts = parse_contexts(sweep.contexts, longest)
        self.longest = longest
        if len(self.contexts) < 2:
            raise UserError(f"A sweep expects two contexts or more, got '{sweep.contexts}'. Use 1f,1s,2s,...,full.")
        self.controls = [choose_controls_for(query_set, sweep.controls) for query_set in self.exams]
        self._check_names()

    def plan(self) -> dict[str, Any]:
        """All that decides what the rows will be."""
        queries = sorted({repr(query) for query_set in self.exams for query in query_set.queries})
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
        """The models to train first, and all that are asked."""
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
        """A line's work, some videos at a time."""
        query_set = self.exams[self._place(line.run)]
        counts: dict[str, int] = {}
        for query in query_set.queries:
            counts[query.video] = counts.get(query.video, 0) + 1
        videos: list[str] = []
        queries = number = 0
        for video, count in counts.items():
            videos.append(video)
            queries += count
            if queries >= _QUERIES_A_PART or video == list(counts)[-1]:
                answers = queries * (len(line.contexts) + len(line.controls))
                name = f"{prefix}-{number:05d}"
                yield _Part(name, line.model, line.run, line.contexts, line.controls, tuple(videos), answers)
                videos, queries, number = [], 0, number + 1

    def baselines(self, lines: Sequence[_Line], folder: Path) -> list[pd.DataFrame]:
        """Rows of the controls that ask no model: computed once for the same queries, then given to every line."""
        tables: list[pd.DataFrame] = []
        seen: set[tuple[str, str, int]] = set()
        for line in lines:
            place = self._place(line.run)
            key = (line.run.run, line.run.mode, line.run.seed)
            names = [control for control in self.controls[place] if find_baseline(control)]
            if key in seen or not names:
                continue
            seen.add(key)
            rows = self._baseline_rows(place, names, folder)
            tables.append(rows.assign(run=line.run.run, head=line.run.head, seed=line.run.seed, mode=line.run.mode))
        return tables

    def _baseline_rows(self, place: int, names: Sequence[str], folder: Path) -> pd.DataFrame:
        query_set = self.exams[place]
        digest = _digest(repr((names, [repr(query) for query in query_set.queries])).encode())[:16]
        file = folder / f"baselines-{digest}.parquet"
        if not file.is_file():
            asked = _all_queries(self.sweep, self.models[place])
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
                f"got '{folder}', trained to {seconds:g} s. Train one with --max-clip-seconds or --context-seconds."
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
                place = retrained_folder(out, run.run, context, seed)
                asked = controls if context == longest else ()
                training = _Training(folder, context, seed, place)
                found.append((training, _Line(place, named, (context,), asked)))
        return found

    def _place(self, run: Run) -> int:
        return [known.run for known in self.runs].index(run.run)

    def _check_names(self) -> None:
        names = [run.run for run in self.runs]
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"A sweep expects runs of different names, got '{name}' twice. Rename one's folder.")


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
    dataset, store = _opened(sweep.data, sweep.features)
    retrain(dataset, store, training.run, training.context, training.seed, training.out)


def _answer_part(sweep: Sweep, job: tuple[_Part, Path]) -> None:
    part, file = job
    dataset, store = _opened(sweep.data, sweep.features)
    predictor = _loaded(part.model, sweep)
    queries = [query for query in _queries(sweep, predictor) if query.video in set(part.videos)]
    query_set = QuerySet(dataset, store, sweep.split, queries, predictor.classes_of_kinds)
    tables = ask_model(predictor, query_set, part.contexts, part.controls, part.run, advance=lambda number: None)
    write_rows(concatenate(tables), file)


def _queries(sweep: Sweep, predictor: Predictor) -> list[Query]:
    dataset, _ = _opened(sweep.data, sweep.features)
    queries = _all_queries(sweep, predictor)
    if not queries:
        raise UserError(f"A sweep expects models with a query task that '{dataset.info.name}' has, got none.")
    return queries_of_split(dataset, sweep.split, queries, sweep.limit)


def _all_queries(sweep: Sweep, predictor: Predictor) -> list[Query]:
    """What there is to ask a model, in all splits."""
    if sweep.frame_labels_every is None:
        return queries_for(predictor.model, _opened(sweep.data, sweep.features)[0])
    task = predictor.model.dense_task()
    dense = _Dense(task.name, predictor.classes(task.name), task.options, task)
    return _frame_queries(sweep.data, sweep.features, sweep.frame_labels_every, dense)


@dataclass(frozen=True)
class _Dense:
    """A dense task; those of two models are the same where their classes and options are."""

    name: str
    classes: tuple[str, ...]
    options: TaskOptions
    task: DenseTask = field(compare=False)


@functools.lru_cache(maxsize=1)
def _frame_queries(data: Path, features: str | None, every_seconds: float, dense: _Dense) -> list[Query]:
    """Made once a process, for they take the times of every video; not to be changed."""
    return frame_label_queries(*_opened(data, features), every_seconds, dense.task, dense.classes)


@functools.lru_cache(maxsize=1)
def _opened(data: Path, features: str | None) -> tuple[Dataset, FeatureStore]:
    return Dataset.load(data), FeatureStore.open_in(data, features)


@functools.lru_cache(maxsize=1)
def _predictor(folder: Path, data: Path, features: str | None, device: str) -> Predictor:
    dataset, store = _opened(data, features)
    model = load_model(folder, device, fingerprint=store.fingerprint)
    return Predictor(model, dataset.class_labels)


def _loaded(folder: Path, sweep: Sweep) -> Predictor:
    return _predictor(folder, sweep.data, sweep.features, sweep.device)


def _in_mode(run: Run, mode: str) -> Run:
    return Run(run=run.run, head=run.head, seed=run.seed, mode=mode)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
