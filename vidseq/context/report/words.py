"""Writes the findings in sentences with their numbers, and says what the data cannot show."""

import contextlib
import itertools
import warnings
from collections.abc import Sequence

import pandas as pd

from vidseq.context.effective import MARGIN, EffectiveContext
from vidseq.context.report.lines import Group
from vidseq.context.summary import ContextSummary
from vidseq.errors import UserError
from vidseq.evaluation.intervals import FEW_GROUPS, VERY_FEW_GROUPS, FewGroupsWarning, Interval, paired_difference

#: With more lines than this, each line is compared with the best alone.
_MAX_PAIRED = 4


def findings(everything: Group, families: Sequence[Group]) -> list[str]:
    """Writes what the figures of one mode show: each line's use of the past, families, differences, and warnings.

    Args:
        everything: all families together.
        families: each of them; none where there is one only.
    """
    sentences = [line_finding(summary) for summary in everything.summaries]
    sentences += family_findings(families)
    sentences += [difference_sentence(*item) for item in differences(everything)]
    return sentences + warnings_of(everything)


def line_finding(summary: ContextSummary) -> str:
    """Writes how one line uses the past."""
    sentences = [_gain_sentence(summary)]
    if summary.effective is not None:
        sentences.append(_effective_sentence(summary.effective))
    # The best of several noisy points looks better than it is, so a loss must exceed the margin that counts as equal.
    if summary.overload_loss.low > MARGIN and summary.peak != summary.curve.points[-1].context:
        sentences.append(f"It is best with {summary.peak} and loses {points(summary.overload_loss)} with everything.")
    if summary.order_gain is not None:
        shown = "It uses order" if clear(summary.order_gain) > 0 else "No use of order can be shown"
        sentences.append(f"{shown}: shuffling the past costs {points(summary.order_gain)}.")
    if summary.horizon is not None:
        sentences.append(f"Memory horizon, half way from the present's accuracy to chance: {summary.horizon}.")
    return f"{_name(summary)}: {' '.join(sentences)}"


def _gain_sentence(summary: ContextSummary) -> str:
    full = f"{percent(summary.full)} right with all of the past"
    if summary.gain is None:
        return f"{full}; the last frame alone was not asked."
    if clear(summary.gain) > 0:
        return f"{full}, {points(summary.gain)} more than with the last frame alone: the past helps."
    if clear(summary.gain) < 0:
        return f"{full}, {points(summary.gain, -1)} less than with the last frame alone: the past hurts."
    return f"{full}, {points(summary.gain)} more than with the last frame alone: no gain that the data can show."


def _effective_sentence(effective: EffectiveContext) -> str:
    if effective.status == "reached":
        known = f"{effective.above} is not enough" if effective.above else "the shortest tested"
        return f"From {effective.at_most} of past on it is as good as with everything, to one point ({known})."
    if effective.status == "not reached":
        return "Every context shorter than the longest is worse, by a point or more."
    return f"Effective context: {effective}."


def family_findings(families: Sequence[Group]) -> list[str]:
    """Writes for each line which families the past helps."""
    sentences = []
    for line in dict.fromkeys(item.line for group in families for item in group.summaries):
        own = [item for group in families for item in group.summaries if item.line == line and item.gain is not None]
        rising = [f"{item.family} {signed(item.gain)}" for item in own if item.gain and clear(item.gain) > 0]
        flat = [item.family for item in own if item.gain and clear(item.gain) == 0]
        falling = [item.family for item in own if item.gain and clear(item.gain) < 0]
        parts = [f"the past helps on {', '.join(rising)}"] if rising else []
        parts += [f"no gain can be shown on {', '.join(flat)}"] if flat else []
        parts += [f"the past hurts on {', '.join(falling)}"] if falling else []
        if parts:
            sentences.append(f"{line or 'model'}, by family: {'; '.join(parts)}.")
    return sentences


def differences(group: Group) -> list[tuple[str, str, Interval]]:
    """Compares lines with all of the past, paired on the same queries: the better, the worse, the difference.

    All pairs where there are few lines, else the best against each. Pairs that did not answer the same are left out.
    """
    full = {item.line: item.curve.points[-1].context for item in group.summaries}
    ranked = sorted(group.summaries, key=lambda item: -item.full.mean)
    pairs = list(itertools.combinations([item.line for item in ranked], 2))
    pairs = pairs if len(ranked) <= _MAX_PAIRED else [pair for pair in pairs if pair[0] == ranked[0].line]
    found = []
    for better, worse in pairs:
        sides = [_answers(group.rows_of(line), full[line]) for line in (better, worse)]
        with warnings.catch_warnings(), contextlib.suppress(UserError):  # `warnings_of` reports few groups
            warnings.simplefilter("ignore", FewGroupsWarning)
            found.append((better, worse, paired_difference(*sides)))
    return found


def difference_sentence(better: str, worse: str, difference: Interval) -> str:
    """Writes one comparison as a sentence."""
    if clear(difference) > 0:
        return f"{better} beats {worse} by {points(difference)} on the same queries, with all of the past."
    clause = f"{points(difference)} on the same queries"
    return f"{better} and {worse} show no clear difference with all of the past: {clause}."


def warnings_of(group: Group) -> list[str]:
    """Writes what is wrong or weak, each starting with "Warning:"."""
    sentences = []
    num_groups = group.summaries[0].curve.num_groups
    if num_groups < FEW_GROUPS:
        rough = "very rough" if num_groups < VERY_FEW_GROUPS else "rough"
        sentences.append(f"Warning: intervals rest on {num_groups} groups only and are {rough}.")
    if not group.summaries[0].curve.controls:
        sentences.append("Warning: no control was asked; a curve without its controls says little.")
    for item in group.summaries:
        name = _name(item)
        if item.leak is not None and clear(item.leak) > 0:
            sentences.append(
                f"Warning: {name} beats the blind control by {points(item.leak)} at contexts that hold none of the "
                "evidence: something besides the evidence gives answers away."
            )
        certificates = item.certificates
        if certificates.shortcut_alarm and certificates.share_unseen is not None:
            sentences.append(
                f"Warning: {name} is right for good from a context on that shows none of the evidence on "
                f"{percent(certificates.share_unseen)} of queries, more than guessing explains: a shortcut."
            )
    return sentences


def _name(summary: ContextSummary) -> str:
    return summary.line or "model"


def clear(interval: Interval) -> int:
    """1 if an interval lies above zero, -1 if below, 0 if it holds zero or is not known."""
    return int(interval.low > 0) - int(interval.high < 0)


def percent(interval: Interval) -> str:
    """ "72.1% [69.0, 75.2]"."""
    return f"{100 * interval.mean:.1f}%{_range(interval)}"


def points(interval: Interval, sign: int = 1) -> str:
    """ "3.1 points [1.0, 5.2]"; with `sign` -1 of a loss as a positive number."""
    low, high = (interval.low, interval.high) if sign > 0 else (-interval.high, -interval.low)
    turned = Interval(sign * interval.mean, low, high, interval.num_queries, interval.num_groups)
    return f"{100 * turned.mean:.1f} points{_range(turned)}"


def signed(interval: Interval) -> str:
    """ "(+3.1 points)"."""
    return f"({100 * interval.mean:+.1f} points)"


def _range(interval: Interval) -> str:
    return "" if interval.low != interval.low else f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _answers(rows: pd.DataFrame, context: str) -> pd.DataFrame:
    return rows[(rows["control"] == "") & (rows["context"] == context)]
