"""Several models as one for frame labels."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from vidseq.checkpoint import load_model, save_model
from vidseq.cli import main
from vidseq.errors import FingerprintError, UserError
from vidseq.evaluation.models import evaluate_models
from vidseq.features.registry import build_backbone
from vidseq.inference import Ensemble, PredictionRequest, Predictor, predict_sources
from vidseq.inference.offline import video_features
from vidseq.inference.sources import backbone_of
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.video.writer import VideoWriter

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")


def make_models(config, count, **tasks):
    config = dataclasses.replace(config, tasks={"frame_labels": tasks})
    models = []
    for seed in range(count):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            models.append(VideoReasoner(config).eval())
    return models


def test_it_is_the_mean_of_its_models(toy_config):
    models = make_models(toy_config, 3)
    features = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    for labels in (None, {"action": ("jump", "wave", "never")}):
        expected = np.mean([Predictor(model, labels).frame_labels(features) for model in models], axis=0)
        np.testing.assert_allclose(Ensemble(models, labels).frame_labels(features), expected, rtol=1e-6)
    found = Ensemble(models).find_segments(expected := Ensemble(models).frame_labels(features))
    assert [item.label for item in found for _ in range(item.first, item.stop)] == expected.argmax(axis=1).tolist()


def test_evaluate_scores_the_mean_beside_its_models(toy_world, toy_config, tmp_path):
    models = make_models(toy_config, 2)
    folders = [tmp_path / "a", tmp_path / "b"]
    for model, folder in zip(models, folders):
        save_model(model, folder)
    text = evaluate_models(toy_world[0].folder, folders, out=tmp_path / "out", ensemble=True)
    labels = pd.read_csv(tmp_path / "out" / "frame_labels.csv")
    assert labels["run"].unique().tolist() == ["a", "b", "mean of 2"]
    assert "| mean of 2 | lstm |" in text


def test_models_that_differ_are_refused(toy_config):
    with pytest.raises(UserError, match="two models or more, got 1"):
        Ensemble(make_models(toy_config, 1))
    one, many = make_models(toy_config, 1)[0], make_models(toy_config, 1, multi_label=True)[0]
    message = "got frame_labels of 2 classes, many a frame in model 2 and frame_labels of 2 classes in the first"
    with pytest.raises(UserError, match=message):
        Ensemble([one, many])


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Three seconds of noise at 10 frames a second."""
    path = tmp_path_factory.mktemp("video") / "noise.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, fps=10) as writer:
        for shade in np.linspace(40, 200, 30):
            writer.write(rng.normal(shade, 20, (96, 128, 3)).clip(0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Folders of three untrained models that label frames and name next actions."""
    backbone = build_backbone("mobilenet_v3_small", weights="random", engine="torch", input_size=64, device="cpu")
    config = ModelConfig(
        feature_dim=backbone.dim,
        dim=16,
        labels={"action": ("wave", "jump", "sit")},
        tasks={"frame_labels": {}, "next_action": {}},
        fps="4",
        fingerprint=backbone.fingerprint(4),
    )
    folder = tmp_path_factory.mktemp("seeds")
    for seed in range(3):
        torch.manual_seed(seed)
        save_model(VideoReasoner(config), folder / str(seed))
    other = dataclasses.replace(config, fingerprint=backbone.fingerprint(8), fps="8")
    save_model(VideoReasoner(other), folder / "other")
    save_model(VideoReasoner(dataclasses.replace(config, tasks={"next_action": {}})), folder / "next")
    return folder


def test_predict_labels_the_segments_of_the_mean(video, seeds, capsys):
    assert main(["predict", str(video), *(str(seeds / str(seed)) for seed in range(3)), "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    assert "several models: the mean of their frame labels is predicted, and nothing else" in printed.err
    rows = [json.loads(line) for line in printed.out.splitlines()]
    models = [load_model(seeds / str(seed), "cpu") for seed in range(3)]
    features, end = video_features(video, backbone_of(models[0], device="cpu"), "4")
    mean = np.mean([Predictor(model).frame_labels(features.features) for model in models], axis=0)
    wanted = models[0].dense_task().label_segments(mean, features.pts_seconds, end, video="noise", top=5)
    assert [(row["time"], row["end"], row["answer"]) for row in rows] == [
        (row.time, row.end, row.answer) for row in wanted
    ]
    assert [row["probability"] for row in rows] == pytest.approx([row.probability for row in wanted], abs=1e-4)
    alone = Predictor(models[0]).frame_labels(features.features)
    assert abs(alone - mean).max() > 0.01  # one model would answer otherwise


@pytest.mark.parametrize(
    "options",
    [["--question", "What?"], ["--next-question", "Who?"], ["--futures-at", "1"], ["--every", "2"], ["--stream"]],
)
def test_several_models_are_asked_nothing(video, seeds, capsys, options):
    words = ["predict", str(video), str(seeds / "0"), str(seeds / "1"), *options, "--device", "cpu"]
    assert main(words) != 0
    printed = capsys.readouterr()
    assert f"Several models label the frames of whole videos together, got {options[0]}." in printed.err
    assert "Traceback" not in printed.err and printed.out == ""


def test_a_live_source_is_read_by_one_model(seeds):
    with pytest.raises(UserError, match=r"got a live source\. Name one model"):
        predict_sources("0", seeds / "0", PredictionRequest(), others=[seeds / "1"])


def test_models_that_read_other_features_or_label_nothing_are_refused(video, seeds):
    with pytest.raises(FingerprintError, match="fps"):
        predict_sources(str(video), seeds / "0", PredictionRequest(), others=[seeds / "other"], device="cpu")
    with pytest.raises(UserError, match="got none in model 2 and frame_labels of 3 classes in the first"):
        predict_sources(str(video), seeds / "0", PredictionRequest(), others=[seeds / "next"], device="cpu")
    with pytest.raises(UserError, match="expects models that label frames, got some for next_action"):
        predict_sources(str(video), seeds / "next", PredictionRequest(), others=[seeds / "next"], device="cpu")
