"""Segments of a model with many labels a frame, while pictures come: from files, streams and live sources."""

import dataclasses
import time

import numpy as np
import pytest
import torch

from vidseq.features.base import Backbone
from vidseq.features.store import VideoFeatures
from vidseq.inference import PredictionRequest
from vidseq.inference.live import stream_video
from vidseq.inference.live_source import LiveRun
from vidseq.inference.offline import predict_video
from vidseq.model import VideoReasoner
from vidseq.video.live import LivePicture, LiveReader
from vidseq.video.newest import Clock, Counts
from vidseq.video.resizing import Size

FPS, FRAMES = 4, 40


class Pixels(Backbone):
    """Reads six features off the one colour of an image, which stays whatever its size."""

    name, dim, batch_size, size = "toy", 6, 4, Size(32, "crop")

    def __init__(self, fingerprint):
        self._fingerprint = fingerprint

    def __call__(self, images):
        return np.tile(images[:, 16, 16].astype(np.float32) / 64 - 2, 2)

    def fingerprint(self, fps, decoder="auto"):
        return self._fingerprint


class Pictures(LiveReader):
    """A reader that has given its pictures before anyone asks."""

    def __init__(self, images, times):
        self.name, self.clock, self.counts, self.end_reason, self.gaps = (
            "'x'",
            Clock(),
            Counts(len(images)),
            "over",
            [],
        )
        self._pictures = zip(images, times)

    def sample(self, fps, *, end=np.inf):
        for image, seconds in self._pictures:
            index, now = round(seconds * FPS), time.monotonic()
            yield LivePicture(image=image, pts_seconds=seconds, index=index, gap=None, arrived=now)


@pytest.fixture
def model(toy_config):
    config = dataclasses.replace(toy_config, tasks={"frame_labels": {"multi_label": True}})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = VideoReasoner(config).eval()
    return model


@pytest.fixture
def world(model):
    """Images that change every few samples, their times, and the rows of the whole video."""
    random = np.random.default_rng(0)
    colours = np.repeat(random.integers(0, 256, (FRAMES // 4, 1, 1, 3)), 4, axis=0)
    images = np.broadcast_to(colours, (FRAMES, 32, 32, 3)).astype(np.uint8)
    backbone, times = Pixels(model.config.fingerprint), np.arange(FRAMES) / FPS
    features = VideoFeatures(backbone(images).astype(np.float16), times)
    task = model.dense_task()
    with torch.no_grad():
        y = model(torch.from_numpy(features.features.astype(np.float32))[None])
        task.thresholds.copy_(task.log_probabilities(task.decode(y))[0].exp().median(dim=0).values)
    end = float(times[-1])
    rows = predict_video(model, "x", features, end, PredictionRequest())
    assert len(rows) > 5 and {row.answer for row in rows} == {"wave", "jump"}
    return backbone, images, times.tolist(), end, facts(rows)


def facts(rows):
    return sorted((row.time, row.end, row.answer, round(row.probability, 5)) for row in rows if row.end is not None)


@pytest.mark.parametrize("sampled", [True, False])
def test_a_file_that_is_streamed_has_the_segments_of_the_whole(model, world, sampled):
    backbone, images, times, end, expected = world
    frames = list(zip(images, times))
    if not sampled:  # twice the pictures, of which the stream takes those on screen at its sampling times
        frames = [(image, time + late) for image, time in frames for late in (0, 0.1)]
    rows = list(stream_video(model, backbone, "x", frames, PredictionRequest(), end, sampled=sampled))
    assert facts(rows) == expected
    now = [row for row in rows if row.end is None]
    assert now and all(row.time % 1 == 0 for row in now), "what is there now is asked every second"


def test_segments_come_when_they_end(model, world):
    backbone, images, times, end, _ = world
    pushed = []

    def frames():
        for image, seconds in zip(images, times):
            pushed.append(seconds)
            yield image, seconds

    for row in stream_video(model, backbone, "x", frames(), PredictionRequest(), end, sampled=True):
        if row.end is not None and row.end < end:
            assert row.end <= pushed[-1] <= row.end + 1 / FPS


def test_a_live_source_has_the_same_segments(model, world):
    backbone, images, times, _, expected = world
    run = LiveRun(model, backbone, "x", Pictures(images, times), PredictionRequest(), None)
    assert facts(run) == expected
