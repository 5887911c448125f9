"""Pairs the answers of one line: a row for each query and run, a column for each context or control."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.input_controls import LastFrame
from vidseq.evaluation.intervals import BootstrapSamples, bootstrap_means


@dataclass(frozen=True)
class PairedAnswers:
    """Whether the answers to the same queries are right, at every context and under every control."""

    contexts: tuple[str, ...]
    """The K contexts from the shortest to the longest; the others are compared with the last."""
    seconds: np.ndarray
    """Length of each context, (K,); infinite for the full context."""
    frames: np.ndarray
    """Number of frames that each context shows, the mean over queries, (K,)."""
    controls: tuple[str, ...]
    """The controls that have an answer to every query."""
    answers: pd.DataFrame
    """(N, K + number of controls), 1 for right and 0 for wrong; its index has run, seed and query."""
    groups: np.ndarray
    """Group of each row, (N,)."""
    num_samples: int = 2000

    @property
    def seeds(self) -> np.ndarray:
        """The trained model of each row, (N,)."""
        index = self.answers.index
        return index.get_level_values("run").astype(str) + "/" + index.get_level_values("seed").astype(str)

    @cached_property
    def bootstrap(self) -> BootstrapSamples:
        """Bootstrap samples of the accuracy in each column."""
        return bootstrap_means(self.answers.to_numpy(float), self.groups, self.seeds, num_samples=self.num_samples)

    def column(self, name: str) -> int | None:
        """Returns the index of the column of a context or control; None if there is no such column."""
        columns = list(self.answers.columns)
        return columns.index(name) if name in columns else None

    @property
    def full(self) -> int:
        """The index of the column of the longest context."""
        return len(self.contexts) - 1

    @property
    def last_frame(self) -> int | None:
        """The index of the column that shows only the newest frame, as a context or as a control."""
        column = self.column("1f")
        return self.column(LastFrame.name) if column is None else column


def pair_answers(rows: pd.DataFrame, *, num_samples: int = 2000) -> PairedAnswers:
    """Pairs the rows of one line by run, seed and query.

    Args:
        rows: rows of one data set, split and mode; any runs and seeds.
        num_samples: bootstrap samples of statistics.

    Raises:
        UserError: there is no row of a model, or a query lacks an answer at a context.
    """
    names = context_names(rows)
    if not names:
        raise UserError("A context curve expects rows of a model, got none without a control.")
    columns = rows["control"].where(rows["control"] != "", rows["context"])
    wide = rows.assign(column=columns).pivot(index=["run", "seed", "query"], columns="column", values="correct")
    answers = wide[list(names)]
    answers = answers[answers.notna().any(axis=1)]
    _require_all(answers)
    controls = [name for name in rows["control"].unique() if name and name not in names]
    controls = [name for name in controls if wide.loc[answers.index, name].notna().all()]
    curve = rows[rows["control"] == ""]
    lengths = curve.groupby("context")[["context_seconds", "context_frames"]].mean().loc[list(names)]
    group = curve.drop_duplicates("query").set_index("query")["group"]
    return PairedAnswers(
        names,
        lengths["context_seconds"].to_numpy(float),
        lengths["context_frames"].to_numpy(float),
        tuple(controls),
        wide.loc[answers.index, [*names, *controls]].astype(float),
        group.loc[answers.index.get_level_values("query")].to_numpy(),
        num_samples,
    )


def context_names(rows: pd.DataFrame) -> tuple[str, ...]:
    """Returns the contexts of a model's rows from the shortest to the longest, those of equal seconds by frames."""
    curve = rows[rows["control"] == ""]
    lengths = curve.groupby("context")[["context_seconds", "context_frames"]].mean()
    return tuple(lengths.sort_values(["context_seconds", "context_frames"]).index)


def _require_all(answers: pd.DataFrame) -> None:
    missing = answers.isna()
    if missing.to_numpy().any():
        name = str(missing.any(axis=0).idxmax())
        example: Sequence[object] = missing.index[missing[name]][0]
        raise UserError(
            f"A context curve expects every query at every context, got {int(missing[name].sum())} without {name}, "
            f"such as '{example[2]}' of run '{example[0]}'. Finish the sweep, or leave that context out."
        )
