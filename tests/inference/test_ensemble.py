"""Several models as one for frame labels."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from vidseq.checkpoint import save_model
from vidseq.errors import UserError
from vidseq.evaluation.models import evaluate_models
from vidseq.inference import Ensemble, Predictor
from vidseq.model import VideoReasoner

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
