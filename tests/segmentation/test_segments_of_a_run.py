"""Segments are a task's answer: learnt in training, kept with the model, used to evaluate and to predict."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vidseq.checkpoint import load_model, segmenter_file
from vidseq.data.dataset import Dataset
from vidseq.errors import ModelError, UserError
from vidseq.evaluation.models import evaluate_models
from vidseq.features.store import FeatureStore
from vidseq.inference.offline import predict_video
from vidseq.inference.predictor import Predictor
from vidseq.inference.request import PredictionRequest
from vidseq.segmentation.segmenter import DECODINGS, Segmenter
from vidseq.tasks import DenseTask
from vidseq.training import TrainConfig, fit

World = tuple[Dataset, FeatureStore]


@pytest.fixture(scope="module")
def run(toy_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(
        head="conv", causal=False, tasks={"frame_labels": {}}, dim=8, epochs=2, batch_size=8, device="cpu"
    )
    return fit(*toy_world, config, tmp_path_factory.mktemp("segments") / "run")


def task_of(run: Path) -> DenseTask:
    return load_model(run, "cpu").dense_task()


def true_labels(toy_world: World, task: DenseTask, video: str) -> np.ndarray:
    dataset, store = toy_world
    return task.targets(dataset, video, store.read(video).pts_seconds, task.labels).numpy()


def test_it_is_that_of_the_training_labels(run: Path, toy_world: World) -> None:
    task = task_of(run)
    videos = [true_labels(toy_world, task, video.video) for video in toy_world[0].split("train")]
    of_labels = Segmenter.fit(videos, len(task.labels))
    measured = {name: getattr(of_labels, name) for name in ("default", "pairs_evidence", "order_evidence")}
    assert task.segmenter is not None
    assert dataclasses.replace(task.segmenter, **measured).to_bytes() == of_labels.to_bytes()
    for checkpoint in ("best", "last"):
        assert (run / "checkpoints" / checkpoint / segmenter_file("frame_labels")).is_file()


def test_evaluation_has_a_row_for_each_decoding(run: Path, toy_world: World, tmp_path: Path) -> None:
    dataset, store = toy_world
    text = evaluate_models(dataset.folder, [run], out=tmp_path)
    table = pd.read_csv(tmp_path / "frame_labels.csv")
    assert [*table["decoding"].unique()] == [*DECODINGS] and all(f"| {name}" in text for name in DECODINGS)
    predictor = Predictor(load_model(run, "cpu"))
    for decoding, video, accuracy in zip(table["decoding"], table["video"], table["accuracy"]):
        probabilities = predictor.frame_labels(store.read(video).features)
        labels = predictor.decode_labels(probabilities, decoding)
        true = true_labels(toy_world, predictor.model.dense_task(), video)
        assert accuracy == pytest.approx((labels == true).mean())


def test_prediction_gives_decoded_segments(run: Path, toy_world: World) -> None:
    model, stored = load_model(run, "cpu"), toy_world[1].read("test00")
    task = model.dense_task()
    assert task.segmenter is not None
    rows = predict_video(model, "test00", stored, 6.0, PredictionRequest())
    decoded = task.segmenter.decode(np.log(Predictor(model).frame_labels(stored.features)))
    starts = [0, *(np.flatnonzero(np.diff(decoded)) + 1)]
    assert [row.answer for row in rows] == [task.labels[decoded[start]] for start in starts]
    assert [row.time for row in rows] == pytest.approx([float(stored.pts_seconds[start]) for start in starts])


def test_classes_of_a_data_set_in_another_order(run: Path, toy_world: World) -> None:
    features = toy_world[1].read("test00").features
    model = load_model(run, "cpu")
    own, turned = Predictor(model), Predictor(model, {"action": model.dense_task().labels[::-1]})
    for decoding in DECODINGS:
        one = own.decode_labels(own.frame_labels(features), decoding)
        other = turned.decode_labels(turned.frame_labels(features), decoding)
        assert (len(own.classes("frame_labels")) - 1 - other).tolist() == one.tolist()


def test_a_model_without_segments_labels_frame_by_frame(run: Path, toy_world: World, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(run / "checkpoints" / "best", folder)
    (folder / segmenter_file("frame_labels")).unlink()
    assert task_of(folder).segmenter is None
    text = evaluate_models(toy_world[0].folder, [folder])
    assert text.count("frame by frame") == 2  # one line of labels, one of segments
    assert "ordered segments" not in text
    with pytest.raises(UserError, match=r"expects a model that learnt segments, got one without\. Train"):
        Predictor(load_model(folder, "cpu")).decode_labels(np.ones((3, 2)), "segments")
    (folder / segmenter_file("frame_labels")).write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"frame_labels_segmenter\.safetensors cannot be used: no segmenter"):
        load_model(folder, "cpu")
