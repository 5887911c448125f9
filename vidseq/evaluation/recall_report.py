"""Class-mean recall in `vidseq evaluate`, with scores as they are and adjusted for rare classes.

Every class counts alike, as EPIC-Kitchens-100 reports next actions: of the queries that a class answers, the share
with it among the first K answers, and then the mean over classes.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.class_means import class_mean_recall_interval
from vidseq.evaluation.evaluator import evaluate_adjusted
from vidseq.evaluation.intervals import FewGroupsWarning, accuracy_interval
from vidseq.evaluation.logit_adjustment import TAUS, LogitAdjustment, choose_tau
from vidseq.evaluation.rows import Run, concatenate, write_rows
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.tasks.queries import known_queries


class RecallReport:
    """Scores each kind of query that has classes, other than multiple choice; see `LogitAdjustment`.

    The strength of the adjustment has the highest recall on the validation split; the frequencies are those of the
    training split's answers.

    Args:
        k: an answer counts if it is among the first K.
    """

    def __init__(self, k: int) -> None:
        if k < 1:
            raise UserError(f"--recall expects a number of answers of at least 1, got {k}.")
        self._k = k
        self._rows: list[pd.DataFrame] = []
        self._lines: list[dict[str, object]] = []
        self._notes: list[str] = []

    def add(self, predictor: Predictor, dataset: Dataset, store: FeatureStore, split: str, run: Run) -> bool:
        """Scores a model; see `ModelReport.add`."""
        asked = known_queries(map(predictor.model.find_task, predictor.model.tasks), dataset)
        found = False
        for kind, classes in predictor.classes_of_kinds.items():
            own = [query for query in asked if query.kind == kind and not query.choices]
            of_split = {part: _in_split(own, dataset, part) for part in ("train", "val", split)}
            if of_split[split]:
                found = True
                self._score(predictor, dataset, store, split, run, kind, classes, of_split)
        return found

    def _score(
        self,
        predictor: Predictor,
        dataset: Dataset,
        store: FeatureStore,
        split: str,
        run: Run,
        kind: str,
        classes: Sequence[str],
        of_split: dict[str, list[Query]],
    ) -> None:
        answers = [query.answer for query in of_split["train"]]
        taus, adjusts = [0.0], {tau: LogitAdjustment.learnt(answers, classes, tau) for tau in TAUS}
        if of_split["val"] and answers:
            tried = evaluate_adjusted(
                predictor, dataset, store, "val", list(adjusts.values()), queries=of_split["val"], run=run
            )
            rows_at = dict(zip(adjusts, tried))
            taus.append(choose_tau(lambda tau: rows_at[tau], self._k))
        else:
            self._notes.append(f"{run.run}: {kind} has no training or validation queries to adjust scores by.")
        chosen = [adjusts[tau] for tau in taus]
        tables = evaluate_adjusted(predictor, dataset, store, split, chosen, queries=of_split[split], run=run)
        for tau, rows, scores in zip(taus, tables, ("as they are", "adjusted")):
            self._rows.append(rows.assign(run=f"{run.run}, {scores}", tau=tau))
            about = {"run": run.run, "head": run.head, "kind": kind, "scores": scores, "tau": tau}
            self._lines.append({**about, **_measured(rows, self._k)})

    def finish(self, out: Path | None) -> list[str]:
        """Writes recall.csv and recall.parquet, the rows; see `ModelReport.finish`."""
        texts = [f"{note}\n" for note in self._notes]
        if not self._lines:
            return texts
        table = pd.DataFrame(self._lines)
        if out is not None:
            write_table(table, out / "recall.csv")
            write_rows(concatenate(self._rows), out / "recall.parquet")
        return [to_markdown(table, digits=1), *texts]


def _in_split(queries: Sequence[Query], dataset: Dataset, split: str) -> list[Query]:
    return [query for query in queries if dataset.videos[query.video].split == split]


def _measured(rows: pd.DataFrame, k: int) -> dict[str, object]:
    """Accuracy and recall in percent, with intervals over groups."""
    found: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewGroupsWarning)  # the accuracy's table names few groups
        for first in sorted({1, k}):
            interval = accuracy_interval(rows.assign(correct=rows["rank"] <= first))
            found[f"top-{first} (%)"] = interval.in_percent()
        found[f"class-mean top-{k} recall (%)"] = class_mean_recall_interval(rows, k).in_percent()
    return {**found, "classes": rows["answer"].nunique(), "queries": len(rows)}
