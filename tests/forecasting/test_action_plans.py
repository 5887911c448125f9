"""Plans beside counts done by hand, and chains beside a slow reading of them."""

import re

import numpy as np
import pandas as pd
import pytest

from vidseq.baselines.chain import LabelChain
from vidseq.data.action_sequences import write_future
from vidseq.data.dataset import Dataset
from vidseq.data.schema import FUTURE, DatasetInfo, Query, Video
from vidseq.evaluation.rows import Run
from vidseq.forecasting.action_plans import ChainPlans, evaluate_plans, plan_table

CLASSES = ("cut", "mix", "wash")


def asked(video: str, time: float, coming: str) -> Query:
    labels = {label[0]: label for label in CLASSES}
    return Query(video=video, time=time, kind=FUTURE, answer=write_future([(labels[one], 1.0) for one in coming]))


@pytest.fixture
def dataset(tmp_path):
    videos = {name: Video(video=name, split="test", duration=9.0, group=name[0]) for name in ("a1", "a2", "b1")}
    return Dataset(tmp_path, DatasetInfo(name="toy", labels={"action": CLASSES}), videos, [], [])


def test_the_best_future_of_each_moment_counts(dataset):
    queries = [asked("a1", 0.0, "cmwc"), asked("b1", 2.0, "wwww"), asked("a1", 1.0, "mwcc")]
    told = {"a1": {0.0: [["mix"], ["mix", "cut", "wash"]], 1.0: [["mix", "wash", "cut"]]}, "b1": {2.0: [["cut"]]}}
    rows = evaluate_plans(
        lambda video, times: [told[video][time] for time in times],
        dataset,
        queries,
        length=3,
        run=Run(run="x", seed=7),
    )
    # One swap of neighbours in three; all three wrong; none wrong, for the fourth is not asked.
    assert rows.set_index(["video", "time"])["distance"].to_dict() == {
        ("a1", 0.0): pytest.approx(1 / 3),
        ("a1", 1.0): 0.0,
        ("b1", 2.0): 1.0,
    }
    assert set(rows["run"]) == {"x"} and set(rows["seed"]) == {7} and rows["group"].tolist() == ["a", "a", "b"]


def test_a_planner_tells_a_plan_for_each_moment(dataset):
    with pytest.raises(ValueError, match="shorter"):
        evaluate_plans(lambda video, times: [], dataset, [asked("a1", 0.0, "cm")])


def test_differences_are_paired():
    random = np.random.default_rng(0)
    lines = [
        {"run": run, "seed": seed, "video": f"{group}{n}", "group": group, "time": 0.0, "distance": hard + add}
        for group in range(30)
        for n in range(3)
        for hard in [random.uniform()]
        for run, seed, add in (("plain", 0, 0.0), ("worse", 0, 0.05), ("worse", 1, 0.15))
    ]
    table = plan_table(pd.DataFrame(lines), "plain").set_index("by")
    assert table.loc["plain", "minus plain"] == ""
    assert table.loc["worse", "minus plain"] == "0.100 [0.100, 0.100]"  # however hard moments are, seeds averaged
    low, high = re.fullmatch(r"0\.\d+ \[(.*), (.*)\]", table.loc["plain", "distance"]).groups()
    assert float(high) - float(low) > 0.1


TRAINING = [["cut", "mix", "wash", "mix"] * 3, ["wash", "cut", "cut", "mix"], ["mix", "wash", "mix", "wash", "cut"]]
PAST = {"v": ["wash", "cut", "mix", "mix"]}


def chain_of(order: int) -> LabelChain:
    examples = [(labels[:at], CLASSES.index(labels[at])) for labels in TRAINING for at in range(1, len(labels))]
    return LabelChain(examples, order, len(CLASSES))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_likeliest_plan_is_that_of_the_chain(order):
    plans = ChainPlans(TRAINING, PAST, CLASSES, order).drawn(1, 6, temperature=0)("v", [0.0, 2.0, 3.0])
    for time, (plan,) in zip((0, 2, 3), plans, strict=True):
        labels = PAST["v"][: time + 1]
        for _ in range(6):
            labels = [*labels, CLASSES[int(chain_of(order).probabilities(labels).argmax())]]
        assert plan == labels[-6:]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_plans_are_drawn_as_often_as_the_chain_says(temperature):
    (plans,) = ChainPlans(TRAINING, PAST, CLASSES, 2).drawn(20000, 2, temperature=temperature)("v", [1.0])

    def sharpened(labels):
        shares = chain_of(2).probabilities(labels) ** (1 / temperature)
        return shares / shares.sum()

    found = pd.Series([" ".join(plan) for plan in plans]).value_counts(normalize=True)
    for first, one in zip(CLASSES, sharpened(["wash", "cut"])):
        for second, two in zip(CLASSES, sharpened(["cut", first])):
            assert found.get(f"{first} {second}", 0) == pytest.approx(one * two, abs=0.01)
