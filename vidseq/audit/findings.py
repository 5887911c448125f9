"""Derives findings from the audit's rows: alarms about shortcuts, and verdicts on how much past a family needs."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from vidseq.audit import choices
from vidseq.audit.entries import audit_entries, display_name, longer_and_shorter, present_entries
from vidseq.baselines.majority import Majority
from vidseq.baselines.probes import LastFrameProbe, QuestionOnly, TimeOnly
from vidseq.data.schema import Query
from vidseq.evaluation.intervals import FewGroupsWarning, Interval, bootstrap_mean

#: Confidence that all intervals of a kind (alarms, needs) hold together.
LEVEL = 0.95
#: A family needs memory if at least this share of its queries has evidence that is at least this old.
MEMORY_SHARE = 0.9
MEMORY_SECONDS = 1.0
#: A need must gain more accuracy than this, as a fraction: smaller gains do not justify a longer past.
MARGIN = 0.01


@dataclass(frozen=True)
class Alarm:
    """A shortcut that was found."""

    name: str
    """The baseline that finds it, or "position", "longest" or "shortest"."""
    family: str
    excess: Interval
    """Accuracy with the shortcut minus accuracy without it; the interval is simultaneous over all alarms."""
    text: str


@dataclass(frozen=True)
class Verdict:
    """How much past a family needs, as far as the probes show it."""

    family: str
    needs: str
    """"long": more than the short window; "past": some of it; "nothing shown": no evidence of a need; "nothing
    learnt": no probe is better than the majority answer, so there is no verdict."""
    text: str
    num_queries: int
    num_groups: int


def find_alarms(rows: pd.DataFrame, training: Sequence[Query], asked: Sequence[Query]) -> list[Alarm]:
    """Looks for shortcuts in every family.

    Args:
        rows: rows of `entry_rows`.
        training: queries that the entries learnt from.
        asked: queries of the rows, in any order.
    """
    tests = [test for family, part in rows.groupby("family", sort=False) for test in _probe_tests(str(family), part)]
    tests += _choice_tests(rows, training, asked)
    alarms = []
    for name, family, excess, groups, words in tests:
        interval = _interval(excess, groups, len(tests))
        if interval.low > 0:
            alarms.append(Alarm(name, family, interval, f"{words} {_points(interval)}."))
    return alarms


_Test = tuple[str, str, np.ndarray, np.ndarray, str]


def _probe_tests(family: str, rows: pd.DataFrame) -> list[_Test]:
    right = _right(rows)
    groups = _groups(rows, right)
    better = max((QuestionOnly.name, Majority.name), key=lambda name: float(right[name].mean()))

    def test(name: str, against: str, words: str) -> _Test:
        return name, family, right[name].to_numpy() - right[against].to_numpy(), groups, f"{family}: {words}"

    tests = [
        test(
            QuestionOnly.name,
            Majority.name,
            "the question alone is right more often than the most frequent of its answers:",
        ),
        test(TimeOnly.name, better, "knowing when it is asked is worth"),
    ]
    if is_memory(rows):
        tests.append(test(LastFrameProbe.name, better, "its evidence is old, yet the last frame alone is worth"))
    return tests


def is_memory(rows: pd.DataFrame) -> bool:
    """Whether the evidence of most of a family's queries ended before the present."""
    age = rows.drop_duplicates("query")["evidence_age_seconds"].to_numpy(float)
    return bool(len(age)) and float((age >= MEMORY_SECONDS).mean()) >= MEMORY_SHARE


def _choice_tests(rows: pd.DataFrame, training: Sequence[Query], asked: Sequence[Query]) -> list[_Test]:
    offered = [query for query in asked if len(query.choices) > 1]
    if not offered:
        return []
    group_of = dict(zip(rows["video"], rows["group"]))
    words = {
        "position": "multiple choice: the position that is mostly right in training is right more often than chance:",
        "longest": "multiple choice: the longest choice is right more often than chance:",
        "shortest": "multiple choice: the shortest choice is right more often than chance:",
    }
    by_chance = choices.share_right(choices.chance, offered)
    groups = np.array([group_of[query.video] for query in offered])
    known = [query for query in training if len(query.choices) > 1]
    return [
        (name, "multiple choice", choices.share_right(rule, offered) - by_chance, groups, words[name])
        for name, rule in choices.rules(known).items()
    ]


def judge(rows: pd.DataFrame, short_seconds: float) -> list[Verdict]:
    """Judges how much past each family needs.

    Args:
        rows: rows of `entry_rows`.
        short_seconds: see `entry_rows`.
    """
    families = list(rows.groupby("family", sort=False))
    return [_judge_family(str(family), part, short_seconds, len(families)) for family, part in families]


