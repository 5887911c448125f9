"""Predicting on everything that a source names: files at once, cameras and streams as they come."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.errors import ModelError, UserError
from vidseq.features.base import Backbone
from vidseq.inference.dataset_queries import DatasetQueries
from vidseq.inference.live import stream_video
from vidseq.inference.offline import predict_video, video_features
from vidseq.inference.predictions import Prediction, formatter, write_predictions
from vidseq.inference.request import PredictionRequest
from vidseq.inference.sources import backbone_of, find_sources
from vidseq.model import VideoReasoner
from vidseq.progress import progress
from vidseq.video.live import LiveReader, is_live
from vidseq.video.reader import VideoReader
from vidseq.video.writer import check_name


def predict_sources(
    source: str,
    model_folder: Path | str,
    request: PredictionRequest,
    *,
    data: Path | str | None = None,
    out: Path | None = None,
    save_video: Path | None = None,
    live: bool = False,
    weights: str = "pretrained",
    device: str = "auto",
    skip_bad: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, str]:
    """Predicts on everything that a source names; one video that fails is reported, and the rest goes on.

    Args:
        source: a file, folder, glob, camera number or stream address.
        model_folder: the model.
        request: what to ask.
        data: a data set that the videos belong to: its queries about them are asked in place of the request's, and
            rows hold the right answers, too.
        out: where rows go, by ending; None: one JSON object a line to `say`.
        save_video: where the annotated video goes; a folder where there are several.
        live: say each row as soon as it is known.
        weights: of the backbone, see `BackboneConfig`.
        device: where to compute.
        skip_bad: go on without damaged frames.
        say: takes a line of output.

    Returns:
        why each video that failed did.

    Raises:
        UserError: nothing to predict on, an unknown format to write, every video failed for one reason, or a source
            that is no video of the data set.
        DataError: the data set cannot be read.
        ModelError: the model cannot be loaded.
    """
    if out is not None:
        formatter(out)
    sources = find_sources(source)
    if save_video is not None and len(sources) == 1:
        check_name(save_video)
    listed = None if data is None else DatasetQueries(Dataset.load(data))
    if listed is not None:
        listed.check(sources, request, live=live)
    model = load_model(model_folder, device)
    backbone = backbone_of(model, weights, device)
    rows: list[Prediction] = []
    failed: dict[str, str] = {}
    for path in progress(sources, what="Predicting", unit="video"):
        try:
            found = _predict_one(
                path, model, backbone, request, listed, live=live, skip_bad=skip_bad, say=None if out else say
            )
            if save_video is not None:
                target = save_video / f"{Path(path).stem}.mp4" if len(sources) > 1 else save_video
                annotate(path, found, target, skip_bad=skip_bad)
        except (UserError, FileNotFoundError) as error:
            if len(sources) == 1:
                raise
            failed[path] = str(error)
            print(f"vidseq: {error}", file=sys.stderr)
            continue
        rows += found
    if out is not None:
        write_predictions(rows, out)
        known = [row for row in rows if row.truth is not None]
        if known:
            say(f"{len(known) - sum(row.is_wrong for row in known)} of {len(known)} answers are right.")
    return failed


def annotate(path: str, rows: Sequence[Prediction], out: Path, *, skip_bad: bool = False) -> None:
    """Writes a video with its predictions drawn on it; rows of kinds that are not drawn are left out.

    Raises:
        UserError: the source is live, so that it cannot be read again.
    """
    from vidseq.inference.overlay import DRAWN_KINDS, save_annotated_video  # draws with Pillow

    if is_live(path):
        raise UserError("--save-video expects a video file, got a live source. Record it first.")
    save_annotated_video(path, out, [row for row in rows if row.kind in DRAWN_KINDS], skip_bad=skip_bad)


def _predict_one(
    path: str,
    model: VideoReasoner,
    backbone: Backbone,
    request: PredictionRequest,
    listed: DatasetQueries | None,
    *,
    live: bool,
    skip_bad: bool,
    say: Callable[[str], None] | None,
) -> list[Prediction]:
    rows = []
    for row in _rows_of(path, model, backbone, request, listed, live=live, skip_bad=skip_bad):
        rows.append(row)
        if say is not None:
            say(json.dumps(row.as_record(), ensure_ascii=False))
    return rows


def _rows_of(
    path: str,
    model: VideoReasoner,
    backbone: Backbone,
    request: PredictionRequest,
    listed: DatasetQueries | None,
    *,
    live: bool,
    skip_bad: bool,
) -> Iterable[Prediction]:
    fps = _fps_of(model)
    decoder = model.config.fingerprint.decoder if model.config.fingerprint else "auto"
    if is_live(path):
        with closing(LiveReader(path)) as camera:
            yield from stream_video(model, backbone, path, camera.sample(Fraction(fps)), request)
    elif live:
        with VideoReader(path, size=backbone.size, decoder=decoder, skip_bad=skip_bad) as reader:
            end = min(reader.info.duration_seconds, request.limit_seconds or math.inf)
            request.check_within(end)
            frames = _samples(reader, Fraction(fps), end)
            yield from stream_video(model, backbone, Path(path).stem, frames, request, end, sampled=True)
    else:
        features, end = video_features(
            path, backbone, fps, decoder=decoder, limit_seconds=request.limit_seconds, skip_bad=skip_bad
        )
        queries = None if listed is None else listed.of(path, model, end)
        yield from predict_video(model, Path(path).stem, features, end, request, queries)


def _samples(reader: VideoReader, fps: Fraction, end: float) -> Iterator[tuple[np.ndarray, float]]:
    """The samples that features are made of, one by one."""
    for frames in reader.sample(fps, end=end):
        yield from zip(frames.images, frames.pts_seconds.tolist())


def _fps_of(model: VideoReasoner) -> str:
    if model.config.fps is None:
        raise ModelError("Predicting on a video expects a model that knows its frame rate, got one without.")
    return model.config.fps
