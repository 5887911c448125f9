"""Reads the scores of one run from what `vidseq evaluate --out` wrote."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.frame_labels import METRICS
from vidseq.evaluation.intervals import Interval
from vidseq.evaluation.rows import read_rows
from vidseq.evaluation.tables import accuracy_table

#: The file with a row a query.
ROWS_FILE = "rows.parquet"
#: The ends of the tables of frame labels with intervals.
INTERVALS = "_intervals.csv"


@dataclass(frozen=True)
class Score:
    """One measure of a model, in percent."""

    dataset: str
    split: str
    what: str
    """The family of questions, or the task of frame labels with its decoding."""
    control: str
    """The baseline beside the model; "" for the model itself."""
    metric: str
    value: float
    text: str
    """With its interval, such as "71.2 [68.0, 74.1]"."""
    num_groups: int


def read_scores(folder: Path, run: str) -> list[Score]:
    """Reads the scores of a run at the longest context that was shown.

    Args:
        folder: what `vidseq evaluate --out` wrote.
        run: name of the run.

    Raises:
        UserError: the folder holds no evaluation, or none of this run.
    """
    tables = sorted(folder.glob(f"*{INTERVALS}"))
    if not (folder / ROWS_FILE).is_file() and not tables:
        raise UserError(
            f"A card expects an evaluation, got none in '{folder}'. Make one with `vidseq evaluate --out`."
        )
    found: list[Score] = []
    runs: set[str] = set()
    dataset = split = "evaluation"
    if (folder / ROWS_FILE).is_file():
        rows = read_rows(folder / ROWS_FILE)
        runs |= set(rows["run"])
        own = rows[rows["run"] == run]
        if len(own):
            dataset, split = own["dataset"].iloc[0], own["split"].iloc[0]
            found += _of_questions(own)
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        runs |= {line["run"] for line in lines}
        task = path.name.removesuffix(INTERVALS)
        found += [score for line in lines if line["run"] == run for score in _of_frames(line, task, dataset, split)]
    if not found:
        others = ", ".join(sorted(runs)) or "none"
        raise UserError(f"A card expects scores of run '{run}', got those of {others} in '{folder}'. Name its own.")
    return found


def _of_questions(rows: pd.DataFrame) -> Iterator[Score]:
    """Accuracy of each family of questions, and of the baselines beside it."""
    longest = rows[rows["control"] == ""]["context_seconds"].max()
    shown = rows[(rows["control"] != "") | (rows["context_seconds"] == longest)]
    for line in accuracy_table(shown, ("dataset", "split", "family", "control")).to_dict("records"):
        interval = Interval(line["accuracy"], line["low"], line["high"], line["num_queries"], line["num_groups"])
        yield Score(line["dataset"], line["split"], line["family"], line["control"], "accuracy",
                    round(100 * interval.mean, 1), interval.in_percent(), interval.num_groups)  # fmt: skip


def _of_frames(line: dict[str, str], task: str, dataset: str, split: str) -> Iterator[Score]:
    what = f"{task}, {line['decoding']}" if line.get("decoding") else task
    for metric in METRICS:
        number = re.match(r"-?[\d.]+", line.get(metric, ""))
        if number:
            yield Score(dataset, split, what, "", metric, float(number[0]), line[metric], int(line["num_groups"]))
