"""A toy world: features that show a colour early and an action now, and queries about both."""

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore
from vidseq.model import ModelConfig, VideoReasoner

# The machine may be busy: no time is too long.
settings.register_profile("vidseq", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("vidseq"), max_examples=25)  # of `make test`
settings.load_profile("vidseq")

if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core: more threads would only wait for one another
    torch.set_num_threads(1)
    gc.disable()  # until all tests are imported
os.environ["VIDSEQ_CACHE"] = ""  # not the folder of whoever runs the tests
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background; but tests send it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is imported stays: the garbage collector need not look through it again and again."""
    gc.freeze()
    gc.enable()


TOY_FPS = 4
TOY_COLORS = ("red", "green", "blue")
TOY_ACTIONS = ("wave", "jump")
#: Channels: three colours, two actions, one of noise.
TOY_DIM = 6
TOY_FINGERPRINT = Fingerprint(
    backbone="toy", weights="external", input_size=0, resize="external", fps=str(TOY_FPS), engine="external"
)


def toy_video(rng: np.random.Generator, frames: int = 24) -> tuple[np.ndarray, int, np.ndarray]:
    """Features (T, 6) that show a colour in the first second alone; the colour; the action in each frame."""
    color = int(rng.integers(len(TOY_COLORS)))
    actions = np.repeat(rng.permutation(np.arange(frames // 6) % 2), 6)
    features = rng.normal(0, 0.1, (frames, TOY_DIM))
    features[:TOY_FPS, color] += 1
    features[np.arange(frames), 3 + actions] += 1
    return features.astype(np.float32), color, actions


def make_toy_world(folder: Path, *, videos: dict[str, int], seed: int = 0) -> tuple[Dataset, FeatureStore]:
    """Writes a data set of so many videos a split."""
    rng = np.random.default_rng(seed)
    store = FeatureStore.create_in(folder, TOY_FINGERPRINT)
    rows: list[Video] = []
    segments: list[Segment] = []
    queries: list[Query] = []
    for split, count in videos.items():
        for number in range(count):
            name = f"{split}{number:02d}"
            features, color, actions = toy_video(rng)
            store.write(name, features, np.arange(len(features)) / TOY_FPS)
            rows.append(Video(video=name, split=split, duration=len(features) / TOY_FPS))
            for start in range(0, len(features), 6):
                seconds = (start / TOY_FPS, (start + 6) / TOY_FPS)
                label = TOY_ACTIONS[actions[start]]
                segments.append(Segment(video=name, start=seconds[0], end=seconds[1], label=label))
            for time in (1.0, 3.1, 5.5):
                text = "What colour was it?" if time > 1 else "Which colour was seen?"
                queries.append(Query(video=name, time=time, kind="question", question=text, answer=TOY_COLORS[color]))
    info = DatasetInfo(name="toy", labels={"action": TOY_ACTIONS, "answer": TOY_COLORS}, observations="features")
    return write_dataset(folder, info, rows, segments, queries), store


@pytest.fixture(scope="session", autouse=True)
def compiled_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and the processes that they start, compile each network once."""
    folder = tmp_path_factory.mktemp("compiled")
    os.environ["VIDSEQ_CACHE"] = str(folder)
    yield
    shutil.rmtree(folder)  # pytest would keep hundreds of megabytes of the last three runs


@pytest.fixture(scope="session")
def toy_world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, FeatureStore]:
    """Forty-eight training, twelve validation and twelve test videos."""
    return make_toy_world(tmp_path_factory.mktemp("toy"), videos={"train": 48, "val": 12, "test": 12})


@pytest.fixture
def toy_config() -> ModelConfig:
    """A small model for the toy world, with all tasks."""
    return ModelConfig(
        feature_dim=TOY_DIM,
        dim=8,
        labels={"action": TOY_ACTIONS, "answer": TOY_COLORS},
        tasks={"frame_labels": {}, "next_action": {}, "question": {}},
        vocabulary=("colour", "it", "was", "what"),
        fps=str(TOY_FPS),
        fingerprint=TOY_FINGERPRINT,
    )


@pytest.fixture
def toy_model(toy_config: ModelConfig) -> VideoReasoner:
    """The untrained model of `toy_config`, ready to predict."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VideoReasoner(toy_config).eval()
