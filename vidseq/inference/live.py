"""Predicts while frames come, in constant memory."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from vidseq.data.visible import is_visible
from vidseq.errors import UserError
from vidseq.features.base import Backbone
from vidseq.inference.predictions import Prediction
from vidseq.inference.request import Agenda, PredictionRequest
from vidseq.inference.stream import Stream
from vidseq.model import VideoReasoner
from vidseq.video.sampling import count_intervals


def stream_video(
    model: VideoReasoner,
    backbone: Backbone,
    video: str,
    frames: Iterable[tuple[np.ndarray, float]],
    request: PredictionRequest,
    end: float = math.inf,
    *,
    sampled: bool = False,
) -> Iterator[Prediction]:
    """Answers queries while the frames come.

    Args:
        model: a causal model.
        backbone: the CNN of the model's features.
        video: the video's name in the rows.
        frames: pairs (RGB image, pts_seconds), in order.
        request: the queries; questions without a time are asked at the end.
        end: end of the video in seconds; infinity if it is not known.
        sampled: see `Stream`.

    Yields:
        each row as soon as it is known.

    Raises:
        UserError: no frame came, a question's time lies beyond the end, or a request that cannot be streamed.
    """
    session = Session(Stream(model, backbone, video=video, sampled=sampled), video, request)
    last = None
    for image, pts_seconds in frames:
        if pts_seconds > (request.limit_seconds or math.inf):
            break
        if last is not None:
            yield from session.answer_before(pts_seconds)
        session.push(image, pts_seconds)
        yield from session.segments()
        last = pts_seconds
    if last is None:
        raise UserError(f"'{video}' expects at least one frame, got none.")
    yield from session.finish(end if math.isfinite(end) else last)


class Session:
    """One stream and its remaining queries."""

    def __init__(self, stream: Stream, video: str, request: PredictionRequest) -> None:
        if request.context_seconds is not None:
            raise UserError("--stream reads all of the past, so it expects no --context. Leave one of them out.")
        tasks = stream.model.tasks
        request.check_tasks(tasks)
        self._stream = stream
        self._video = video
        self._request = request
        agendas = request.agendas(map(stream.model.find_task, tasks))
        self._standing = [(agenda, text) for agenda in agendas for text in agenda.standing]
        self._timed = [(time, agenda, text) for agenda in agendas for time, text in agenda.timed]
        self._timed.sort(key=lambda timed: timed[0])
        self._at_end = [(agenda, text) for agenda in agendas for text in agenda.at_end]
        self._first = math.inf
        self._num_standing = 0

    def push(self, image: np.ndarray, pts_seconds: float) -> None:
        """Shows the next frame; the first one starts the clock of the standing queries."""
        if self._stream.time is None and self._standing:
            self._first = pts_seconds
        self._stream.push(image[None], [pts_seconds])

    def segments(self, end: float | None = None) -> list[Prediction]:
        """The labelled segments that have ended since the last call; at the end of the video those that go on, too."""
        return self._stream.take_segments(end=end, top=self._request.top)

    def answer_before(self, pts_seconds: float) -> Iterator[Prediction]:
        """Answers the queries that do not see a frame at `pts_seconds`."""
        while not is_visible(pts_seconds, min(self._timed_at, self._due)):
            yield from self._answer_next()

    def finish(self, end: float) -> Iterator[Prediction]:
        """Answers what is left when the video has ended."""
        while is_visible(min(self._timed_at, self._due), end):
            yield from self._answer_next(end)
        if self._timed:
            self._request.check_within(end)
        for agenda, text in self._at_end:
            yield from self._answer(agenda, end, text)
        yield from self.segments(end)

    @property
    def _timed_at(self) -> float:
        """When the next query with a time of its own is asked."""
        return self._timed[0][0] if self._timed else math.inf

    @property
    def _due(self) -> float:
        """When the standing queries are asked next."""
        return self._first + self._request.every * (self._num_standing + 1)

    def _answer_next(self, end: float = math.inf, at: float | None = None) -> Iterator[Prediction]:
        """Answers what is due next, at its own time, or at another, later one; `end` is the last there is."""
        if self._timed_at <= self._due:
            time, agenda, text = self._timed.pop(0)
            yield from self._answer(agenda, time if at is None else at, text)
            return
        for agenda, text in self._standing:
            yield from self._answer(agenda, min(self._due, end) if at is None else at, text)
        passed = 0 if at is None else count_intervals(self._first, at, self._request.every)
        self._num_standing = max(self._num_standing + 1, passed)

    def _answer(self, agenda: Agenda, time: float, text: str | None) -> list[Prediction]:
        return self._stream.predict(agenda.task, agenda.query(self._video, time, text), top=self._request.top)
