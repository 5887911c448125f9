"""Entries of the audit: baselines, and trained heads that see the past in order; a row for each query and entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vidseq.baselines.baseline import Baseline
from vidseq.baselines.majority import Majority
from vidseq.baselines.probes import BagOfFrames, BestFrameProbe, LastFrameProbe, QuestionOnly, TimeOnly
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.evaluation.evaluator import Predict, answer_baselines, evaluate, queries_of_split
from vidseq.evaluation.rows import Run, concatenate
from vidseq.progress import progress

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore

#: Names of the trained heads, which see the last seconds of the past in order, and all of it.
SHORT_WINDOW, LONG_WINDOW = "short_window", "long"
#: An average over the last second reduces noise and still counts as the present.
PRESENT_SECONDS = 1.0


@dataclass(frozen=True)
class AuditEntry:
    """A baseline or a trained head, with how much of the past it sees."""

    name: str
    """Value of the column `run` of the rows; for a baseline also its name in `--controls`."""
    sees: str
    """What it sees, in words."""
    part: str
    """The part of the past that it sees: "nothing", "present", "short" or "long"."""


def audit_entries(short_seconds: float) -> dict[str, AuditEntry]:
    """Returns every entry by name, starting with those that see least."""
    baselines: list[tuple[Baseline, str]] = [
        (Majority(), "nothing"),
        (QuestionOnly(), "nothing"),
        (TimeOnly(), "nothing"),
        (LastFrameProbe(), "present"),
        (BagOfFrames(PRESENT_SECONDS), "present"),
        (BagOfFrames(short_seconds), "short"),
        (BagOfFrames(), "long"),
        (BestFrameProbe(), "long"),
    ]
    entries = [
        *(AuditEntry(str(baseline), baseline.sees, part) for baseline, part in baselines),
        AuditEntry(SHORT_WINDOW, f"the last {short_seconds:g} s in order", "short"),
        AuditEntry(LONG_WINDOW, "all of the past in order", "long"),
    ]
    return {entry.name: entry for entry in entries}


def present_entries() -> tuple[str, ...]:
    """Returns the entries that see at most the present, without the majority answer."""
    return tuple(map(str, (QuestionOnly(), TimeOnly(), LastFrameProbe(), BagOfFrames(PRESENT_SECONDS))))


def longer_and_shorter(short_seconds: float) -> tuple[tuple[str, str], ...]:
    """Returns pairs of entries that differ only in how much of the past they see."""
    return (str(BagOfFrames()), str(BagOfFrames(short_seconds))), (LONG_WINDOW, SHORT_WINDOW)


def display_name(entry: str) -> str:
    """Returns an entry's name for readers, such as "bag of frames 4s"."""
    return entry.replace("_", " ").replace(":", " ")


def entry_rows(
    dataset: "Dataset",
    store: "FeatureStore",
    queries: Sequence[Query],
    *,
    short_seconds: float,
    split: str,
    train_split: str = "train",
    ordered: Mapping[str, tuple[Predict, str]] | None = None,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Trains the baselines and answers every query with every entry.

    Args:
        dataset: the data set.
        store: its features.
        queries: queries of both splits.
        short_seconds: length of the past that the short entries see, in seconds.
        split: the split to evaluate.
        train_split: the split that baselines learn from.
        ordered: models that see the past in order with their contexts, by entry name.
        names: the baselines to evaluate besides the majority answer; None: all.

    Returns:
        rows whose column `run` names the entry.
    """
    training = [query for query in queries if dataset.videos[query.video].split == train_split]
    query_set = QuerySet(dataset, store, split, queries_of_split(dataset, split, queries))
    chosen = [name for name in audit_entries(short_seconds) if name not in (SHORT_WINDOW, LONG_WINDOW)]
    if names is not None:
        chosen = [name for name in chosen if name in (*names, Majority.name)]
    tables: list[pd.DataFrame] = []
    for name in progress(chosen, what="baselines", unit="baseline"):
        tables += answer_baselines(query_set, [name], training, Run(run=name))
    for name, (predict, context) in (ordered or {}).items():
        tables.append(evaluate(predict, dataset, store, split, queries=queries, contexts=context, run=Run(run=name)))
    return concatenate(tables)


def answers_recur(dataset: "Dataset", queries: Sequence[Query], split: str, train_split: str) -> float:
    """Returns the share of a split's multiple-choice answers that occur in training; NaN without multiple choice.

    If answers do not recur, baselines that learn answers from frames cannot be right.
    """
    known = {query.answer for query in queries if dataset.videos[query.video].split == train_split}
    asked = [query for query in queries if query.choices and dataset.videos[query.video].split == split]
    return float(np.mean([query.answer in known for query in asked])) if asked else float("nan")


def run_folder(out: Path, name: str) -> Path:
    """Returns the run folder of a trained head."""
    return out / "runs" / name
