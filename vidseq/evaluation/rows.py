"""Rows: each is one answered query. Every table and figure is a group-by of rows and needs no model."""

import dataclasses
import math
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vidseq.errors import DataError, UserError
from vidseq.files import atomic_path

#: What the contexts of a curve can mean.
MODES = {
    "given": "one model, trained with random context lengths, shown each length",
    "truncated": "one model, trained on full context alone, shown each length",
    "retrained": "a model a length, trained at it",
    "density": "a fixed span, shown with fewer and fewer frames",
    "extrapolated": "one model, shown up to eight times the length that it was trained to",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The entries of rows that describe the model."""

    run: str = "model"
    """Name of the trained model, such as that of its run folder."""
    head: str = ""
    seed: int = 0
    """The seed of its training."""
    mode: str = "given"
    """One of `MODES`."""


#: The entries for a model without a name.
UNNAMED_RUN = Run()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One answer to one query, by one run, with one context, under one control or none."""

    run: str
    seed: int
    video: str
    group: str
    """The unit that intervals resample: camera or person; the video itself if the data set names none."""
    time: float
    """When the query is asked, in seconds."""
    kind: str
    family: str
    """The family of the question; the kind of the query if the data set names no family."""
    question: str | None
    answer: str
    prediction: str
    correct: bool
    rank: int
    """Rank of the answer among the C classes, 1 = first; C + 1 if it is not among them."""
    score: float
    """Probability of the prediction, in [0, 1]."""
    context_seconds: float
    """The model saw frames in (time - context_seconds, time]; infinite for the full context, 0 for no frame."""
    evidence_age_seconds: float
    """Time from the end of the newest evidence to the query; NaN if unknown."""
    certificate_seconds: float
    """Length of the shortest set of intervals that suffices; NaN if unknown."""
    control: str
    """The control, such as "blind"; empty for the model itself."""
    dataset: str
    split: str
    head: str
    query: str
    """Name of the query within its split, the same for every run, context and control; rows are paired by it."""
    mode: str
    """What the contexts of a curve mean, one of `MODES`; rows of two modes never share a line."""
    context: str
    """Name of the context, such as "1f", "30s", "full", or "full/4" for every fourth frame."""
    context_frames: int
    """Number of frames that the model saw."""
    answer_score: float
    """Probability of the right answer, in [0, 1]; the negative log-likelihood uses it."""
    history_seconds: float
    """Length of all of the past: time of the query minus time of the video's first frame."""
    reach_seconds: float
    """Time from the start of the earliest evidence to the query; NaN if unknown."""
    cause: str | None
    """What a next action follows from, if known."""
    tier: str | None
    """The harder variant of a family, if it is one."""
    pair: str | None
    """Name of the minimal pair, if the query belongs to one."""
    ceiling: float
    """The best possible accuracy with this context; NaN if unknown."""


def _column_type(hint: object) -> str:
    return {float: "float64", int: "int64", bool: "bool"}.get(typing.cast(type, hint), "object")


#: The type of each column, in order.
COLUMNS = {name: _column_type(hint) for name, hint in typing.get_type_hints(Row).items()}
#: The columns that identify a row. Two rows with the same values are an error: they would count a query twice.
KEY = ("dataset", "split", "run", "seed", "mode", "control", "context", "query")
_MUST_BE_FINITE = ("time", "score", "answer_score", "history_seconds")
_PROBABILITIES = ("score", "answer_score")


def make_rows(columns: typing.Mapping[str, object]) -> pd.DataFrame:
    """Builds a table of rows from columns; a single value fills its column.

    Args:
        columns: a value or a sequence (N,) for every field of `Row`.

    Raises:
        UserError: see `check_rows`.
    """
    _check_columns(columns)
    frame = pd.DataFrame({name: columns[name] for name in COLUMNS})
    return check_rows(_typed(frame), "Rows")


def rows_from(records: Sequence[Row]) -> pd.DataFrame:
    """Builds a table from single rows; `make_rows` is faster for thousands of rows."""
    return check_rows(
        _typed(pd.DataFrame([dataclasses.asdict(record) for record in records], columns=list(COLUMNS))), "Rows"
    )


def check_rows(frame: pd.DataFrame, who: str) -> pd.DataFrame:
    """Checks a table of rows and returns it.

    Args:
        frame: a table with the columns of `Row`; it may have more.
        who: the subject of the error message, such as the file.

    Raises:
        UserError: a column is missing, a score is NaN or no probability, `correct` disagrees with the rank, or a row
            comes twice.
    """
    _check_columns(frame.columns)
    for name in _MUST_BE_FINITE:
        _refuse(frame, ~np.isfinite(frame[name].to_numpy(float)), name, "a finite number", who)
    for name in _PROBABILITIES:
        values = frame[name].to_numpy(float)
        _refuse(frame, (values < 0) | (values > 1 + 1e-6), name, "a probability in [0, 1]", who)
    _refuse(frame, ~(frame["context_seconds"].to_numpy(float) >= 0), "context_seconds", "at least 0", who)
    _refuse(frame, ~frame["mode"].isin(list(MODES)).to_numpy(), "mode", f"one of {', '.join(MODES)}", who)
    _refuse(frame, frame["context_frames"].to_numpy() < 0, "context_frames", "at least 0", who)
    _refuse(frame, frame["rank"].to_numpy() < 1, "rank", "at least 1", who)
    _refuse(
        frame,
        frame["correct"].to_numpy(bool) != (frame["rank"] == 1).to_numpy(),
        "correct",
        "True where rank is 1",
        who,
    )
    _refuse(frame, frame.duplicated(list(KEY)).to_numpy(), "query", f"one row for each {', '.join(KEY)}", who)
    return frame


def write_rows(frame: pd.DataFrame, path: Path | str) -> Path:
    """Writes rows as parquet; an interrupted write leaves no file.

    Raises:
        UserError: see `check_rows`; nothing is written.
    """
    check_rows(frame, "Rows")
    return write_parquet(frame, path)


def write_parquet(frame: pd.DataFrame, path: Path | str) -> Path:
    """Writes any table as parquet; an interrupted write leaves no file."""
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)
    return Path(path)


