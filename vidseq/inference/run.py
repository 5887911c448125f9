"""Predicting on everything that a source names: files at once, cameras and streams as they come."""

import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq import __version__
from vidseq.checkpoint import find_checkpoint, load_model
from vidseq.data.dataset import Dataset
from vidseq.data.format import INFO_FILE, QUERIES_FILE, SEGMENTS_FILE, VIDEOS_FILE
from vidseq.errors import ModelError, UserError
from vidseq.features.base import Backbone
from vidseq.inference.batch import Batch
from vidseq.inference.dataset_queries import DatasetQueries
from vidseq.inference.live import stream_video
from vidseq.inference.live_source import LiveRun, warm_up
from vidseq.inference.offline import predict_video, video_features
from vidseq.inference.predictions import Prediction, formatter, to_json
from vidseq.inference.request import PredictionRequest
from vidseq.inference.row_file import RowFile
from vidseq.inference.sources import Source, Sources, backbone_of, find_sources
from vidseq.model import VideoReasoner
from vidseq.video.addresses import is_live
from vidseq.video.folder import VIDEO_SUFFIXES
from vidseq.video.live import LiveLimits, LiveReader
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
    html: Path | None = None,
    live: bool = False,
    weights: str = "pretrained",
    device: str = "auto",
    skip_bad: bool = False,
    reconnect_seconds: float = LiveLimits.reconnect,
    form: Callable[[Prediction], str] = to_json,
    say: Callable[[str], None] = print,
) -> dict[str, str]:
    """Predicts on everything that a source names; a video that fails is reported, and the rest goes on.

    Rows are on disk as soon as they are known, in `<out>.part` until all videos are finished. If the process stops
    before, the same call goes on after the videos that are finished.

    Args:
        source: a file, folder, glob, camera number or stream address.
        model_folder: the model.
        request: what to ask.
        data: a data set that the videos belong to: its queries about them are asked in place of the request's, and
            rows hold the right answers, too.
        out: where rows go, by ending; None: each to `say`, in `form`.
        save_video: where the annotated video goes; a folder where the source is a folder or glob. Of a live source it
            is a recording of what the model reads, which is on disk as it grows.
        html: page with the rows of all videos beside the videos; see `vidseq.timeline`.
        live: say each row as soon as it is known.
        weights: of the backbone, see `BackboneConfig`.
        device: where to compute.
        skip_bad: go on without damaged frames.
        reconnect_seconds: how long to try to reach a live source again that was lost.
        form: turns a row into what is said, such as `TerminalTable`; a line of JSON.
        say: takes a line of output.

    Returns:
        why each video that failed did.

    Raises:
        UserError: nothing to predict on, an unknown format to write, rows that cannot be written, something that the
            model was not trained for, or a source that is no video of the data set.
        DataError: the data set cannot be read.
        ModelError: the model cannot be loaded.
        Exception: whatever made the only video of a source fail that is neither folder nor glob.
    """
    if out is not None:
        formatter(out)
    found = find_sources(source, apart_from=save_video)
    targets = _annotated_files(found, save_video)
    is_camera_or_stream = any(is_live(video.path) for video in found.videos)
    if html is not None and is_camera_or_stream:
        raise UserError("--html expects video files, got a live source. Record it first.")
    listed = None if data is None else DatasetQueries(Dataset.load(data))
    if listed is not None:
        listed.check([video.path for video in found.videos], request, live=live)
    model = load_model(model_folder, device)
    request.check_tasks(model.tasks)
    reader = _Reader(
        model, backbone_of(model, weights, device), request, listed, live=live, skip_bad=skip_bad,
        limits=LiveLimits(reconnect=reconnect_seconds), recordings=targets,
    )  # fmt: skip
    rows = None
    if out is not None:
        command = {
            "vidseq": __version__,
            "model": _stamps(find_checkpoint(model_folder), "*.json", "*.safetensors"),
            "data": data and _stamps(Path(data), INFO_FILE, VIDEOS_FILE, SEGMENTS_FILE, QUERIES_FILE),
            "request": dataclasses.asdict(request),
            "options": [live, weights, skip_bad, save_video and str(save_video)],
        }
        rows = RowFile(out, command, several=found.several, live=is_camera_or_stream)
    for note in found.notes:
        print(f"vidseq: {note}", file=sys.stderr)

    def annotate_one(video: Source, known: Sequence[Prediction]) -> None:
        annotate(video.path, known, targets[video], skip_bad=skip_bad)

    batch = Batch(
        found, reader, lambda row: say(form(row)), rows,
        annotate_one if targets and not is_camera_or_stream else None, keep=html is not None,
    )  # fmt: skip
    try:
        batch.run()
    finally:
        for line in reader.summary():
            print(f"vidseq: {line}", file=sys.stderr)
    if html is not None:
        from vidseq.inference.timeline import write_page  # renders with jinja2

        write_page(html, batch, Path(model_folder).resolve().name, None if listed is None else listed.dataset, found)
    if batch.num_known and (rows is not None or form is not to_json):
        say(f"{batch.num_right} of {batch.num_known} answers are right.")
    return batch.failed


