"""Kitchens: data sets of segments whose orders differ, with the present label as features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore

LABELS = ("cut_cheese", "cut_tomato", "add_oil", "mix", "rest", "wipe_table")
MADE = Fingerprint(backbone="kitchen", weights="external", input_size=0, resize="external", fps="1", engine="external")


def kitchen_segments(video: str, rng: np.random.Generator, tracks: int = 1) -> list[Segment]:
    """Actions with short gaps: cheese mostly comes early, oil mostly after tomatoes, and mixing is done again."""
    segments = []
    for track in range(tracks):
        order = [str(label) for label in rng.permutation(LABELS[:5])]
        if rng.random() < 0.8:
            order.sort(key=lambda label: label != "cut_cheese")
        order += ["mix", str(rng.choice(LABELS)), "wipe_table"]
        start = float(rng.integers(0, 3))
        for label in order:
            end = start + float(rng.integers(4, 15))
            who = "" if tracks == 1 else f"cook_{track}"
            segments.append(Segment(video=video, start=start, end=end, label=label, track=who))
            start = end + float(rng.integers(0, 2))
    return segments


@pytest.fixture
def kitchen(tmp_path: Path) -> Callable[..., Dataset]:
    """Makes a data set: training and test videos, a person two, with features that show the present label."""

    def make(train: int = 24, test: int = 12, *, tracks: int = 1, seed: int = 0, name: str = "kitchen") -> Dataset:
        rng = np.random.default_rng(seed)
        store = FeatureStore.create_in(tmp_path / name, MADE)
        videos, segments = [], []
        for number in range(train + test):
            video = f"v{number:03d}"
            actions = kitchen_segments(video, rng, tracks)
            end = max(segment.end for segment in actions)
            features = rng.normal(0, 0.1, (int(end), len(LABELS))).astype(np.float32)
            for action in actions:
                features[int(action.start) : int(action.end), LABELS.index(action.label)] += 1
            store.write(video, features, np.arange(len(features)))
            split = "train" if number < train else "test"
            videos.append(Video(video=video, split=split, duration=end, group=f"p{number // 2}"))
            segments += actions
        info = DatasetInfo(name=name, labels={"action": LABELS}, background="rest", observations="features")
        return write_dataset(tmp_path / name, info, videos, segments)

    return make
