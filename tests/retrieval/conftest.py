"""A tiny data set of features, and a database of its training videos."""

from pathlib import Path

import numpy as np
import pytest

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Video
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore

FINGERPRINT = Fingerprint(
    backbone="toy", weights="external", input_size=0, resize="external", fps="4", engine="external"
)
LENGTHS = {"a": 13, "b": 7, "c": 3, "d": 12, "e": 14}


@pytest.fixture
def world(tmp_path: Path) -> tuple[Dataset, FeatureStore]:
    """Four training videos, two of one group, one of them too short for a chunk of 3; and a test video, d."""
    rng = np.random.default_rng(0)
    store = FeatureStore.create_in(tmp_path / "data", FINGERPRINT)
    for name, length in LENGTHS.items():
        store.write(name, rng.normal(size=(length, 5)), np.arange(length) / 4)
    videos = [
        Video(video=name, split="test" if name == "d" else "train", duration=9, group="g" if name in "ab" else None)
        for name in LENGTHS
    ]
    return write_dataset(tmp_path / "data", DatasetInfo(name="toy", observations="features"), videos), store