def _judge_family(family: str, rows: pd.DataFrame, short_seconds: float, num_families: int) -> Verdict:
    right = _right(rows)
    groups = _groups(rows, right)

    def gain(name: str, base: str, num_tests: int) -> Interval:
        return _interval(right[name].to_numpy() - right[base].to_numpy(), groups, num_tests)

    past = [name for name, entry in audit_entries(short_seconds).items() if entry.part in ("short", "long")]
    past = [name for name in past if name in right]
    base = max((*present_entries(), Majority.name), key=lambda name: float(right[name].mean()))
    gains = {name: gain(name, base, num_families * len(past)) for name in past}
    best = _largest(gains)
    if gains[best].low > MARGIN:
        pairs = [(long, short) for long, short in longer_and_shorter(short_seconds) if long in right]
        longer = {long: gain(long, short, num_families * len(pairs)) for long, short in pairs}
        furthest = _largest(longer)
        needs, text = _long_or_past(furthest, longer[furthest], short_seconds)
        some = (
            f"needs some of the past: {_named(best)} is right more often than {_named(base)}, {_points(gains[best])}."
        )
        return _verdict(family, needs, f"{some} {text}", rows)
    if not any(gain(name, Majority.name, 1).low > 0 for name in right):
        text = (
            "no probe is right more often than the majority answer, so nothing can be said: too little training data, "
            "or more than small probes can do."
        )
        return _verdict(family, "nothing learnt", text, rows)
    text = (
        f"no evidence that it needs the past: the best probe that sees it, {_named(best)}, against {_named(base)}: "
        f"{_points(gains[best])}. A smaller need, or one that small probes cannot use, would not show."
    )
    return _verdict(family, "nothing shown", text, rows)


def _largest(gains: Mapping[str, Interval]) -> str:
    """Returns the name of the largest gain; gains whose interval is above 0 come first."""
    return max(gains, key=lambda name: (gains[name].low > 0, gains[name].mean))


def _long_or_past(name: str, gain: Interval, short_seconds: float) -> tuple[str, str]:
    """Returns whether a family needs the past before the short window, and why."""
    if gain.low > MARGIN:
        return "long", (
            f"It needs more than the last {short_seconds:g} s: {_named(name)} gains by the rest of the past, "
            f"{_points(gain)}."
        )
    return "past", (
        f"No evidence that it needs more than the last {short_seconds:g} s: {_named(name)} gains {_points(gain)} by "
        f"the rest of the past."
    )


def _verdict(family: str, needs: str, text: str, rows: pd.DataFrame) -> Verdict:
    return Verdict(family, needs, text, rows["query"].nunique(), rows["group"].nunique())


def _right(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns 1 for right and 0 for wrong, with a row per query and a column per entry.

    For multiple choice, the column of the majority answer holds the probability of a right guess.
    """
    wide = rows.assign(correct=rows["correct"].astype(float)).pivot(index="query", columns="run", values="correct")
    if "choices" in rows:
        num_choices = rows.drop_duplicates("query").set_index("query")["choices"].loc[wide.index]
        wide.loc[num_choices > 1, Majority.name] = 1 / num_choices[num_choices > 1]
    return wide


def _groups(rows: pd.DataFrame, right: pd.DataFrame) -> np.ndarray:
    return rows.drop_duplicates("query").set_index("query")["group"].loc[right.index].to_numpy()


def _interval(values: np.ndarray, groups: np.ndarray, num_tests: int) -> Interval:
    """Computes a mean with an interval whose lower end holds together with those of all tests (Bonferroni, one-sided).

    It uses Student's t with a standard error over groups: at such small probabilities, the bootstrap of few groups
    raises false alarms.

    Source: Cameron and Miller, A practitioner's guide to cluster-robust inference, 2015, section II.
    """
    names, group = np.unique(groups, return_inverse=True)
    excess = np.bincount(group, weights=values - values.mean())
    error = np.sqrt(len(names) / (len(names) - 1) * np.square(excess).sum()) / len(values)
    half = float(stats.t.ppf(1 - (1 - LEVEL) / num_tests, len(names) - 1) * error)
    mean = float(values.mean())
    return Interval(mean, mean - half, mean + half, len(values), len(names), 1 - 2 * (1 - LEVEL) / num_tests)


def accuracy_of(rows: pd.DataFrame) -> dict[str, Interval]:
    """Returns each entry's accuracy with its own 95% interval."""
    right = _right(rows)
    groups = _groups(rows, right)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewGroupsWarning)
        return {str(name): bootstrap_mean(right[name].to_numpy(), groups) for name in right}


def _named(entry: str) -> str:
    return f"'{display_name(entry)}'"


def _points(interval: Interval) -> str:
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.mean:+.1f} points [{low:+.1f}, {high:+.1f}]"
