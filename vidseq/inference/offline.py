"""Predicting on a video file: features first, then everything that is asked, at once."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import Past, count_visible, past_of
from vidseq.errors import UserError
from vidseq.features.base import Backbone
from vidseq.features.store import VideoFeatures
from vidseq.inference.predictions import Prediction
from vidseq.inference.predictor import Predictor
from vidseq.inference.request import PredictionRequest
from vidseq.language.written import Written
from vidseq.model import VideoReasoner
from vidseq.progress import progress
from vidseq.tasks.future import NUM_FUTURES, future_rows
from vidseq.video.reader import VideoReader


def video_features(
    path: Path | str,
    backbone: Backbone,
    fps: str,
    *,
    decoder: str = "auto",
    limit_seconds: float | None = None,
    skip_bad: bool = False,
) -> tuple[VideoFeatures, float]:
    """Reads a video through a CNN.

    Args:
        path: the video file.
        backbone: the CNN.
        fps: frames a second to sample.
        decoder: as the model's features were decoded.
        limit_seconds: only the first so many seconds.
        skip_bad: leave damaged frames out.

    Returns:
        the features, float16 as they are stored, and when what was read ends, in seconds.
    """
    parts, times, pictures = [], [], []
    with VideoReader(path, size=backbone.size, decoder=decoder, skip_bad=skip_bad) as reader:
        end = min(reader.info.duration_seconds, limit_seconds or math.inf)
        total = math.ceil(end * Fraction(fps))
        with progress(total=total, what=f"Reading {Path(path).name}", unit="frame") as bar:
            for frames in reader.sample(Fraction(fps), end=end, chunk=backbone.batch_size):
                parts.append(backbone(frames.images).astype(np.float16))
                times.append(frames.pts_seconds)
                pictures.append(frames.picture_seconds)
                bar.update(len(frames))
    if not parts:
        raise UserError(f"{path} expects at least one frame that can be read, got none.")
    return VideoFeatures(*map(np.concatenate, (parts, times, pictures))), end


def predict_video(
    model: VideoReasoner, video: str, features: VideoFeatures, end: float, request: PredictionRequest
) -> list[Prediction]:
    """Answers all that is planned for a video whose features are at hand.

    Args:
        model: any.
        video: its name, for the rows.
        features: at the model's rate.
        end: when the video ends, in seconds.
        request: what to ask.

    Returns:
        labelled segments first, then the answers by time, then what is foretold.
    """
    predictor = Predictor(model)
    rows = _labelled_segments(predictor, video, features, end, request.top) if "frame_labels" in model.tasks else []
    queries = request.queries(video, list(model.tasks), float(features.pts_seconds[0]), end)
    if request.context_seconds is None:
        answers = predictor.predict(features.features, features.pts_seconds, queries) if queries else []
    else:
        answers = [_answer_within(predictor, features, query, request.context_seconds) for query in queries]
    for query, answer in zip(queries, answers):
        rows.append(_as_prediction(query, _ranking(predictor, query, answer, request.top)))
    for time in request.future_times(model.tasks, end):
        rows += _foretold(predictor, video, features, time, request)
    return rows


def _foretold(
    predictor: Predictor, video: str, features: VideoFeatures, time: float, request: PredictionRequest
) -> list[Prediction]:
    past = _past(features, time, request.context_seconds or math.inf)
    likeliest = predictor.likeliest_future(*past, time, video=video)
    (drawn,) = predictor.futures(*past, [time], num_futures=NUM_FUTURES, video=video)
    return future_rows(video, time, likeliest, drawn, request.top)


def _ranking(
    predictor: Predictor, query: Query, answer: np.ndarray | Written, top: int
) -> tuple[tuple[str, float], ...]:
    if isinstance(answer, Written):
        return tuple((text, math.exp(log_prob)) for text, log_prob in answer.ranking[:top])
    return rank(np.exp(answer), predictor.classes(predictor.task_for(query.kind)), top)


def rank(probabilities: np.ndarray, classes: Sequence[str], top: int) -> tuple[tuple[str, float], ...]:
    """The likeliest classes with their probabilities, best first; probabilities (C,)."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple((classes[number], float(probabilities[number])) for number in order)


def _labelled_segments(
    predictor: Predictor, video: str, features: VideoFeatures, end: float, top: int
) -> list[Prediction]:
    """Joins neighbouring frames with one label; a segment's probability is the mean of its frames'."""
    probabilities = predictor.frame_labels(features.features, video)
    classes = predictor.classes("frame_labels")
    best = probabilities.argmax(axis=1)
    starts = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist()]
    stops = [*starts[1:], len(best)]
    times = [*features.pts_seconds.tolist(), end]
    rows = []
    for start, stop in zip(starts, stops):
        ranking = rank(probabilities[start:stop].mean(axis=0), classes, top)
        label = classes[best[start]]
        rows.append(
            Prediction(
                video=video,
                time=times[start],
                end=max(times[stop], times[start]),
                kind="frame_labels",
                answer=label,
                probability=float(probabilities[start:stop, best[start]].mean()),
                ranking=ranking,
            )
        )
    return rows


def _answer_within(
    predictor: Predictor, features: VideoFeatures, query: Query, context_seconds: float
) -> np.ndarray | Written:
    past = _past(features, query.time, context_seconds)
    return predictor([past.features], [past.pts_seconds], [query])[0]


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


def _as_prediction(query: Query, ranking: tuple[tuple[str, float], ...]) -> Prediction:
    answer, probability = ranking[0]
    return Prediction(
        video=query.video,
        time=query.time,
        kind=query.kind,
        question=query.question,
        answer=answer,
        probability=probability,
        ranking=ranking,
    )
