"""A whole run on features with a token axis: what is seen lies in one of three places, and the place counts, too."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TOY_ACTIONS, TOY_COLORS, TOY_FINGERPRINT, TOY_FPS
from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import FingerprintError
from vidseq.evaluation import evaluate_models
from vidseq.evaluation.rows import read_rows
from vidseq.explain import explain_prediction
from vidseq.features.store import FeatureStore
from vidseq.inference.stream import Stream
from vidseq.retrieval.database import build_database
from vidseq.training import TrainConfig, fit

TOKENS = 3
CONFIG = TrainConfig(
    dim=16,
    head="window",
    head_options={"window": 16, "layers": 1},
    epochs=32,
    lr=3e-3,
    token_dim=16,
    batch_size=10,
    full_context=1.0,
    feature_dropout=0.0,
    device="cpu",
)


def video(rng: np.random.Generator, frames: int = 16) -> tuple[np.ndarray, int, int, int]:
    """Features (T, 3, 5): place 0 shows a colour in the first second alone, place 1 or 2 an action in every frame."""
    color, action, place = int(rng.integers(3)), int(rng.integers(2)), int(rng.integers(1, 3))
    features = rng.normal(0, 0.1, (frames, TOKENS, 5))
    features[:TOY_FPS, 0, color] += 1
    features[:, place, 3 + action] += 1
    return features.astype(np.float32), color, action, place


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("tokens"), np.random.default_rng(0)
    store = FeatureStore.create_in(folder, dataclasses.replace(TOY_FINGERPRINT, tokens=TOKENS))
    rows, segments, queries = [], [], []
    for split, count in {"train": 120, "val": 12, "test": 16}.items():
        for number in range(count):
            name, (features, color, action, place) = f"{split}{number:03d}", video(rng)
            store.write(name, features, np.arange(len(features)) / TOY_FPS)
            rows.append(Video(video=name, split=split, duration=4.0))
            segments.append(Segment(video=name, start=0.0, end=4.0, label=TOY_ACTIONS[action]))
            asked = {
                "What colour was it?": TOY_COLORS[color],
                "What happens?": TOY_ACTIONS[action],
                "Where?": ("left", "right")[place - 1],
            }
            queries += [
                Query(video=name, time=3.6, kind="question", question=text, answer=answer, family=answer_kind)
                for (text, answer), answer_kind in zip(asked.items(), ("then", "now", "where"))
            ]
    answers = (*TOY_COLORS, *TOY_ACTIONS, "left", "right")
    info = DatasetInfo(name="tokens", labels={"action": TOY_ACTIONS, "answer": answers}, observations="features")
    write_dataset(folder, info, rows, segments, queries)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = dataclasses.replace(CONFIG, tasks={"question": {}})
    return fit(Dataset.load(data), FeatureStore.open_in(data), config, tmp_path_factory.mktemp("run") / "window")


def test_it_learns_what_is_seen_where_and_when(data: Path, run: Path, tmp_path: Path) -> None:
    evaluate_models(data, [run], contexts="1f,full", controls=("bag_of_frames",), out=tmp_path / "report")
    rows = read_rows(tmp_path / "report" / "rows.parquet")
    full, newest = (rows[(rows.control == "") & (rows.context == context)] for context in ("full", "1f"))
    assert full.groupby("family").correct.mean().min() > 0.85
    assert newest.groupby("family").correct.mean()[["now", "where"]].min() > 0.85


def test_what_is_asked_most_stands_at_every_frame(data: Path, run: Path) -> None:
    model = load_model(run, "cpu")
    assert set(model.config.standing_questions) == {"What colour was it?", "What happens?", "Where?"}
    assert model.standing is not None
    assert bool(model.standing.keep.weight.any())  # it has learnt


def test_a_live_stream_answers_as_offline(data: Path, run: Path) -> None:
    model, features = load_model(run, "cpu"), np.asarray(FeatureStore.open_in(data).read("test000").features)
    ends = []
    for size in (16, 5, 1):
        stream = Stream(model)
        for start in range(0, 16, size):
            part = features[start : start + size]
            stream.push(part, np.arange(start, start + len(part)) / TOY_FPS)
        ends.append(stream.ask("Where?").probability)
    np.testing.assert_allclose(ends, ends[0], rtol=1e-4)


def test_everything_else_reads_tokens_too(data: Path, run: Path, tmp_path: Path) -> None:
    explain_prediction(data, run, "test000", 3.6, tmp_path, question="What colour was it?", deletion="mean")
    database = build_database(Dataset.load(data), FeatureStore.open_in(data), tmp_path / "database", chunk=2)
    assert database.frames.shape[1:] == (TOKENS, 5)
    options = {"database": str(database.folder), "chunk": 2}
    config = dataclasses.replace(CONFIG, head="retro", head_options=options, epochs=1)
    fit(Dataset.load(data), FeatureStore.open_in(data), config, tmp_path / "retro")


def test_features_without_the_token_axis_are_refused(data: Path, run: Path) -> None:
    with pytest.raises(FingerprintError, match="tokens 3, got 0"):
        load_model(run, "cpu", fingerprint=TOY_FINGERPRINT)
