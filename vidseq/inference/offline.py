"""Predicts on a video file: extracts its features first, then answers all queries at once."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import Past, count_visible, past_of
from vidseq.errors import UserError
from vidseq.features.base import Backbone
from vidseq.features.store import VideoFeatures
from vidseq.features.windows import PastWindows
from vidseq.inference.predictions import Prediction
from vidseq.inference.predictor import Predictor
from vidseq.inference.request import PredictionRequest
from vidseq.model import VideoReasoner
from vidseq.progress import progress
from vidseq.tasks import DenseTask, QueryTask, of_family
from vidseq.video.reader import Frames, VideoReader
from vidseq.watch import watched


def video_features(
    path: Path | str,
    backbone: Backbone,
    fps: str,
    *,
    decoder: str = "auto",
    limit_seconds: float | None = None,
    skip_bad: bool = False,
    seen: Callable[[Frames, int], None] | None = None,
) -> tuple[VideoFeatures, float]:
    """Reads a video through a CNN.

    Args:
        path: the video file.
        backbone: the CNN.
        fps: frames a second to sample.
        decoder: as the model's features were decoded.
        limit_seconds: only the first so many seconds.
        skip_bad: leave damaged frames out.
        seen: called with each batch of samples that was read, and how many samples there are in all; what it raises
            ends the reading.

    Returns:
        the features, float16 as they are stored, and when what was read ends, in seconds.
    """
    parts, times, pictures = [], [], []
    windows = PastWindows(backbone.window)
    with watched(), VideoReader(path, size=backbone.size, decoder=decoder, skip_bad=skip_bad) as reader:
        end = min(reader.info.duration_seconds, limit_seconds or math.inf)
        total = math.ceil(end * Fraction(fps))
        with progress(total=total, what=f"Reading {Path(path).name}", unit="frame") as bar:
            for frames in reader.sample(Fraction(fps), end=end, chunk=backbone.batch_size):
                parts.append(backbone(windows.add(frames.images)).astype(np.float16))
                times.append(frames.pts_seconds)
                pictures.append(frames.picture_seconds)
                bar.update(len(frames))
                if seen is not None:
                    seen(frames, total)
    if not parts:
        raise UserError(f"{path} expects at least one frame that can be read, got none.")
    return VideoFeatures(*map(np.concatenate, (parts, times, pictures))), end


def predict_video(
    model: VideoReasoner,
    video: str,
    features: VideoFeatures,
    end: float,
    request: PredictionRequest,
    queries: Sequence[Query] | None = None,
) -> list[Prediction]:
    """Answers all that a request asks of a video whose features are at hand.

    Args:
        model: any.
        video: its name, for the rows.
        features: at the model's rate.
        end: when the video ends, in seconds.
        request: what to ask.
        queries: asked in place of the request's.

    Returns:
        labelled segments first, then the answers by time, then the forecasts.

    Raises:
        UserError: a time outside of the video, or something that the model was not trained for.
    """
    request.check_tasks(model.tasks)
    predictor = Predictor(model)
    rows = label_video(predictor, video, features, end, request.top)
    askable = of_family(model.tasks.values(), QueryTask).values()
    if queries is None:
        asked = request.queries(video, askable, float(features.pts_seconds[0]), end)
    else:
        asked = [(predictor.task_for(query.kind), query) for query in sorted(queries, key=lambda query: query.time)]
    if request.context_seconds is not None:
        for task_name, query in asked:
            past = _past(features, query.time, request.context_seconds)
            rows += predictor.predict_rows(*past, [(task_name, query)], request.top)[0]
    elif asked:
        for answers in predictor.predict_rows(features.features, features.pts_seconds, asked, request.top):
            rows += answers
    return rows


def label_video(predictor: Predictor, video: str, features: VideoFeatures, end: float, top: int) -> list[Prediction]:
    """Labels the segments of a video whose features are at hand.

    Args:
        predictor: one model, or several together (`Ensemble`).
        video: its name, for the rows.
        features: at the model's rate.
        end: when the video ends, in seconds.
        top: how many classes to rank.

    Returns:
        a row for each segment, task after task.
    """
    rows = []
    for task in of_family(predictor.model.tasks.values(), DenseTask).values():
        probabilities = predictor.frame_labels(features.features, video, task=task.name)
        rows += task.label_segments(probabilities, features.pts_seconds, end, video=video, top=top)
    return rows


def _past(features: VideoFeatures, time: float, context_seconds: float) -> Past:
    """What a query sees of a video, at least one sample."""
    times = features.pts_seconds
    past = past_of(features.features, times, time, context_seconds=context_seconds)
    if not count_visible(times, time):
        raise UserError(
            f"A query expects a time at or after the video's first frame ({times[0]:.3f} s), got {time:.3f} s."
        )
    if not len(past.pts_seconds):
        raise UserError(
            f"--context expects to show a frame at {time:.3f} s, got {context_seconds:g} s, which shows none. "
            "Give more than a frame's time."
        )
    return past
