"""Summarises how a model uses the past, from rows alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from vidseq.context.certificates import CertificateSummary, summarise_certificates
from vidseq.context.effective import EffectiveContext, effective_context
from vidseq.context.evidence_age import AgePoint, MemoryHorizon, evidence_age_curve, memory_horizon
from vidseq.context.gains import area, gain, leak_index, order_gain, overload_loss, peak_context
from vidseq.errors import UserError
from vidseq.evaluation.accuracy_curve import ContextCurve, context_curve, eligible_rows, eligible_seconds
from vidseq.evaluation.input_controls import Blind, LastFrame
from vidseq.evaluation.intervals import Interval
from vidseq.evaluation.pairing import pair_answers
from vidseq.progress import progress

#: The family name of a summary of all families.
ALL_FAMILIES = "all"


@dataclass(frozen=True, kw_only=True)
class ContextSummary:
    """How one line uses the past, on one family of queries or on all.

    The numbers are of the eligible queries if there are any, else of all queries. A number is None if a control or
    context that it needs is missing.
    """

    dataset: str
    split: str
    line: str
    """The head, or the value of another column that names lines."""
    mode: str
    """One of `vidseq.evaluation.rows.MODES`; a line never mixes two modes."""
    family: str
    """A family of queries, or `ALL_FAMILIES`."""
    eligible: ContextCurve | None
    """The curve of the queries with enough past for every length shown, so every point has the same queries. None if
    there are none, and in the mode density, whose span is always the same."""
    all_queries: ContextCurve
    gain: Interval | None
    """Accuracy with the longest context minus that with the last frame."""
    order_gain: Interval | None
    """Accuracy with the longest context minus that with the same past shuffled."""
    area: Interval | None
    """Mean height of the curve over log2 context: 0 is the control `blind`, 1 is all right."""
    peak: str
    """The context with the highest accuracy."""
    overload_loss: Interval
    """Accuracy at the peak minus that with the longest context."""
    effective: EffectiveContext | None
    leak: Interval | None
    """Accuracy above the control `blind` before any evidence was seen; about 0 unless the answers leak."""
    certificates: CertificateSummary
    evidence_age: tuple[AgePoint, ...]
    """Accuracy by evidence age on all queries; empty if no evidence is known."""
    horizon: MemoryHorizon | None
    """The memory horizon on all queries."""

    @property
    def curve(self) -> ContextCurve:
        """The curve of the queries that the numbers are of."""
        return self.all_queries if self.eligible is None else self.eligible

    @property
    def full(self) -> Interval:
        """Accuracy with the longest context."""
        return self.curve.points[-1].accuracy


def summarise(
    rows: pd.DataFrame, *, line: str = "head", families: bool = True, num_samples: int = 2000
) -> list[ContextSummary]:
    """Summarises rows by data set, split, mode and line, for all queries and then for each family.

    Args:
        rows: rows of models at two contexts or more, with controls.
        line: the column whose values get a line each: "head" (all its runs and seeds together) or "run".
        families: whether each family gets a summary too, if there are several.
        num_samples: bootstrap samples.

    Raises:
        UserError: the column does not exist, there are fewer than two contexts, or a query lacks a context.
    """
    if line not in rows.columns:
        raise UserError(f"A summary expects lines by a column of the rows, got '{line}'. Use head or run.")
    if not len(rows):
        raise UserError("A summary expects rows, got none.")
    jobs = []
    for (dataset, split, mode), part in rows.groupby(["dataset", "split", "mode"], sort=False):
        longest = 0.0 if mode == "density" else eligible_seconds(part)
        for name, of_line in part.groupby(line, sort=False):
            about = {"dataset": dataset, "split": split, "line": str(name), "mode": mode}
            parts = {ALL_FAMILIES: of_line}
            if families and of_line["family"].nunique() > 1:
                parts |= {str(family): rows for family, rows in of_line.groupby("family", sort=False)}
            jobs += [(part, longest, {**about, "family": family}) for family, part in parts.items()]
    bar = progress(jobs, what="summarise", unit="line")
    return [_summarise(part, longest, num_samples, about) for part, longest, about in bar]


def summary_table(summaries: Sequence[ContextSummary]) -> pd.DataFrame:
    """Returns the summaries as a table: shares as fractions, intervals as `..._low` and `..._high`, NaN if unknown."""
    return pd.DataFrame([_record(summary) for summary in summaries])


def summary_text_table(summaries: Sequence[ContextSummary]) -> pd.DataFrame:
    """Returns the main numbers of the summaries as a table of text, in percent with intervals."""
    records = []
    for summary in summaries:
        certificates = summary.certificates
        records.append(
            {
                "line": summary.line or "model",
                "mode": summary.mode,
                "family": summary.family,
                "queries": summary.curve.num_queries,
                "groups": summary.curve.num_groups,
                Blind.name: _percent(summary.curve.controls.get(Blind.name)),
                "last frame": _percent(_last_frame(summary)),
                "all past": _percent(summary.full),
                "gain": _percent(summary.gain),
                "effective context": "–" if summary.effective is None else str(summary.effective),
                "area": _percent(summary.area),
                "overload": f"{_percent(summary.overload_loss)} (peak {summary.peak})",
                "order": _percent(summary.order_gain),
                "leak": _percent(summary.leak),
                "memory horizon": "–" if summary.horizon is None else str(summary.horizon),
                "certificate~reach": "–"
                if certificates.rank_correlation is None
                else f"{certificates.rank_correlation.mean:.2f}",
                "right unseen": _percent(certificates.share_unseen) + (" !" if certificates.shortcut_alarm else ""),
            }
        )
    return pd.DataFrame(records)


def curve_table(summaries: Sequence[ContextSummary]) -> pd.DataFrame:
    """Returns every point of every curve, for both sets of queries, with the controls on the same set.

    Returns:
        the columns dataset, split, line, mode, family, queries ("eligible" or "all"), control (empty for the model),
        context, context_seconds, context_frames, accuracy, low, high, calibration_error, negative_log_likelihood,
        num_queries, num_groups, num_seeds.
    """
    records = []
    for summary in summaries:
        for name, curve in (("eligible", summary.eligible), ("all", summary.all_queries)):
            if curve is not None:
                about = {key: getattr(summary, key) for key in ("dataset", "split", "line", "mode", "family")}
                records += [{**about, "queries": name, **record} for record in _curve_records(curve)]
    return pd.DataFrame(records)


def _summarise(rows: pd.DataFrame, longest: float, num_samples: int, about: dict[str, str]) -> ContextSummary:
    same = eligible_rows(rows, longest)
    has_eligible = longest > 0 and bool((same["control"] == "").any())
    used = same if has_eligible else rows
    paired = pair_answers(used, num_samples=num_samples)
    return ContextSummary(
        **about,
        eligible=context_curve(same, num_samples=num_samples) if has_eligible else None,
        all_queries=context_curve(rows, num_samples=num_samples),
        gain=gain(paired),
        order_gain=order_gain(paired),
        area=area(paired),
        peak=peak_context(paired),
        overload_loss=overload_loss(paired),
        effective=effective_context(paired),
        leak=leak_index(used, num_samples=num_samples),
        certificates=summarise_certificates(used, num_samples=min(num_samples, 500)),
        evidence_age=evidence_age_curve(rows, num_samples=num_samples),
        horizon=memory_horizon(rows, num_samples=min(num_samples, 100)),
    )


def _last_frame(summary: ContextSummary) -> Interval | None:
    points = {point.context: point.accuracy for point in summary.curve.points}
    return points.get("1f", summary.curve.controls.get(LastFrame.name))


def _percent(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    if interval.low != interval.low:
        return f"{100 * interval.mean:.1f}"
    return interval.in_percent()


def _record(summary: ContextSummary) -> dict[str, object]:
    curve, certificates, effective, horizon = (
        summary.curve,
        summary.certificates,
        summary.effective,
        summary.horizon,
    )
    record: dict[str, object] = {
        **{key: getattr(summary, key) for key in ("dataset", "split", "line", "mode", "family")},
        "queries": "all" if summary.eligible is None else "eligible",
        "num_queries": curve.num_queries,
        "num_queries_all": summary.all_queries.num_queries,
        "num_groups": curve.num_groups,
        "num_seeds": curve.num_seeds,
        "shortest_history": curve.shortest_history,
    }
    intervals = {
        Blind.name: curve.controls.get(Blind.name),
        LastFrame.name: _last_frame(summary),
        "full": summary.full,
        "gain": summary.gain,
        "order_gain": summary.order_gain,
        "area": summary.area,
        "overload_loss": summary.overload_loss,
        "leak": summary.leak,
        "certificate_reach_correlation": certificates.rank_correlation,
        "right_unseen": certificates.share_unseen,
        "blind_unseen": certificates.chance_unseen,
    }
    for name, interval in intervals.items():
        record[name] = float("nan") if interval is None else interval.mean
        record[f"{name}_low"] = float("nan") if interval is None else interval.low
        record[f"{name}_high"] = float("nan") if interval is None else interval.high
    return record | {
        "peak": summary.peak,
        "effective_status": "" if effective is None else effective.status,
        "effective_above": "" if effective is None else effective.above,
        "effective_at_most": "" if effective is None else effective.at_most,
        "effective_half_width": float("nan") if effective is None else effective.half_width,
        "effective_groups_needed": None if effective is None else effective.groups_needed,
        "horizon_status": "" if horizon is None else horizon.status,
        "horizon_seconds": float("nan") if horizon is None else horizon.seconds,
        "horizon_low": float("nan") if horizon is None else horizon.low,
        "horizon_high": float("nan") if horizon is None else horizon.high,
        "certificate_quarter": certificates.quartiles[0],
        "certificate_half": certificates.quartiles[1],
        "certificate_three_quarters": certificates.quartiles[2],
        "shortcut_alarm": certificates.shortcut_alarm,
    }


def _curve_records(curve: ContextCurve) -> list[dict[str, object]]:
    about = {"num_groups": curve.num_groups, "num_seeds": curve.num_seeds}
    records: list[dict[str, object]] = [
        {
            "control": "",
            "context": point.context,
            "context_seconds": point.seconds,
            "context_frames": point.frames,
            **_ends(point.accuracy),
            "calibration_error": point.calibration_error,
            "negative_log_likelihood": point.negative_log_likelihood,
            "num_queries": point.num_queries,
            **about,
        }
        for point in curve.points
    ]
    return records + [
        {"control": name, **_ends(interval), "num_queries": curve.num_queries, **about}
        for name, interval in curve.controls.items()
    ]


def _ends(interval: Interval) -> dict[str, float]:
    return {"accuracy": interval.mean, "low": interval.low, "high": interval.high}
