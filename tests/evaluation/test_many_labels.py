"""Many labels a frame, end to end: a published layout is converted, learnt, scored as published, and predicted."""

import json

import numpy as np
import pandas as pd
import pytest

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.evaluation import average_precision
from vidseq.evaluation.models import evaluate_models
from vidseq.features.store import FeatureStore
from vidseq.importers import IMPORTERS
from vidseq.inference import Predictor, Stream
from vidseq.inference.offline import predict_video
from vidseq.inference.request import PredictionRequest
from vidseq.segmentation import segment_average_precision
from vidseq.training import TrainConfig, fit

pytestmark = pytest.mark.filterwarnings("ignore::vidseq.evaluation.intervals.FewGroupsWarning")

CLASSES = ["Background", "Dive", "Jump", "Ambiguous"]
VIDEOS = {"train": 24, "val": 6, "test": 8}


def write_videos(folder):
    """Targets with overlapping runs, and features that show each class with some noise."""
    random = np.random.default_rng(0)
    for name in ("target_perframe", "rgb"):
        (folder / name).mkdir(parents=True)
    splits = {}
    for split, count in VIDEOS.items():
        splits[f"{split}_session_set"] = [f"{split}{number}" for number in range(count)]
        for video in splits[f"{split}_session_set"]:
            target = np.zeros((40, 4))
            for column in (1, 2, 1, 2):
                start = int(random.integers(0, 34))
                target[start : start + int(random.integers(4, 9)), column] = 1
            target[35:37] = [0, 0, 0, 1]
            target[:, 0] = ~target[:, 1:].any(axis=1)
            np.save(folder / "target_perframe" / f"{video}.npy", target)
            np.save(folder / "rgb" / f"{video}.npy", (target @ np.eye(4, 6) + random.normal(0, 0.25, (40, 6))))
    about = {"class_names": CLASSES, "fps": 4, "ignore_index": 3, **splits}
    (folder / "data_info.json").write_text(json.dumps({"THUMOS": about}))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("thumos"), tmp_path_factory.mktemp("sports")
    write_videos(source)
    IMPORTERS["perframe"](source, out, info=source / "data_info.json", features="rgb")
    return Dataset.load(out), FeatureStore.open_in(out)


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    options = {"multi_label": True, "ambiguous": "Ambiguous"}
    config = TrainConfig(head="gru", dim=16, epochs=12, lr=1e-2, batch_size=4, tasks={"frame_labels": options})
    return fit(*world, config, tmp_path_factory.mktemp("runs") / "sports")


def test_scores_are_those_of_the_published_measures(world, run, tmp_path):
    dataset, store = world
    text = evaluate_models(dataset.folder, [run], out=tmp_path)
    predictor = Predictor(load_model(run, "cpu"), dataset.class_labels)
    videos = [video.video for video in dataset.split("test")]
    scores = np.concatenate([predictor.frame_labels(store.read(video).features, video) for video in videos])
    targets = np.zeros((len(videos) * 40, 4), bool)
    for number, video in enumerate(videos):
        for item in dataset.segments_of(video):
            first = round(item.start * 4)
            targets[number * 40 + first : number * 40 + round(item.end * 4), CLASSES.index(item.label)] = True
    clear = ~targets[:, 3]
    expected = [average_precision(scores[clear, column], targets[clear, column]) for column in (1, 2)]
    means = pd.read_csv(tmp_path / "frame_labels_detection.csv")
    assert means["background"].tolist() == ["out", "in"] and means["classes"].tolist() == [2, 3]
    assert means["mAP"][0] == pytest.approx(np.mean(expected), abs=1e-12) and means["mAP"][0] > 0.9
    assert means["num_frames"][0] == clear.sum()
    assert targets[clear][:, 1:3].all(axis=1).any(), "labels overlap"

    rows = pd.read_parquet(tmp_path / "frame_labels_segments.parquet")
    assert sorted(rows["label"].unique()) == ["Dive", "Jump"]
    assert rows["is_true"].sum() == sum(
        item.label in ("Dive", "Jump") for video in videos for item in dataset.segments_of(video)
    )
    segments = pd.read_csv(tmp_path / "frame_labels_segment_detection.csv")
    assert segments["decoding"].tolist() == ["thresholds"] and segments["mAP@0.5"][0] > 0.5
    counts = pd.read_csv(tmp_path / "frame_labels.csv")
    thresholds = predictor.model.dense_task().thresholds.numpy()
    found = (scores >= thresholds)[:, 1:] & clear[:, None]
    assert counts["true_positives"].sum() == (found & targets[:, 1:]).sum()
    assert counts["false_positives"].sum() == (found & ~targets[:, 1:]).sum()
    for what in ("precision", "F1 of frames (%)", "mAP of frames (%)", "mAP@0.5 of segments (%)"):
        assert what in text
    assert "calibration" not in text


def test_segments_are_those_that_predict_gives(world, run):
    dataset, store = world
    model = load_model(run, "cpu")
    found, scores, true = [], [], []
    for video in dataset.split("test"):
        rows = predict_video(model, video.video, store.read(video.video), video.duration, PredictionRequest())
        assert all(row.answer != "Background" for row in rows)
        found += [item_of(row) for row in rows]
        scores += [row.probability for row in rows]
        true += [item for item in dataset.segments_of(video.video) if item.label != "Ambiguous"]
    assert any(
        one.video == other.video and one.label < other.label and one.start < other.end and other.start < one.end
        for one in found
        for other in found
    )
    assert segment_average_precision(found, scores, true, overlaps=[0.5]).mean > 0.5


def item_of(row):
    from vidseq.data.schema import Segment

    return Segment(video=row.video, start=row.time, end=row.end, label=row.answer)


def test_a_stream_gives_the_same_segments(world, run):
    dataset, store = world
    model = load_model(run, "cpu")
    for video in dataset.split("test")[:3]:
        features = store.read(video.video)
        whole = predict_video(model, video.video, features, video.duration, PredictionRequest())
        stream, rows = Stream(model, video=video.video), []
        for frame, time in zip(features.features, features.pts_seconds):
            stream.push(frame[None], [time])
            rows += stream.take_segments()
        rows += stream.take_segments(end=video.duration)
        assert sorted((row.time, row.end, row.answer) for row in rows) == sorted(
            (row.time, row.end, row.answer) for row in whole
        )
        assert stream.take_segments() == []


def test_thresholds_are_in_the_checkpoint(run):
    task = load_model(run, "cpu").dense_task()
    assert (task.thresholds != 0.5).any() and int(task.background_class) == 0
    assert task.class_weights[1] > 1
