"""Computes accuracy against context, for the queries that have enough past for every length and for all queries."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.cross_validation import num_splits
from vidseq.evaluation.intervals import FewGroupsWarning, Interval, accuracy_interval
from vidseq.evaluation.metrics import expected_calibration_error, negative_log_likelihood
from vidseq.evaluation.pairing import context_names

#: A context is in the eligible set if this share of the queries has that much past.
_ELIGIBLE_SHARE = 0.5


@dataclass(frozen=True)
class CurvePoint:
    """One context of a curve."""

    context: str
    seconds: float
    """Its length; infinite for the full context."""
    frames: float
    """Number of frames shown, the mean over queries."""
    accuracy: Interval
    calibration_error: float
    """Expected calibration error, 15 bins."""
    negative_log_likelihood: float
    """Nats per answer."""
    num_queries: int
    """Each query counts once, however many seeds answered it."""


@dataclass(frozen=True)
class ContextCurve:
    """Accuracy of a model at each context, and of its controls, on one set of queries."""

    points: tuple[CurvePoint, ...]
    """From the shortest context to the longest."""
    controls: Mapping[str, Interval]
    shortest_history: float
    """The least past that any of the queries has, in seconds."""
    num_queries: int
    num_groups: int
    num_seeds: int
    """Number of trained models that answered each query."""
    num_splits: int
    """Number of pooled splits, each with its own models; 1: nothing was pooled."""


def require_contexts(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows without a control.

    Raises:
        UserError: the rows hold fewer than two contexts.
    """
    curve = rows[rows["control"] == ""]
    if curve["context"].nunique() < 2:
        raise UserError(
            f"A context figure expects a model's rows at two contexts or more, got {curve['context'].nunique()}."
        )
    return curve


def ceiling_by_context(rows: pd.DataFrame) -> dict[str, float]:
    """Averages the best possible accuracy at each context at which it is known for every query; fractions."""
    queries = rows[rows["control"] == ""].drop_duplicates(["context", "query"])
    known = queries.groupby("context")["ceiling"].agg(["mean", lambda values: values.notna().all()])
    known.columns = pd.Index(["mean", "complete"])
    return {str(name): float(value) for name, value in known.loc[known["complete"], "mean"].items()}


def eligible_seconds(rows: pd.DataFrame) -> float:
    """Returns the longest context, in seconds, that at least half of the queries have enough past for; 0: none.

    Raises:
        UserError: the rows hold fewer than two contexts.
    """
    curve = require_contexts(rows)
    history = curve.drop_duplicates(["dataset", "split", "query"])["history_seconds"]
    lengths = sorted(length for length in curve["context_seconds"].unique() if np.isfinite(length))
    return max((length for length in lengths if (history >= length).mean() >= _ELIGIBLE_SHARE), default=0.0)


def eligible_rows(rows: pd.DataFrame, longest: float) -> pd.DataFrame:
    """Returns the rows of the queries with `longest` seconds of past, at contexts up to that length and at "full".

    Every point of a curve made from these rows has the same queries.

    Args:
        rows: rows of a model and its controls.
        longest: seconds, see `eligible_seconds`.
    """
    same = rows[rows["history_seconds"] >= longest]
    return same[(same["control"] != "") | (same["context_seconds"] <= longest) | np.isinf(same["context_seconds"])]


def context_curve(rows: pd.DataFrame, *, num_samples: int = 2000) -> ContextCurve:
    """Computes the curve of one line.

    Args:
        rows: rows of one data set, split and mode, with controls; any seeds.
        num_samples: bootstrap samples of each interval.

    Raises:
        UserError: there is no row of a model.
    """
    names = context_names(rows)
    if not names:
        raise UserError("A context curve expects rows of a model, got none without a control.")
    curve = rows[rows["control"] == ""]
    parts = dict(tuple(curve.groupby("context")))
    controls = rows[rows["control"] != ""].groupby("control", sort=False)
    with warnings.catch_warnings():  # the number of groups stands in the curve
        warnings.simplefilter("ignore", FewGroupsWarning)
        return ContextCurve(
            tuple(_point(name, parts[name], num_samples) for name in names),
            {str(name): accuracy_interval(part, num_samples=num_samples) for name, part in controls},
            float(curve["history_seconds"].min()),
            curve["query"].nunique(),
            curve["group"].nunique(),
            len(curve[["run", "seed"]].drop_duplicates()),
            num_splits(curve),
        )


def _point(name: str, rows: pd.DataFrame, num_samples: int) -> CurvePoint:
    return CurvePoint(
        name,
        float(rows["context_seconds"].mean()),
        float(rows["context_frames"].mean()),
        accuracy_interval(rows, num_samples=num_samples),
        expected_calibration_error(rows),
        negative_log_likelihood(rows),
        rows["query"].nunique(),
    )
