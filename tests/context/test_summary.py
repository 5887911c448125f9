"""What summaries say of planted models, whose every number is known in closed form."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_rows import CONTEXTS, World, planted_rows
from scipy import stats

from vidseq.context.certificates import model_certificates, rank_correlation
from vidseq.context.effective import band_half_widths, effective_context
from vidseq.context.gains import gain
from vidseq.context.summary import curve_table, summarise, summary_table, summary_text_table
from vidseq.errors import UserError
from vidseq.evaluation.intervals import paired_difference
from vidseq.evaluation.pairing import pair_answers
from vidseq.evaluation.rows import concatenate

WORLD = World()


@pytest.fixture(scope="module")
def rows():
    return planted_rows(np.random.default_rng(1), WORLD, num_groups=40, per_group=20, num_seeds=2)


@pytest.fixture(scope="module")
def summary(rows):
    (found,) = summarise(rows, num_samples=500)
    return found


def test_the_curve_holds_the_truth(summary):
    assert summary.eligible.num_queries == summary.all_queries.num_queries
    for point in summary.curve.points:
        assert point.accuracy.low <= WORLD.accuracy(CONTEXTS[point.context]) <= point.accuracy.high
    assert [point.context for point in summary.curve.points] == list(CONTEXTS)
    blind = summary.curve.controls["blind"]
    assert blind.low <= WORLD.chance <= blind.high


def test_numbers_that_follow_from_the_curve(summary):
    full, first = WORLD.accuracy(np.inf), WORLD.accuracy(0.25)
    assert summary.gain.low <= full - first <= summary.gain.high
    assert summary.peak == "8s"
    assert summary.overload_loss.mean == summary.overload_loss.high == 0
    assert summary.order_gain.mean == 0
    assert summary.leak.mean == 0
    heights = np.array([WORLD.accuracy(2.0**power) for power in range(-2, 7)])
    # 0.25 s to 1 s is two doublings with no point between.
    pieces = [2 * (heights[0] + heights[2]) / 2, *((a + b) / 2 for a, b in itertools.pairwise(heights[2:]))]
    expected = (np.sum(pieces) / 8 - WORLD.chance) / (1 - WORLD.chance)
    assert summary.area.low <= expected <= summary.area.high


def test_effective_context_and_memory_horizon(summary):
    assert (summary.effective.status, summary.effective.above, summary.effective.at_most) == ("reached", "4s", "8s")
    assert str(summary.effective) == "(4s, 8s]"
    assert summary.horizon.status == "found"
    assert summary.horizon.seconds == pytest.approx(WORLD.memory_seconds, rel=0.1)
    assert summary.horizon.frame_seconds == 0.25


def test_no_horizon_below_a_frame_is_told(summary):
    found = replace(summary.horizon, seconds=8.04, low=7.5, high=9.26)
    assert str(found) == "8.04 s [7.5, 9.26]"
    assert str(replace(found, low=0.031)) == "8.04 s [0, 9.26]"
    assert str(replace(found, seconds=0.12, low=0.01)) == "less than a frame (0.25 s)"
    assert str(replace(found, status="beyond", seconds=np.inf, oldest_seconds=40.0)) == "more than 40 s"


def test_certificates_bracket_the_reach(rows, summary):
    table = model_certificates(rows)
    blind = rows[rows["control"] == "blind"].set_index(["run", "seed", "query"])["correct"]
    guessed = blind.loc[pd.MultiIndex.from_frame(table[["run", "seed", "query"]])].to_numpy()
    known = ~guessed & (table["reach_seconds"] <= WORLD.memory_seconds).to_numpy()
    seen = table[known]
    assert ((seen["below_seconds"] < seen["reach_seconds"]) | (seen["below_seconds"] == 0)).all()
    assert (seen["reach_seconds"] <= seen["model_certificate_seconds"]).all()
    assert np.isinf(table[~guessed & ~known]["model_certificate_seconds"]).all()
    assert (table[guessed]["model_certificate_seconds"] == 0.25).all()
    assert summary.certificates.rank_correlation.mean > 0.9
    assert not summary.certificates.shortcut_alarm


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=3, max_size=30))
def test_rank_correlation_of_repeated_rows(rows):
    one, other, times = (np.array(column) for column in zip(*rows))
    codes = np.unique(one, return_inverse=True)[1], np.unique(other, return_inverse=True)[1]
    ours = rank_correlation(*codes, times.astype(float)) if times.sum() else np.nan
    repeated = np.repeat(one, times), np.repeat(other, times)
    if min(len(set(column.tolist())) for column in repeated) < 2:
        assert np.isnan(ours) or abs(ours) < 1e-6
    else:
        assert ours == pytest.approx(stats.spearmanr(*repeated).statistic)


def test_a_shortcut_sets_off_the_alarm(rows):
    shortcut = rows["query"].str.endswith("3") & (rows["control"] == "")
    (summary,) = summarise(rows.assign(correct=rows["correct"] | shortcut), num_samples=300)
    assert summary.certificates.shortcut_alarm
    assert summary.certificates.share_unseen.mean > summary.certificates.chance_unseen.mean
    assert summary.leak.low > 0


def test_a_part_of_the_evidence_may_do_without_an_alarm(rows):
    # Evidence lasts a third of its reach, and its last moment suffices.
    partial = rows.assign(evidence_age_seconds=rows["reach_seconds"], reach_seconds=1.5 * rows["reach_seconds"])
    (summary,) = summarise(partial, num_samples=300)
    assert not summary.certificates.shortcut_alarm
    assert summary.certificates.share_unseen.mean <= summary.certificates.chance_unseen.mean


def test_evidence_age(summary):
    for point in summary.evidence_age:
        expected = 1.0 if point.high_seconds <= WORLD.memory_seconds else WORLD.chance
        if point.num_queries > 60:
            assert point.accuracy.low - 1e-9 <= expected <= point.accuracy.high + 1e-9
        assert point.low_seconds <= point.mean_seconds < point.high_seconds


def test_too_few_groups_resolve_nothing():
    rows = planted_rows(np.random.default_rng(2), num_groups=8, per_group=20)
    curve = rows["control"] == ""
    noise = np.random.default_rng(0).uniform(size=len(rows)) < 0.1
    (summary,) = summarise(rows.assign(correct=rows["correct"] ^ (noise & curve)), num_samples=500)
    effective = summary.effective
    assert effective.status == "not resolved"
    assert effective.half_width > 0.01
    assert effective.groups_needed == pytest.approx(8 * (effective.half_width / 0.01) ** 2, abs=1)
    assert "would do" in str(effective)


def test_more_past_always_better_is_not_reached():
    rows = planted_rows(np.random.default_rng(3), World(memory_seconds=1000, median_reach=70), num_groups=60)
    paired = pair_answers(rows, num_samples=500)
    found = effective_context(paired)
    assert (found.status, found.above, found.at_most) == ("not reached", "64s", "full")
    assert str(found) == "not reached (more than 64s)"


def covered(number, num_samples, **world):
    """How often intervals over simulated data sets hold the truth, by context, and for the gain."""
    held: dict[str, list[bool]] = {}
    for seed in range(number):
        rows = planted_rows(np.random.default_rng(1000 + seed), WORLD, per_group=20, **world)
        paired = pair_answers(rows, num_samples=num_samples)
        for place, context in enumerate(paired.contexts):
            interval = paired.bootstrap.interval(lambda means, place=place: means[..., place])
            held.setdefault(context, []).append(interval.low <= WORLD.accuracy(CONTEXTS[context]) <= interval.high)
        difference, truth = gain(paired), WORLD.accuracy(np.inf) - WORLD.accuracy(0.25)
        held.setdefault("gain", []).append(difference.low <= truth <= difference.high)
    return {name: float(np.mean(values)) for name, values in held.items()}


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Forty data sets: a share of 0.8 or less would come by chance less than once in a thousand."""
    shares = covered(40, 300, num_groups=20, controls=False)
    assert min(shares.values()) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("num_groups", [12, 25])
