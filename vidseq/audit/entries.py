"""What the audit compares: baselines, and trained heads that see the past in order; a row for each query and entry."""

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

#: Heads that are trained to see the past in order: its last seconds, and all of it.
SHORT_WINDOW, LONG_WINDOW = "short_window", "long"
#: Averaging the noise of the last second is no need of the past.
PRESENT_SECONDS = 1.0


@dataclass(frozen=True)
class AuditEntry:
    """A baseline or a trained head, with how much of the past it sees."""

    name: str
    """As in the column `run` of the rows; of a baseline also what `--controls` takes."""
    sees: str
    """In words."""
    part: str
    """"nothing", "present", "short" or "long": how much of the past it sees."""


def audit_entries(short_seconds: float) -> dict[str, AuditEntry]:
    """Returns every entry by name, from the one that sees least."""
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
    """Returns the entries that see the present at most, the majority answer left out."""
    return tuple(map(str, (QuestionOnly(), TimeOnly(), LastFrameProbe(), BagOfFrames(PRESENT_SECONDS))))


def longer_and_shorter(short_seconds: float) -> tuple[tuple[str, str], ...]:
    """Returns pairs of entries that differ in how much past they see and in nothing else."""
    return (str(BagOfFrames()), str(BagOfFrames(short_seconds))), (LONG_WINDOW, SHORT_WINDOW)


def display_name(entry: str) -> str:
    """An entry's name as readers see it: "bag of frames 4s"."""
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
    """Trains the baselines and asks all entries every query.

    Args:
        dataset: the data set.
        store: its features.
        queries: queries of both splits.
        short_seconds: how much of the past the short entries see.
        split: whose queries are asked.
        train_split: whose queries the baselines learn from.
        ordered: models that see the past in order, by entry name, with the context that they are shown.
        names: the baselines to ask beside the majority answer; None: all.

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
    """The share of a split's multiple-choice answers that some training query has too; NaN without multiple choice.

    Where answers do not recur, baselines that learn answers from frames cannot be right.
    """
    known = {query.answer for query in queries if dataset.videos[query.video].split == train_split}
    asked = [query for query in queries if query.choices and dataset.videos[query.video].split == split]
    return float(np.mean([query.answer in known for query in asked])) if asked else float("nan")


def run_folder(out: Path, name: str) -> Path:
    """The folder of the run of a trained head."""
    return out / "runs" / name