#: The errors of pandas for a file that is no parquet, or whose notes on its columns are damaged.
_NO_TABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError, RecursionError)


def read_rows(path: Path | str) -> pd.DataFrame:
    """Reads rows from parquet, with the types of `Row`.

    Raises:
        FileNotFoundError: the file does not exist.
        DataError: the file is not parquet.
        UserError: see `check_rows`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Rows expect a parquet file, got {path}, which does not exist.")
    try:
        frame = pd.read_parquet(path)
    except _NO_TABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} expects parquet, got something else: {reason}") from error
    _check_columns(frame.columns)
    return check_rows(_typed(frame), str(path))


def concatenate(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenates tables of rows.

    Raises:
        UserError: a row comes twice, or there is no table.
    """
    if not tables:
        raise UserError("Rows expect at least one table to put together, got none.")
    return check_rows(pd.concat(tables, ignore_index=True), "Rows")


def lines_apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Gives runs of one head that are no seeds of each other a line each: tables and figures average over a head.

    Two runs of one head and one seed on one split differ in something else, such as their options. Each then has its
    name beside the head: "gru (run7)".

    Args:
        frame: rows, or other tables with the columns run, head and seed.
    """
    own = frame[frame["control"] == ""] if "control" in frame else frame
    same = [name for name in ("dataset", "split", "head", "seed", "mode") if name in frame]
    several = own.groupby(same, dropna=False)["run"].transform("nunique") > 1
    apart = frame["run"].isin(set(own.loc[several, "run"]))
    return frame.assign(head=frame["head"].where(~apart, frame["head"] + " (" + frame["run"] + ")"))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    more = [name for name in frame.columns if name not in COLUMNS]
    typed = frame[list(COLUMNS) + more].astype(COLUMNS)
    for name, kind in COLUMNS.items():
        if kind == "object":
            typed[name] = typed[name].where(typed[name].notna(), None)
    return typed


def _check_columns(names: typing.Iterable[str]) -> None:
    missing = [name for name in COLUMNS if name not in set(names)]
    if missing:
        raise UserError(f"Rows expect the columns of vidseq.evaluation.rows.Row, got none named {', '.join(missing)}.")


def _refuse(frame: pd.DataFrame, bad: np.ndarray, name: str, what: str, who: str) -> None:
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        row = frame.iloc[first]
        value = row[name] if not isinstance(row[name], float) or not math.isnan(row[name]) else "NaN"
        raise UserError(
            f"{who} expects {name} to be {what}, got {value} in row {first} "
            f"(run '{row['run']}', video '{row['video']}', query '{row['query']}', context {row['context']})."
        )