def test_intervals_hold_the_truth_in_two_hundred_data_sets(num_groups):
    shares = covered(200, 1000, num_groups=num_groups, controls=False)
    assert all(0.90 <= share <= 0.98 for share in shares.values()), shares


@pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")
def test_one_group_says_so(rows):
    (summary,) = summarise(rows[rows["group"] == "g0"], num_samples=100)
    assert str(summary.effective) == "not resolved (1 group)"
    assert np.isnan(summary.gain.low)
    assert summary_table([summary])["gain_low"].isna().all()


def test_the_band_is_simultaneous():
    """Of independent normals, the lower band holds at all places about as often as it says."""
    random = np.random.default_rng(0)
    held = []
    for _ in range(300):
        values = random.normal(size=8)
        samples = values + random.normal(size=(400, 8))
        held.append((values - band_half_widths(values, samples, 10**6) <= 0).all())
    assert 0.91 <= np.mean(held) <= 0.99


def test_gain_is_paired(rows, summary):
    curve = rows[rows["control"] == ""]
    by_hand = paired_difference(curve[curve["context"] == "full"], curve[curve["context"] == "1f"], num_samples=500)
    assert summary.gain.mean == pytest.approx(by_hand.mean)
    assert summary.gain.low == pytest.approx(by_hand.low, abs=0.02)


