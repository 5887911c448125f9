"""Intervals: by hand, that they cover, and what they refuse."""

import warnings

import numpy as np
import pandas as pd
import pytest

from vidseq.errors import UserError
from vidseq.evaluation.intervals import FewGroupsWarning, accuracy_interval, bootstrap_mean, paired_difference

warns_of_few = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


def rows(correct, groups, seeds=None, queries=None):
    number = len(correct)
    return pd.DataFrame(
        {
            "dataset": "d",
            "split": "test",
            "query": [f"q{n}" for n in range(number)] if queries is None else queries,
            "seed": np.zeros(number, int) if seeds is None else seeds,
            "group": groups,
            "correct": np.array(correct, bool),
        }
    )


def simulated(random, num_groups, per_group=20, spread=1.0):
    """Groups of different difficulty: accuracy of a group is a logistic of a normal number."""
    accuracy = 1 / (1 + np.exp(-random.normal(0.5, spread, num_groups)))
    sizes = random.poisson(per_group, num_groups) + 1
    groups = np.repeat(np.arange(num_groups), sizes)
    return random.uniform(size=len(groups)) < accuracy[groups], groups


@warns_of_few
@pytest.mark.parametrize("num_groups", [8, 25])
def test_intervals_cover_at_their_level(num_groups):
    random = np.random.default_rng(0)
    truth = (1 / (1 + np.exp(-random.normal(0.5, 1.0, 1_000_000)))).mean()
    covered = []
    for _ in range(400):
        values, groups = simulated(random, num_groups)
        interval = bootstrap_mean(values, groups, num_samples=500)
        covered.append(interval.low <= truth <= interval.high)
    assert 0.90 <= np.mean(covered) <= 0.98


@warns_of_few
def test_queries_of_a_group_are_no_independent_evidence():
    values = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], 100)
    by_group = bootstrap_mean(values, np.repeat(np.arange(6), 100))
    by_query = bootstrap_mean(values, np.arange(600))
    assert by_group.high - by_group.low > 5 * (by_query.high - by_query.low)
    assert (by_group.num_groups, by_query.num_groups, by_group.num_queries) == (6, 600, 600)


@warns_of_few
def test_seeds_are_resampled_too():
    groups = np.tile(np.repeat(np.arange(12), 10), 4)
    seeds = np.repeat(np.arange(4), 120)
    values = (seeds % 2).astype(float)  # only the seed matters
    assert bootstrap_mean(values, groups).low == bootstrap_mean(values, groups).high == 0.5
    with_seeds = bootstrap_mean(values, groups, seeds)
    assert with_seeds.low < 0.3
    assert with_seeds.high > 0.7


def test_the_mean_is_over_queries_and_repeats():
    values, groups = np.array([1.0, 1, 1, 0]), np.array(["a", "a", "a", "b"])
    with pytest.warns(FewGroupsWarning, match="Only 2 groups: the interval is rough"):
        first = bootstrap_mean(values, groups)
    with pytest.warns(FewGroupsWarning):
        assert bootstrap_mean(values, groups) == first
    assert first.mean == 0.75
    assert 0 <= first.low <= 0.75 <= first.high <= 1
    assert str(first).startswith("0.750 [")


def test_enough_groups_make_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        accuracy_interval(rows([True, False] * 20, np.repeat(np.arange(20), 2)))


def test_one_group_says_nothing_of_others():
    with pytest.warns(FewGroupsWarning, match="Only 1 groups"):
        interval = bootstrap_mean(np.array([1.0, 0.0]), np.array(["a", "a"]))
    assert interval.mean == 0.5
    assert np.isnan([interval.low, interval.high]).all()


@warns_of_few
def test_paired_differences_are_narrower():
    random = np.random.default_rng(1)
    correct, groups = simulated(random, 25)
    better = correct | (random.uniform(size=len(correct)) < 0.1)
    difference = paired_difference(rows(better, groups), rows(correct, groups))
    alone = accuracy_interval(rows(better, groups))
    assert difference.mean == pytest.approx(better.mean() - correct.mean())
    assert difference.low > 0
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)


@warns_of_few
def test_pairs_go_by_query_and_seed():
    ours = rows([True, False, True, True], list("abab"), seeds=[1, 1, 2, 2], queries=["x", "y", "x", "y"])
    theirs = rows([True, False, True, True], list("baba"), seeds=[1, 1, 2, 2], queries=["y", "x", "y", "x"])
    assert paired_difference(ours, theirs).mean == 0  # mean of 0, -1, +... by query: x 1-0, y 0-1, x 1-1, y 1-1
    control = rows([True, False], list("ab"), seeds=[0, 0], queries=["x", "y"])
    assert paired_difference(ours, control).mean == pytest.approx(0.25)


def test_paired_differences_need_the_same_queries():
    with pytest.raises(UserError, match="same queries on both sides, got 2 and 2, 1 of them shared"):
        paired_difference(rows([True, True], "ab", queries=["x", "y"]), rows([True, True], "ab", queries=["x", "z"]))
    with pytest.raises(UserError, match="same queries on both sides, got 1 and 2"):
        paired_difference(rows([True], "a", queries=["x"]), rows([True, True], "ab", queries=["x", "y"]))


def test_values_that_are_no_numbers():
    with pytest.raises(UserError, match="got 2 values, 1 of them NaN, and 2 groups"):
        bootstrap_mean(np.array([1.0, np.nan]), np.array(["a", "b"]))
    with pytest.raises(UserError, match="got 0 values"):
        bootstrap_mean(np.array([]), np.array([]))
    with pytest.raises(UserError, match="got 1 values, 0 of them NaN, and 2 groups"):
        bootstrap_mean(np.array([1.0]), np.array(["a", "b"]))
