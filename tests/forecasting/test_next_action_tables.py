"""Next actions beside n-gram chains: the chain is chosen without the test, differences are signed and paired."""

import itertools

import numpy as np
import pandas as pd
import pytest

from vidseq.data.dataset import write_dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore
from vidseq.forecasting.next_action_tables import best_chain, next_action_table, next_actions_of

PRINT = Fingerprint(
    backbone="none", weights="external", input_size=0, resize="external", pooling="external", fps="1",
    precision="external", engine="external", decoder="external",
)  # fmt: skip


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Twelve people; in training a label follows from the last two, in the test videos from the last one alone."""
    folder, random = tmp_path_factory.mktemp("steps"), np.random.default_rng(0)
    store = FeatureStore.create_in(folder, PRINT)
    videos, segments = [], []
    for number in range(24):
        split = "train" if number < 20 else "test"
        labels = [int(label) for label in random.integers(3, size=2)]
        for _ in range(10):
            labels.append((labels[-1] + (labels[-2] if split == "train" else 1)) % 3)
        name = f"v{number:02d}"
        store.write(name, np.zeros((len(labels), 1), np.float32), np.arange(len(labels)))
        videos.append(Video(video=name, split=split, duration=float(len(labels)), group=f"p{number // 2}"))
        segments += [Segment(video=name, start=k, end=k + 1.0, label="abc"[label]) for k, label in enumerate(labels)]
    info = DatasetInfo(name="steps", labels={"action": ("a", "b", "c")})
    return write_dataset(folder, info, videos, segments), store


def test_the_chain_is_chosen_in_training_alone(steps):
    dataset, store = steps
    assert best_chain(dataset, store, ["ngram:1", "ngram:2"]) == "ngram:2"  # the test would say ngram:1
    assert len(next_actions_of(dataset, "test")) == 4 * 11
    assert len(next_actions_of(dataset, "test", 2.0)) == 4 * 10


def answered(correct, seed=0):
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "dataset": "d", "split": "test", "query": [str(n) for n in range(200)],
            "group": [str(n % 25) for n in range(200)], "answer": random.choice(list("ab"), 200), "prediction": "a",
            "rank": np.where(correct, 1, 9), "correct": correct, "seed": seed,
        }
    )  # fmt: skip


def test_differences_are_signed_and_paired():
    half = np.arange(200) % 2 == 0
    models = {"good": answered(np.ones(200, bool)), "fair": answered(half)}
    table = next_action_table(
        models, {"chain": answered(half), "poor": answered(np.zeros(200, bool))}, ["chain", "poor"]
    )
    top = dict(zip(table["by"], table["top-1"]))
    assert list(top) == ["good", "fair", "chain", "poor", "good - chain", "fair - chain", "good - poor", "fair - poor"]
    assert top["good"] == "100.0 [100.0, 100.0]" and top["poor"] == "0.0 [0.0, 0.0]"
    assert top["good - chain"].startswith("+50.0 [") and top["fair - chain"] == "+0.0 [+0.0, +0.0]"
    assert list(table) == ["by", "top-1", "top-5", "class-mean top-5"]


def test_seeds_are_paired_with_a_chain_that_has_none():
    models = {"two": pd.concat([answered(np.ones(200, bool), seed) for seed in (0, 1)])}
    table = next_action_table(models, {"chain": answered(np.zeros(200, bool))}, ["chain"])
    expected = "+100.0 [+100.0, +100.0]"
    assert list(itertools.chain(table.iloc[-1][1:])) == [expected] * 3
