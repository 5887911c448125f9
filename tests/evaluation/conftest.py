"""A small data set in memory whose features say what was seen, and a model that knows what its features say."""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from vidseq.data.dataset import Dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video

ANSWERS = ("red", "green", "blue", "white")
ACTIONS = ("draw", "read", "sing")
FPS = 2.0
SECONDS = 40.0


class Stored(NamedTuple):
    features: np.ndarray
    pts_seconds: np.ndarray


class MemoryStore:
    """As much of a feature store as evaluation reads."""

    def __init__(self, videos):
        self._videos = videos
        self.reads = []

    def read(self, video):
        self.reads.append(video)
        return self._videos[video]


def add_video(number, dataset_parts, stored):
    """One video: at each query's evidence, one frame shows 1 + the answer's number in feature `question`."""
    videos, segments, queries = dataset_parts
    random = np.random.default_rng(number)
    name = f"v{number:02d}"
    times = np.arange(0, SECONDS, 1 / FPS)
    features = np.zeros((len(times), 4), np.float16)
    features[:, 3] = np.arange(len(times))
    split = "train" if number < 4 else "test"
    videos[name] = Video(video=name, split=split, duration=SECONDS, group=f"g{number // 2}")
    for place, age in enumerate((0.0, 6.0, 24.0)):
        answer = int(random.integers(len(ANSWERS)))
        asked = SECONDS - 2.0 * place - 1.0
        shown = int((asked - age) * FPS)
        features[shown, place] = 1 + answer
        queries.append(
            Query(
                video=name,
                time=asked,
                kind="question",
                question=f"Which colour was shown at place {place}?",
                answer=ANSWERS[answer],
                family=f"age{age:g}",
                evidence=((times[shown], times[shown] + 0.25),),
                certificate_seconds=0.25,
                ceiling=((1.0, 0.25 if age else 1.0), (30.0, 1.0)),
            )
        )
    edges = [0.0, 10.0, 22.0, 30.0, SECONDS]
    for start, end in itertools.pairwise(edges):
        segments.append(Segment(video=name, start=start, end=end, label=ACTIONS[int(random.integers(3))]))
    stored[name] = Stored(features, times)


@pytest.fixture
def query_set():
    """(dataset, store): 4 training and 20 test videos, two a group."""
    parts, stored = ({}, [], []), {}
    for number in range(24):
        add_video(number, parts, stored)
    info = DatasetInfo(name="colours", labels={"answer": ANSWERS, "action": ACTIONS}, splits=("train", "test"))
    videos, segments, queries = parts
    return Dataset(Path("nowhere"), info, videos, segments, queries), MemoryStore(stored)


def planted(features, pts_seconds, queries):
    """Right if the evidence is among its frames; else it says the first answer, unsure."""
    scores = np.zeros((len(queries), len(ANSWERS)))
    for row, (frames, query) in enumerate(zip(features, queries)):
        place = int(query.question[-2])
        seen = frames[:, place].max(initial=0)
        if seen:
            scores[row, int(seen) - 1] = 5.0
    return scores


@pytest.fixture
def planted_model():
    return planted