def annotate(path: str, rows: Sequence[Prediction], out: Path, *, skip_bad: bool = False) -> None:
    """Writes a video with its predictions drawn on it; rows of kinds that are not drawn are left out."""
    from vidseq.inference.overlay import DRAWN_KINDS, save_annotated_video  # draws with Pillow

    save_annotated_video(path, out, [row for row in rows if row.kind in DRAWN_KINDS], skip_bad=skip_bad)


def _annotated_files(found: Sources, save_video: Path | None) -> Mapping[Source, Path]:
    """Where the annotated copy of each video goes.

    Raises:
        UserError: a file is named for several videos, or a folder for a live source.
    """
    if save_video is None:
        return {}
    if save_video.is_dir() and is_live(found.videos[0].path):
        raise UserError(
            f"--save-video expects a file name for a live source, got the folder '{save_video}'. "
            f"Name a file such as '{save_video / 'live.mp4'}'."
        )
    if found.several and (save_video.is_file() or _names_a_file(save_video)):
        raise UserError(
            f"--save-video expects a folder where --source is a folder or glob, got the file name '{save_video}'. "
            f"Name a folder such as '{save_video.with_suffix('')}'."
        )
    if found.several or save_video.is_dir():
        return {video: save_video / f"{video.name}.mp4" for video in found.videos}
    check_name(save_video)
    return dict.fromkeys(found.videos, save_video)


def _names_a_file(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def _stamps(folder: Path, *patterns: str) -> list[tuple[str, int, int]]:
    """What changes when a file of a folder is replaced."""
    files = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


class _Reader:
    """Reads a video, and yields its rows as they are known: a live source's one by one, a file's at once."""

    def __init__(
        self,
        model: VideoReasoner,
        backbone: Backbone,
        request: PredictionRequest,
        listed: DatasetQueries | None,
        *,
        live: bool,
        skip_bad: bool,
        limits: LiveLimits,
        recordings: Mapping[Source, Path],
    ) -> None:
        if model.config.fps is None:
            raise ModelError("Predicting on a video expects a model that knows its frame rate, got one without.")
        self._model, self._backbone, self._request, self._listed = model, backbone, request, listed
        self._fps = model.config.fps
        self._decoder = model.config.fingerprint.decoder if model.config.fingerprint else "auto"
        self._live, self._skip_bad = live, skip_bad
        self._limits, self._recordings = limits, recordings
        self._run: LiveRun | None = None

    def __call__(self, video: Source) -> Iterator[Sequence[Prediction]]:
        if is_live(video.path):
            yield from ([row] for row in self._camera(video))
        elif self._live:
            yield from ([row] for row in self._stream(video))
        else:
            yield self._file(video)

    def summary(self) -> list[str]:
        """What there is to say of a live source, line by line."""
        return [] if self._run is None else self._run.summary()

    def _camera(self, video: Source) -> Iterator[Prediction]:
        warm_up(self._model, self._backbone)
        with LiveReader(video.path, limits=self._limits) as reader:
            recording = self._recordings.get(video)
            self._run = LiveRun(self._model, self._backbone, video.name, reader, self._request, recording)
            yield from self._run

    def _stream(self, video: Source) -> Iterator[Prediction]:
        with VideoReader(
            video.path, size=self._backbone.size, decoder=self._decoder, skip_bad=self._skip_bad
        ) as reader:
            end = min(reader.info.duration_seconds, self._request.limit_seconds or math.inf)
            self._request.check_within(end)
            frames = _samples(reader, Fraction(self._fps), end)
            yield from stream_video(self._model, self._backbone, video.name, frames, self._request, end, sampled=True)

    def _file(self, video: Source) -> list[Prediction]:
        features, end = video_features(
            video.path,
            self._backbone,
            self._fps,
            decoder=self._decoder,
            limit_seconds=self._request.limit_seconds,
            skip_bad=self._skip_bad,
        )
        if self._listed is None:
            return predict_video(self._model, video.name, features, end, self._request)
        queries = self._listed.of(video.path, self._model, end)
        return predict_video(self._model, self._listed.name(video.path), features, end, self._request, queries)


def _samples(reader: VideoReader, fps: Fraction, end: float) -> Iterator[tuple[np.ndarray, float]]:
    """The samples that features are made of, one by one."""
    for frames in reader.sample(fps, end=end):
        yield from zip(frames.images, frames.pts_seconds.tolist())
