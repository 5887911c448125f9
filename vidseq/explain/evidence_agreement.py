"""Compares the frames that predictions depend on with the true evidence: a row per query, and a table by family."""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vidseq.data.visible import within_intervals
from vidseq.errors import UserError
from vidseq.evaluation.intervals import FewGroupsWarning, Interval, bootstrap_mean
from vidseq.explain.find import ImportantPast


class Agreement(NamedTuple):
    """How a prediction's important past agrees with the evidence. Fields are fractions, NaN if no frame is evidence.

    If many frames show the same fact, many minimal sets exist and deleting one of these frames costs nothing. `iou`
    and `pointing` are then low although nothing is wrong; `evidence_suffices` and `evidence_loss` are not affected.
    """

    iou: float
    """Intersection over union of the minimal sufficient set and the evidence, in frames. It is low if one frame of
    long evidence suffices, so read it together with the next two."""
    inside: float
    """Share of the minimal sufficient set that lies in the evidence; NaN if that set is empty."""
    intervals_hit: float
    """Share of the evidence intervals of which the set holds a frame."""
    pointing: float
    """1 if the middle frame of the occlusion peak lies in the evidence; 0 if not, or if there is no peak."""
    evidence_suffices: float
    """1 if the evidence alone keeps the prediction, else 0."""
    evidence_loss: float
    """Probability lost by deleting exactly the evidence; about 0 if the prediction does not need it."""
    chance: float
    """Share of the past that is evidence: the pointing accuracy of a random frame."""


def agreement(found: ImportantPast) -> Agreement:
    """Compares the important past of one prediction with the evidence of its query."""
    evidence, sufficient = found.evidence, found.sufficient
    if not evidence.any():
        return Agreement(*[math.nan] * len(Agreement._fields))
    both = int((evidence & sufficient).sum())
    intervals = [within_intervals(found.pts_seconds, [interval]) for interval in found.query.evidence]
    peak = found.peak
    return Agreement(
        iou=both / int((evidence | sufficient).sum()),
        inside=both / int(sufficient.sum()) if sufficient.any() else math.nan,
        intervals_hit=float(np.mean([(frames & sufficient).any() for frames in intervals if frames.any()])),
        pointing=0.0 if peak is None else float(evidence[(peak.start + peak.stop - 1) // 2]),
        evidence_suffices=float(found.evidence_suffices or 0.0),
        evidence_loss=found.evidence_loss,
        chance=float(evidence.mean()),
    )


def important_past_rows(found: Sequence[ImportantPast], groups: Sequence[str]) -> pd.DataFrame:
    """Returns one row per query: its important past, and how that agrees with the evidence.

    Args:
        found: the important pasts of several queries.
        groups: the group of each query, see `Dataset.group_of`.

    Returns:
        video, group, time, kind, family, question, answer, prediction, correct, probability, num_frames,
        sufficient_frames, sufficient_probability, peak_seconds (middle of the peak; NaN without a peak), and the
        fields of `Agreement`.
    """
    return pd.DataFrame([_row(item, group) for item, group in zip(found, groups, strict=True)])


def _row(found: ImportantPast, group: str) -> dict[str, object]:
    query, peak = found.query, found.peak
    return {
        "video": query.video,
        "group": group,
        "time": query.time,
        "kind": query.kind,
        "family": query.family or query.kind,
        "question": query.question,
        "answer": query.answer,
        "prediction": found.prediction,
        "correct": found.prediction == query.answer,
        "probability": found.probability,
        "num_frames": len(found.pts_seconds),
        "sufficient_frames": int(found.sufficient.sum()),
        "sufficient_probability": found.sufficient_probability,
        "peak_seconds": math.nan if peak is None else float(found.pts_seconds[(peak.start + peak.stop - 1) // 2]),
        **agreement(found)._asdict(),
    }


#: The columns of `important_past_table` that have an interval.
MEANS = ("iou", "inside", "intervals_hit", "pointing", "evidence_suffices", "evidence_loss")


def important_past_table(rows: pd.DataFrame, *, correct_only: bool = True) -> pd.DataFrame:
    """Computes the mean agreement with the evidence by family, with 95% intervals over groups.

    Args:
        rows: see `important_past_rows`.
        correct_only: leave out wrong predictions, which need not depend on the evidence.

    Returns:
        family, the means of `MEANS` each with _low and _high, chance, sufficient_frames (median), needs_none (share of
        predictions that need only the question), num_queries, num_groups.

    Raises:
        UserError: no row with evidence remains.
    """
    known = rows[rows["iou"].notna() & (rows["correct"] if correct_only else True)]
    if not len(known):
        raise UserError("The table of important pasts expects queries with evidence, answered right, got none.")
    return pd.DataFrame([_line(str(family), part) for family, part in known.groupby("family", sort=True)])


def _line(family: str, part: pd.DataFrame) -> dict[str, object]:
    line: dict[str, object] = {"family": family}
    for name in MEANS:
        interval = _mean(part[part[name].notna()], name)
        line |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return {
        **line,
        "chance": part["chance"].mean(),
        "sufficient_frames": float(part["sufficient_frames"].median()),
        "needs_none": float((part["sufficient_frames"] == 0).mean()),
        "num_queries": len(part),
        "num_groups": part["group"].nunique(),
    }


def _mean(part: pd.DataFrame, name: str) -> Interval:
    if not len(part):
        return Interval(math.nan, math.nan, math.nan, 0, 0)
    with warnings.catch_warnings():  # the table has a column with the number of groups
        warnings.simplefilter("ignore", FewGroupsWarning)
        return bootstrap_mean(part[name].to_numpy(float), part["group"].to_numpy())
