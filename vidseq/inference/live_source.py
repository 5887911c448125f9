"""Predicts on a camera or stream: each answer is about the newest picture, and is given when that has come."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.visible import is_visible
from vidseq.features.base import Backbone
from vidseq.inference.latency import Latencies
from vidseq.inference.live import Session
from vidseq.inference.predictions import Prediction
from vidseq.inference.request import PredictionRequest
from vidseq.inference.stream import Stream
from vidseq.model import VideoReasoner
from vidseq.video.live import Gap, LivePicture, LiveReader, SourceLostError
from vidseq.video.resizing import resize

if TYPE_CHECKING:
    from vidseq.inference.recording import LiveRecording

#: The kind of rows that say when no picture came.
GAP = "gap"
#: The shape of most pictures.
_USUAL_HEIGHT, _USUAL_WIDTH = 720, 1280
#: Moments without a picture of their own that are read at once.
_MAX_HELD = 64


def warm_up(model: VideoReasoner, backbone: Backbone) -> None:
    """Shows a model a black picture and forgets it: the first one takes seconds, in which a source would go unseen."""
    height, width = backbone.size.output(_USUAL_HEIGHT, _USUAL_WIDTH)
    Stream(model, backbone, sampled=True).push(np.zeros((1, height, width, 3), np.uint8), [0.0])


class LiveRun:
    """Reads a live source to its end; yields rows as they are known, and records what it reads.

    Args:
        model: a causal model, with a frame rate.
        backbone: the CNN of the model's features.
        video: the source's name in rows.
        reader: the open source.
        request: the queries. Each is asked when the first picture at or after its time has come, and its row has that
            picture's time.
        recording: file of an annotated recording; None: none is made.

    Raises:
        UserError: a request that cannot be streamed, or a name that no recording can have.
    """

    def __init__(
        self,
        model: VideoReasoner,
        backbone: Backbone,
        video: str,
        reader: LiveReader,
        request: PredictionRequest,
        recording: Path | None = None,
    ) -> None:
        self._session = _LiveSession(Stream(model, backbone, video=video, sampled=True), video, request)
        self._reader, self._request = reader, request
        self._fps = self._session.fps
        self._recording = None if recording is None else _record(recording)
        self.latencies = Latencies()
        """From a picture to each answer about it, on disk."""
        self.num_read = 0
        """Pictures that the model has read."""

    def __iter__(self) -> Iterator[Prediction]:
        """Yields rows; whoever takes a row has written it before taking the next.

        Raises:
            SourceLostError: the source was lost and did not come back; all rows have been yielded.
            VideoError: no picture ever came.
        """
        try:
            for picture in self._pictures():
                rows = []
                for row in self._session.show(picture):
                    yield row
                    rows.append(row)
                    if row.kind != GAP:
                        self.latencies.add(self._reader.clock.now() - picture.arrived)
                self.num_read += 1
                if self._recording is not None:
                    self._recording.add(picture, rows)
        except SourceLostError:
            yield from self._session.answer_at_end()
            raise
        finally:
            if self._recording is not None:
                self._recording.finish()
        yield from self._session.finish(self._session.last)

    def summary(self) -> list[str]:
        """What became of the pictures and how long answers took, in two or three sentences, each a line."""
        counts, gaps = self._reader.counts, self._reader.gaps
        lines = [f"{self._reader.name} ended: {self._reader.end_reason}."] if self._reader.end_reason else []
        lines.append(
            f"{counts.num_arrived} pictures came in {self._session.last:.1f} s, and the model read {self.num_read}, "
            f"at most {float(self._fps):g} a second. {counts.num_late} were dropped, because newer ones had come "
            "before the model was ready."
        )
        if len(self.latencies):
            lines.append(f"{len(self.latencies)} answers, from picture to answer: {self.latencies.summary()}.")
        if gaps:
            lines.append(f"Gaps: {len(gaps)}, {sum(gap.end - gap.start for gap in gaps):.1f} s in all.")
        return lines

    def _pictures(self) -> Iterator[LivePicture]:
        return self._reader.sample(self._fps, end=self._request.limit_seconds or math.inf)


class _LiveSession(Session):
    """One live stream and its remaining queries; answers see the picture that has just come."""

    def __init__(self, stream: Stream, video: str, request: PredictionRequest) -> None:
        super().__init__(stream, video, request)
        assert stream.model.config.fps is not None
        self.fps = Fraction(stream.model.config.fps)
        """Moments of sampling a second."""
        self._held: np.ndarray | None = None
        self._index = 0
        self.last = 0.0
        """Time of the newest picture, seconds."""

    def show(self, picture: LivePicture) -> Iterator[Prediction]:
        """Reads a picture; yields the gap before it, segments that have ended, and the answers that are due."""
        if picture.gap is not None:
            yield self._gap_row(picture.gap)
            self._held = None
        if self._stream.time is None:
            self._first = picture.pts_seconds
        self._read(picture)
        self.last = picture.pts_seconds
        yield from self.segments()
        while is_visible(min(self._timed_at, self._due), self.last):
            yield from self._answer_next(at=self.last)

    def answer_at_end(self) -> Iterator[Prediction]:
        """Answers what is asked at the end, where a stream ends too early for other queries."""
        self._timed.clear()
        yield from self.finish(self.last)

    def _read(self, picture: LivePicture) -> None:
        """Pushes a picture; moments that had none since the one before see that one, unless there was a gap."""
        assert self._stream.backbone is not None
        image = resize(picture.image[None], self._stream.backbone.size)[0]
        if self._held is not None:
            missing = np.arange(self._index + 1, picture.index)
            for start in range(0, len(missing), _MAX_HELD):
                times = missing[start : start + _MAX_HELD] / float(self.fps)
                self._stream.push(np.broadcast_to(self._held, (len(times), *image.shape)), times)
        self._stream.push(image[None], [picture.pts_seconds])
        self._held, self._index = image, picture.index

    def _gap_row(self, gap: Gap) -> Prediction:
        answer = f"no picture: {gap.reason}"
        return Prediction(video=self._video, time=gap.start, end=gap.end, kind=GAP, answer=answer, probability=1.0)


def _record(path: Path) -> "LiveRecording":
    from vidseq.inference.recording import LiveRecording  # draws with Pillow

    return LiveRecording(path)