def test_lines_modes_and_families_never_mix(rows):
    rows = rows[rows["group"].isin([f"g{number}" for number in range(20)]) & (rows["seed"] == 0)]
    other = rows.assign(head="other", run="other", family="second")
    both = concatenate([rows, other, rows.assign(mode="truncated")])
    summaries = summarise(both, num_samples=50)
    assert [(s.line, s.mode, s.family) for s in summaries] == [
        ("planted", "given", "all"),
        ("other", "given", "all"),
        ("planted", "truncated", "all"),
    ]
    mixed = summarise(concatenate([rows, other.assign(head="planted", query="x" + other["query"])]), num_samples=50)
    assert [s.family for s in mixed] == ["all", "planted", "second"]


def test_tables(summary):
    table, curves = summary_table([summary]), curve_table([summary])
    assert table["effective_at_most"].tolist() == ["8s"]
    assert set(curves["queries"]) == {"eligible", "all"}
    assert len(curves) == 2 * (len(CONTEXTS) + 2)
    assert summary_text_table([summary])["effective context"].tolist() == ["(4s, 8s]"]


def test_only_eligible_queries_are_compared(rows):
    short = rows["query"].str.endswith(("1", "2", "3"))
    (summary,) = summarise(rows.assign(history_seconds=np.where(short, 5.0, 100.0)), num_samples=50)
    assert summary.eligible.shortest_history == 100
    assert summary.eligible.num_queries < summary.all_queries.num_queries
    assert {point.num_queries for point in summary.eligible.points} == {summary.eligible.num_queries}


def test_refusals(rows):
    with pytest.raises(UserError, match="lines by a column of the rows, got 'hed'"):
        summarise(rows, line="hed")
    with pytest.raises(UserError, match="expects rows, got none"):
        summarise(rows[:0])
    lost = rows[~((rows["query"] == "q7") & (rows["context"] == "2s"))]
    with pytest.raises(UserError, match=r"every query at every context, got 2 without 2s, such as 'q7' of run"):
        summarise(lost)
    with pytest.raises(UserError, match="rows of a model, got none without a control"):
        pair_answers(rows[rows["control"] != ""])


def test_no_evidence_leaves_out_what_needs_it(rows):
    unknown = rows.assign(evidence_age_seconds=np.nan, reach_seconds=np.nan)
    (summary,) = summarise(unknown, num_samples=50)
    assert summary.evidence_age == ()
    assert summary.horizon is summary.leak is summary.certificates.share_unseen is None
