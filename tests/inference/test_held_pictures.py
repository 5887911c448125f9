"""A picture that is held for seconds is seen by every sample in them: variable and constant frame rate are one."""

import dataclasses
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import torch

from vidseq.checkpoint import save_model
from vidseq.cli import main
from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.examples import Examples
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.evaluation.evaluator import evaluate
from vidseq.evaluation.frame_queries import frame_label_queries
from vidseq.evaluation.models import queries_for
from vidseq.features.registry import build_backbone
from vidseq.features.store import FeatureStore
from vidseq.inference.overlay import Overlay, save_annotated_video
from vidseq.inference.predictions import Prediction
from vidseq.inference.predictor import Predictor
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.retrieval.database import build_database
from vidseq.training.clip_sampler import ClipSampler
from vidseq.training.clips import Batch, make_clip_dataset
from vidseq.training.config import TrainConfig

FPS, SECONDS, HELD = 10, 18, (4.0, 14.0)
SPLITS = {"a": "train", "b": "train", "c": "test", "d": "test"}
LABELS = {"action": ("wait", "move"), "answer": ("red", "green")}
QUESTION = "What colour was it?"
RATE = "4"


def write_video(path: Path, seed: int, *, variable: bool) -> None:
    """Pictures that change ten times a second, but one is held for ten seconds: written once, or again and again."""
    rng = np.random.default_rng(seed)
    held = None
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"qp": "0", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(FPS * SECONDS):
            is_held = HELD[0] < index / FPS < HELD[1]
            if not is_held:
                shade = rng.integers(0, 256, (8, 12, 3), dtype=np.uint8)
                held = np.repeat(np.repeat(shade, 8, axis=0), 8, axis=1)
            elif variable:
                continue
            frame = av.VideoFrame.from_ndarray(held, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_dataset(folder: Path, *, variable: bool) -> Dataset:
    (folder / "videos").mkdir(parents=True)
    videos, segments, queries = [], [], []
    for seed, (name, split) in enumerate(SPLITS.items()):
        write_video(folder / "videos" / f"{name}.mp4", seed, variable=variable)
        videos.append(Video(video=name, split=split, duration=float(SECONDS), path=f"videos/{name}.mp4"))
        # Segments begin and end while the picture is held.
        for start, end, label in ((0.0, 6.0, "move"), (6.0, 9.5, "wait"), (9.5, 12.0, "move"), (12.0, 18.0, "wait")):
            segments.append(Segment(video=name, start=start, end=end, label=label))
        for time in (3.1, 8.0, 13.333, 17.5):
            query = Query(video=name, time=time, kind="question", question=QUESTION, answer="red", evidence=((5, 7),))
            queries.append(query if time > 7 else dataclasses.replace(query, evidence=()))
    info = DatasetInfo(name="held", labels=LABELS, fps=Fraction(RATE), splits=("train", "test"))
    return write_dataset(folder, info, videos, segments, queries)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Dataset, FeatureStore]]:
    """The same content at a constant and at a variable frame rate, with features from the command line."""
    made = []
    for variable in (False, True):
        folder = tmp_path_factory.mktemp("variable" if variable else "constant")
        dataset = make_dataset(folder / "data", variable=variable)
        words = ["features", str(dataset.folder), "--backbone", "mobilenet_v3_small", "--weights", "random"]
        words += ["--engine", "torch", "--input-size", "32", "--fps", RATE, "--device", "cpu", "--workers", "1"]
        assert main(words) == 0
        made.append((dataset, FeatureStore.open_in(dataset.folder)))
    return made


