import numpy as np
import pandas as pd
import pytest

from vidseq.errors import UserError
from vidseq.evaluation.class_means import class_mean_recall_interval
from vidseq.evaluation.intervals import expanded_tails
from vidseq.evaluation.metrics import class_mean_recall


def make(seed: int, lift: float = 0.0, seeds: int = 1) -> pd.DataFrame:
    """Rows of 24 groups; each query's answer has a rank from 1 to 8, better by `lift`; the groups differ much."""
    rng = np.random.default_rng(seed)
    group = rng.integers(24, size=600)
    answer = rng.choice(list("abcdef"), p=[0.5, 0.2, 0.1, 0.1, 0.07, 0.03], size=600)
    ease = rng.normal(size=24)[group]
    parts = []
    for number in range(seeds):
        rank = np.clip(np.round(4.5 + ease + rng.normal(size=600) - lift), 1, 8).astype(int)
        parts.append(
            pd.DataFrame(
                {
                    "dataset": "d",
                    "split": "test",
                    "query": [f"q{n}" for n in range(600)],
                    "group": [f"g{n}" for n in group],
                    "answer": answer,
                    "prediction": answer,
                    "rank": rank,
                    "seed": number,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def slow(rows: pd.DataFrame, other: pd.DataFrame | None, k: int) -> tuple[float, float]:
    """The same, class by class: a row counts as often as its group is drawn."""
    rng = np.random.default_rng(1)
    names = sorted(rows["group"].unique())
    values = []
    for _ in range(800):
        drawn = rng.choice(names, size=len(names))
        times = {name: int((drawn == name).sum()) for name in names}
        means = []
        for table in (rows, other):
            if table is not None:
                weight = table["group"].map(times).to_numpy()
                hit, answer = (table["rank"] <= k).to_numpy(), table["answer"].to_numpy()
                parts = [(weight * hit)[answer == c].sum() / max(1, weight[answer == c].sum()) for c in "abcdef"]
                means.append(sum(parts) / sum(weight[answer == c].sum() > 0 for c in "abcdef"))
        values.append(means[0] - sum(means[1:]))
    low, high = np.quantile(values, expanded_tails(0.95, len(names)))
    return float(low), float(high)


@pytest.mark.parametrize("with_baseline", [False, True])
def test_it_is_the_bootstrap_of_tables(with_baseline: bool) -> None:
    rows, baseline = make(0, lift=1.0), make(0) if with_baseline else None
    interval = class_mean_recall_interval(rows, 5, baseline)
    expected = class_mean_recall(rows, 5) - (class_mean_recall(baseline, 5) if baseline is not None else 0)
    assert interval.mean == pytest.approx(expected) and interval.num_groups == 24
    low, high = slow(rows, baseline, 5)
    width = high - low
    assert interval.low == pytest.approx(low, abs=0.15 * width)
    assert interval.high == pytest.approx(high, abs=0.15 * width)


def test_seeds_are_averaged_and_order_does_not_matter() -> None:
    rows = make(0, seeds=3)
    each = [class_mean_recall(rows[rows["seed"] == seed], 5) for seed in range(3)]
    shuffled = rows.sample(frac=1, random_state=0)
    assert class_mean_recall_interval(shuffled, 5).mean == pytest.approx(np.mean(each))
    same = class_mean_recall_interval(rows, 5, shuffled)
    assert (same.mean, same.low, same.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_a_class_that_a_sample_lacks_does_not_count() -> None:
    """One group alone has the class z, so that a third of all samples have none; everything is right."""
    rows = make(0).assign(rank=1)
    rows.loc[rows["group"] == "g0", "answer"] = "z"
    interval = class_mean_recall_interval(rows, 5)
    assert (interval.mean, interval.low, interval.high) == (1, 1, 1)


def test_other_queries_are_refused() -> None:
    rows = make(0)
    with pytest.raises(UserError, match=r"expects rows, and a baseline the same queries, got \[600, 599\] queries"):
        class_mean_recall_interval(rows, 5, rows.iloc[1:])
