"""Reads videos and yields the rows that are known of each, here or in a process of its own."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.checkpoint import load_model
from vidseq.data.dataset import Dataset
from vidseq.errors import ModelError
from vidseq.inference.dataset_queries import DatasetQueries
from vidseq.inference.ensemble import Ensemble
from vidseq.inference.live import stream_video
from vidseq.inference.live_source import LiveRun, warm_up
from vidseq.inference.offline import label_video, predict_video, video_features
from vidseq.inference.predictions import Prediction
from vidseq.inference.request import PredictionRequest
from vidseq.inference.sources import Source, backbone_of
from vidseq.isolation import Isolated
from vidseq.video.addresses import is_live
from vidseq.video.live import LiveLimits, LiveReader
from vidseq.video.reader import VideoReader
from vidseq.watch import watched


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """What rows are made with; see `predict_sources`. Can be sent to another process."""

    model: Path
    others: tuple[Path, ...] = ()
    """Models whose frame labels are averaged with those of `model`; frames are then labelled, and no more."""
    request: PredictionRequest
    data: Path | None
    targets: Mapping[Source, Path]
    """The annotated copies or recordings to make."""
    live: bool
    weights: str
    device: str
    skip_bad: bool
    limits: LiveLimits


class RowReader:
    """Loads models, and yields rows of videos as they are known: a live source's one by one, a file's at once.

    Args:
        settings: what rows are made with.
        listed: the queries of its data set, if they were read already.

    Raises:
        UserError: the model was not trained for what is asked, or several models do not label frames alike.
        ModelError: a model cannot be loaded.
        FingerprintError: several models read other features.
        DataError: the data set cannot be read.
    """

    def __init__(self, settings: RowSettings, listed: DatasetQueries | None = None) -> None:
        self._settings = settings
        if listed is None and settings.data is not None:
            listed = DatasetQueries(Dataset.load(settings.data))
        self._listed = listed
        model = load_model(settings.model, settings.device)
        settings.request.check_tasks(model.tasks)
        if listed is None:
            settings.request.check_asked(map(model.find_task, model.tasks))
        if model.config.fps is None:
            raise ModelError("Predicting on a video expects a model that knows its frame rate, got one without.")
        others = [
            load_model(other, settings.device, fingerprint=model.config.fingerprint) for other in settings.others
        ]
        self._ensemble = Ensemble([model, *others]) if others else None
        self._model, self._backbone = model, backbone_of(model, settings.weights, settings.device)
        self._fps = model.config.fps
        self._decoder = model.config.fingerprint.decoder if model.config.fingerprint else "auto"
        self._run: LiveRun | None = None

    def __call__(self, video: Source) -> Iterator[Sequence[Prediction]]:
        """Yields the rows of a video, then makes its annotated copy."""
        if is_live(video.path):
            yield from ([row] for row in self._camera(video))
            return
        target, known = self._settings.targets.get(video), []
        parts = ([row] for row in self._stream(video)) if self._settings.live else iter([self._file(video)])
        for rows in parts:
            yield rows
            if target is not None:
                known += rows
        if target is not None:
            annotate(video.path, known, target, skip_bad=self._settings.skip_bad)

    def close(self) -> None:
        """Says what there is to say of a live source, line by line."""
        for line in [] if self._run is None else self._run.summary():
            print(f"vidseq: {line}", file=sys.stderr)

    def _camera(self, video: Source) -> Iterator[Prediction]:
        warm_up(self._model, self._backbone)
        with LiveReader(video.path, limits=self._settings.limits) as reader:
            recording = self._settings.targets.get(video)
            self._run = LiveRun(self._model, self._backbone, video.name, reader, self._settings.request, recording)
            yield from self._run

    def _stream(self, video: Source) -> Iterator[Prediction]:
        request = self._settings.request
        with (
            watched(),
            VideoReader(
                video.path, size=self._backbone.size, decoder=self._decoder, skip_bad=self._settings.skip_bad
            ) as reader,
        ):
            end = min(reader.info.duration_seconds, request.limit_seconds or math.inf)
            request.check_within(end)
            frames = _samples(reader, Fraction(self._fps), end)
            yield from stream_video(self._model, self._backbone, video.name, frames, request, end, sampled=True)

    def _file(self, video: Source) -> list[Prediction]:
        request = self._settings.request
        features, end = video_features(
            video.path,
            self._backbone,
            self._fps,
            decoder=self._decoder,
            limit_seconds=request.limit_seconds,
            skip_bad=self._settings.skip_bad,
        )
        if self._ensemble is not None:
            return label_video(self._ensemble, video.name, features, end, request.top)
        if self._listed is None:
            return predict_video(self._model, video.name, features, end, request)
        queries = self._listed.of(video.path, self._model, request.limit_seconds)
        return predict_video(self._model, self._listed.name(video.path), features, end, request, queries)


class LoadingError(Exception):
    """Carries what is wrong with a model or data set: no video could be read with it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class LazyReader:
    """Makes a `RowReader` when it is first called, in whichever process that is."""

    def __init__(self, settings: RowSettings) -> None:
        self._settings = settings
        self._reader: RowReader | None = None

    def __call__(self, video: Source | None) -> Iterator[Sequence[Prediction]]:
        """Yields the rows of a video; for None, there are none."""
        try:
            reader = self._reader = self._reader or RowReader(self._settings)
        except Exception as error:
            raise LoadingError(error) from error
        if video is not None:
            yield from reader(video)


class IsolatedReader:
    """Reads each video in another process: one that aborts the decoder or never ends fails alone.

    Args:
        settings: of `RowReader`, which is made there; what that raises is raised here.
        patience: seconds without progress of reading after which a video fails.
    """

    def __init__(self, settings: RowSettings, patience: float) -> None:
        self._isolated: Isolated[Source | None, Sequence[Prediction]] = Isolated(
            LazyReader(settings), fatal=(LoadingError,), patience=patience
        )
        try:
            list(self._isolated(str(settings.model), None))
        except BaseException as error:
            self.close()
            raise (error.error if isinstance(error, LoadingError) else error) from None

    def __call__(self, video: Source) -> Iterator[Sequence[Prediction]]:
        """Yields the rows of a video.

        Raises:
            VideoError: it failed, in any way.
        """
        yield from self._isolated(video.path, video)

    def close(self) -> None:
        """Ends the process."""
        self._isolated.end()


def annotate(path: str, rows: Sequence[Prediction], out: Path, *, skip_bad: bool = False) -> None:
    """Writes a video with its predictions drawn on it; rows of kinds that are not drawn are left out."""
    from vidseq.inference.overlay import DRAWN_KINDS, save_annotated_video  # draws with Pillow

    save_annotated_video(path, out, [row for row in rows if row.kind in DRAWN_KINDS], skip_bad=skip_bad)


def _samples(reader: VideoReader, fps: Fraction, end: float) -> Iterator[tuple[np.ndarray, float]]:
    """The samples that features are made of, one by one."""
    for frames in reader.sample(fps, end=end):
        yield from zip(frames.images, frames.pts_seconds.tolist())