@pytest.fixture(scope="module")
def model(worlds: list[tuple[Dataset, FeatureStore]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    fingerprint = worlds[0][1].fingerprint
    config = ModelConfig(
        feature_dim=worlds[0][1].dim, dim=16, labels=LABELS, vocabulary=("colour", "it", "was", "what"), fps=RATE,
        tasks={"frame_labels": {}, "next_action": {}, "question": {}}, fingerprint=fingerprint,
    )  # fmt: skip
    folder, reasoner = tmp_path_factory.mktemp("model"), VideoReasoner(config)
    _balance(reasoner, worlds[0][1].read("c").features)
    save_model(reasoner, folder)
    return folder


def _balance(reasoner: VideoReasoner, features: np.ndarray) -> None:
    """Lets each class be the label of half of a video's samples, so that there are segments."""
    with torch.no_grad():
        odds = np.log(Predictor(reasoner).frame_labels(features.astype(np.float32)))
        reasoner.find_task("frame_labels").decoder[-1].bias[0] -= float(np.median(odds[:, 0] - odds[:, 1]))


def test_features_stand_at_the_times_of_samples(worlds):
    (_, constant), (_, variable) = worlds
    for video in SPLITS:
        one, other = constant.read(video), variable.read(video)
        np.testing.assert_array_equal(one.features, other.features)
        np.testing.assert_array_equal(one.pts_seconds, other.pts_seconds)
        np.testing.assert_array_equal(one.pts_seconds, np.arange(SECONDS * 4) / 4)
        held = (other.pts_seconds >= HELD[0]) & (other.pts_seconds < HELD[1])
        assert set(other.picture_seconds[held]) == {4.0} and len(set(one.picture_seconds[held])) > 20
    for dataset, _ in worlds:
        assert not check_dataset(dataset.folder)


def test_training_reads_the_same(worlds, model):
    from vidseq.checkpoint import load_model

    def batches(world: tuple[Dataset, FeatureStore]) -> Iterator[Batch]:
        clips = make_clip_dataset(*world, "train", load_model(model, "cpu"))
        for config in (TrainConfig(), TrainConfig(context_seconds=2.0), TrainConfig(context_frames=1)):
            sampler = ClipSampler(clips, config, causal=True)
            yield from (sampler.batch(clips.videos, 0, step) for step in range(5))

    labels = [Examples(dataset, store, "train")[0].frame_labels for dataset, store in worlds]
    expected = [1] * 24 + [0] * 14 + [1] * 10 + [0] * 24
    assert [list(found) for found in labels] == [expected] * 2
    for one, other in zip(batches(worlds[0]), batches(worlds[1]), strict=True):
        assert torch.equal(one.features, other.features)
        assert one.targets.keys() == other.targets.keys() and "frame_labels" in one.targets
        assert all(torch.equal(target, other.targets[task]) for task, target in one.targets.items())
        for task, asked in one.asked.items():
            assert (asked.rows, asked.frames) == (other.asked[task].rows, other.asked[task].frames)


def test_evaluation_gives_the_same_rows(worlds, model):
    from vidseq.checkpoint import load_model

    reasoner = load_model(model, "cpu")
    rows = [
        evaluate(
            Predictor(reasoner), dataset, store, "test", queries=queries_for(reasoner, dataset),
            contexts="1f,2s,full", controls=["last_frame", "evidence_only", "swapped_past:3s", "time_only"],
        )
        for dataset, store in worlds
    ]  # fmt: skip
    pd.testing.assert_frame_equal(*rows)
    (two_seconds,) = set(rows[1][rows[1]["context"] == "2s"]["context_frames"])
    assert two_seconds == 8, "also where the picture has been held for longer"
    task = reasoner.find_task("frame_labels")
    asked = [[(q.video, q.time, q.answer) for q in frame_label_queries(*world, 1.5, task)] for world in worlds]
    assert asked[0] == asked[1] and len(asked[0]) == 4 * 11


def predict(video: Path, model: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[dict]:
    capsys.readouterr()
    words = ["predict", "--source", str(video), "--model", str(model), "--weights", "random", "--device", "cpu"]
    at = "8" if "--limit" in more else "13.333"
    assert main([*words, "--question", QUESTION, "--at", at, "--every", "2.5", *more]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("more", [[], ["--stream"], ["--context", "2"], ["--limit", "9"]])
def test_predictions_are_the_same(worlds, model, capsys, more):
    one, other = (predict(dataset.folder / "videos" / "c.mp4", model, capsys, *more) for dataset, _ in worlds)
    assert one == other and len(one) > 4
    spans = [(row["time"], row["end"]) for row in other if row["kind"] == "frame_labels" and row.get("end")]
    assert all(end - start >= 0.25 - 1e-9 for start, end in spans)
    assert bool(spans) == ("--stream" not in more)
    if spans:
        assert len(spans) > ("--limit" not in more)
        assert (spans[0][0], spans[-1][1]) == (0.0, 9.0 if "--limit" in more else float(SECONDS))
        assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]


def test_live_answers_are_the_offline_ones(worlds, model, capsys):
    for dataset, _ in worlds:
        video = dataset.folder / "videos" / "d.mp4"
        live, offline = predict(video, model, capsys, "--stream"), predict(video, model, capsys)
        for kind in ("question", "next_action"):
            one, other = ([row for row in rows if row["kind"] == kind] for rows in (live, offline))
            assert [row["time"] for row in one] == [row["time"] for row in other]
            for a, b in zip(one, other):
                assert dict(a["ranking"]) == pytest.approx(dict(b["ranking"]), abs=1e-4)
        labels = {row["time"]: row["answer"] for row in live if row["kind"] == "frame_labels"}
        segments = [row for row in offline if row["kind"] == "frame_labels"]
        assert labels == {
            time: next(row["answer"] for row in segments if row["time"] <= time < row["end"] or row["end"] == SECONDS)
            for time in labels
        }


def test_a_held_picture_goes_through_the_backbone_once_in_a_stream(worlds, model, monkeypatch):
    from vidseq.checkpoint import load_model
    from vidseq.inference.live import stream_video
    from vidseq.inference.request import PredictionRequest
    from vidseq.inference.row_reader import _samples
    from vidseq.video.reader import VideoReader

    backbone = build_backbone("mobilenet_v3_small", weights="random", engine="torch", input_size=32, device="cpu")
    seen = []
    call = type(backbone).__call__

    def count(self, images):
        seen.append(len(images))
        return call(self, images)

    monkeypatch.setattr(type(backbone), "__call__", count)
    with VideoReader(worlds[1][0].folder / "videos" / "c.mp4", size=backbone.size) as reader:
        frames = _samples(reader, Fraction(RATE), float(SECONDS))
        request = PredictionRequest(every=5.0)
        assert list(stream_video(load_model(model, "cpu"), backbone, "c", frames, request, SECONDS, sampled=True))
    assert sum(seen) == 4 * SECONDS - 39


def test_databases_and_drawings_follow_the_samples(worlds, tmp_path, monkeypatch):
    for number, (dataset, store) in enumerate(worlds):
        database = build_database(dataset, store, tmp_path / f"database{number}", chunk=8)
        assert database.seconds[: len(database.seconds) // 2].tolist() == [2.0 * chunk for chunk in range(8)]
    drawn = []
    monkeypatch.setattr(Overlay, "draw", lambda self, image, time: (drawn.append(time), image)[1])
    rows = [Prediction(video="c", time=0.0, kind="frame_labels", answer="wait", probability=1.0, ranking=(), end=18.0)]
    save_annotated_video(worlds[1][0].folder / "videos" / "c.mp4", tmp_path / "c.mp4", rows)
    assert np.allclose(np.diff(drawn), drawn[1]), "what is drawn changes while a picture is held"
    assert drawn[-1] > SECONDS - 0.5
