"""Audits a data set: which families of queries need long context, and which shortcuts answer them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vidseq.audit.entries import LONG_WINDOW, SHORT_WINDOW, answers_recur, entry_rows, run_folder
from vidseq.audit.figure import audit_figure
from vidseq.audit.findings import Alarm, Verdict, find_alarms, judge
from vidseq.audit.report import accuracy_table, as_html, as_markdown
from vidseq.checkpoint import load_model
from vidseq.claims import claim_folder
from vidseq.data.dataset import Dataset
from vidseq.data.schema import NEXT_ACTION, QUERY_KINDS, Query
from vidseq.errors import UserError
from vidseq.evaluation.evaluator import Predict
from vidseq.evaluation.rows import write_rows
from vidseq.features.store import FeatureStore
from vidseq.files import atomic_write
from vidseq.inference.predictor import Predictor
from vidseq.reporting.figures import save_figure
from vidseq.reporting.tables import write_table
from vidseq.tasks import default_task
from vidseq.training import TrainConfig, fit

#: The split that entries learn from.
TRAIN_SPLIT = "train"
#: Training of the heads that see the past in order. Attention keeps every frame.
ORDERED_TRAINING = TrainConfig(
    head="attention", dim=64, head_options={"layers": 1}, epochs=15, batch_size=8, lr=3e-3, patience=None
)


@dataclass(frozen=True)
class Audit:
    """The findings of an audit."""

    rows: pd.DataFrame
    """One row per query and entry (see `audit_entries`), with the column `choices`: the number of choices offered."""
    alarms: list[Alarm]
    verdicts: list[Verdict]
    notes: list[str]
    """Limits of the findings."""


def audit_dataset(
    data: Path | str,
    out: Path | str | None = None,
    *,
    split: str = "test",
    short_seconds: float = 4.0,
    anticipation_seconds: float = 1.0,
    training: TrainConfig | None = ORDERED_TRAINING,
    features: str | None = None,
) -> Audit:
    """Trains baselines and small heads on the split "train", and compares on another what they see with their
    accuracy.

    Args:
        data: folder of the data set, with features.
        out: folder for audit.md, audit.html, audit.csv, rows.parquet, the figure, and the runs of the
            trained heads; None: nothing is written, and `training` must be None.
        split: the split to evaluate; its groups must not be in "train".
        short_seconds: length of the past that the short entries see, in seconds.
        anticipation_seconds: time from the query to the start of the action, if the data set has no queries of its
            own.
        training: training of the two heads that see the past in order; None: they are left out.
        features: the start of the name of a features folder; needed if there are several.

    Raises:
        UserError: a split has no queries, the evaluated split has fewer than two groups, a group is in both splits, or
            the folder holds another audit.
    """
    dataset, store = Dataset.load(data), FeatureStore.open_in(Path(data), features)
    if not short_seconds > 0:
        raise UserError(f"Audit expects short_seconds above 0, got {short_seconds:g}.")
    queries = audit_queries(dataset, split, anticipation_seconds)
    _check_groups(dataset, split)
    folder = None if out is None else Path(out)
    if folder is not None:
        claim_folder(folder, "audit", _about(dataset, store, split, short_seconds, anticipation_seconds, training))
    ordered: dict[str, tuple[Predict, str]] = {}
    if training is not None:
        if folder is None:
            raise UserError(
                "Audit expects a folder for the heads that are trained, got none. Give one, or no training."
            )
        tasks = _tasks(dataset, queries, anticipation_seconds)
        ordered = _train_ordered(dataset, store, folder, dataclasses.replace(training, tasks=tasks), short_seconds)
    rows = entry_rows(dataset, store, queries, short_seconds=short_seconds, split=split, ordered=ordered)
    audit = find(dataset, queries, rows, split, short_seconds)
    if folder is not None:
        _write(audit, folder, dataset.info.name, short_seconds)
    return audit


def find(dataset: Dataset, queries: Sequence[Query], rows: pd.DataFrame, split: str, short_seconds: float) -> Audit:
    """Computes the findings from rows: alarms, verdicts, and their limits."""
    rows = _with_choices(dataset, queries, rows, split)
    alarms = find_shortcuts(dataset, queries, rows, split)
    return Audit(rows, alarms, judge(rows, short_seconds), _notes(dataset, queries, rows, split))


def find_shortcuts(dataset: Dataset, queries: Sequence[Query], rows: pd.DataFrame, split: str) -> list[Alarm]:
    """Returns only the alarms; the rows need the entries majority, question only, time only and last frame."""
    training = [query for query in queries if dataset.videos[query.video].split == TRAIN_SPLIT]
    asked = [query for query in queries if dataset.videos[query.video].split == split]
    return find_alarms(_with_choices(dataset, queries, rows, split), training, asked)


def _with_choices(dataset: Dataset, queries: Sequence[Query], rows: pd.DataFrame, split: str) -> pd.DataFrame:
    """Adds the column `choices` to rows: the number of choices offered; 0 for open questions."""
    asked = [query for query in queries if dataset.videos[query.video].split == split]
    num_choices = {(query.video, query.time, query.question, query.answer): len(query.choices) for query in asked}
    keys = zip(rows["video"], rows["time"], rows["question"], rows["answer"])
    return rows.assign(choices=[num_choices[key] for key in keys])


def audit_queries(dataset: Dataset, split: str, anticipation_seconds: float) -> list[Query]:
    """Returns the queries of the splits "train" and `split`: the data set's own ones, or else next actions.

    Raises:
        UserError: one of the splits has no query.
    """
    own = [query for query in dataset.queries if query.kind in QUERY_KINDS]
    queries = own or dataset.next_action_queries(anticipation_seconds)
    names = {part: {video.video for video in dataset.split(part)} for part in (TRAIN_SPLIT, split)}
    for part, videos in names.items():
        if not any(query.video in videos for query in queries):
            raise UserError(
                f"Audit expects queries or segments in split '{part}' of '{dataset.info.name}', got none. "
                f"Give another split."
            )
    return [query for query in queries if any(query.video in videos for videos in names.values())]


def _check_groups(dataset: Dataset, split: str) -> None:
    if split == TRAIN_SPLIT:
        raise UserError(
            f"Audit expects a split other than '{TRAIN_SPLIT}', got '{split}'. Baselines learn from that split."
        )
    groups = {part: {dataset.group_of(video.video) for video in dataset.split(part)} for part in (TRAIN_SPLIT, split)}
    shared = sorted(groups[TRAIN_SPLIT] & groups[split])
    if shared:
        raise UserError(
            f"Audit expects every group in one split, got '{shared[0]}' in both '{TRAIN_SPLIT}' and '{split}'. "
            f"Move its videos together."
        )
    if len(groups[split]) < 2:
        raise UserError(
            f"Audit expects at least 2 groups (persons, cameras, videos) in split '{split}', got "
            f"{len(groups[split])}: one says nothing about others. Name groups, or ask more videos."
        )


def _tasks(dataset: Dataset, queries: Sequence[Query], anticipation_seconds: float) -> dict[str, dict[str, Any]]:
    kinds = {query.kind for query in queries}
    tasks: dict[str, dict[str, Any]] = {default_task(kind): {} for kind in QUERY_KINDS if kind in kinds}
    if not dataset.queries:
        tasks[default_task(NEXT_ACTION)] = {"anticipation_seconds": anticipation_seconds}
    return tasks


def _train_ordered(
    dataset: Dataset, store: FeatureStore, out: Path, training: TrainConfig, short_seconds: float
) -> dict[str, tuple[Predict, str]]:
    """Trains the heads that see the past in order, each with the context that it is evaluated with."""
    probes: dict[str, tuple[Predict, str]] = {}
    for name, seconds in ((SHORT_WINDOW, short_seconds), (LONG_WINDOW, None)):
        config = dataclasses.replace(training, context_seconds=seconds, full_context=1.0)
        run = fit(dataset, store, config, run_folder(out, name), resume=True)
        model = load_model(run, "cpu", fingerprint=store.fingerprint)
        probes[name] = (Predictor(model, dataset.class_labels), "full" if seconds is None else f"{seconds:g}s")
    return probes


def _about(
    dataset: Dataset, store: FeatureStore, split: str, short: float, anticipation: float, training: TrainConfig | None
) -> dict[str, Any]:
    about = {"dataset": dataset.info.name, "version": dataset.info.version, "features": store.fingerprint.name}
    own = {} if training is None else {f"training.{key}": value for key, value in dataclasses.asdict(training).items()}
    return {**about, "split": split, "short_seconds": short, "anticipation_seconds": anticipation, **own}


def _notes(dataset: Dataset, queries: Sequence[Query], rows: pd.DataFrame, split: str) -> list[str]:
    groups = rows["group"].nunique()
    notes = []
    if groups < 20:
        notes.append(f"Only {groups} groups are evaluated: intervals are rough.")
    recurring = answers_recur(dataset, queries, split, TRAIN_SPLIT)
    if recurring < 0.5:
        notes.append(
            f"Only {recurring:.0%} of the multiple-choice answers occur in training too. Probes that look at frames "
            f"learn answers, not what choices mean, so they can say little here; the alarms about words, position and "
            f"length hold all the same."
        )
    if dataset.info.observations == "symbolic":
        notes.append("Observations are symbolic, not pixels.")
    return notes


def _write(audit: Audit, out: Path, name: str, short_seconds: float) -> None:
    write_rows(audit.rows, out / "rows.parquet")
    table = accuracy_table(audit.rows, short_seconds)
    write_table(table, out / "audit.csv")
    figure = save_figure(audit_figure(audit.rows, name, short_seconds), out / "audit")
    atomic_write(out / "audit.md", as_markdown(audit.alarms, audit.verdicts, audit.notes, table, name))
    svg = figure[0].read_text(encoding="utf-8")
    atomic_write(out / "audit.html", as_html(audit.alarms, audit.verdicts, audit.notes, table, name, svg))
