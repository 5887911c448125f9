"""Predicting while frames come, in constant memory."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from vidseq.data.visible import is_visible
from vidseq.errors import UserError
from vidseq.features.base import Backbone
from vidseq.inference.predictions import Prediction
from vidseq.inference.request import PredictionRequest
from vidseq.inference.stream import Answer, Stream
from vidseq.model import VideoReasoner
from vidseq.tasks.future import NUM_FUTURES, future_rows


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
    """Answers while the frames come.

    Args:
        model: a causal one.
        backbone: the CNN that it wants.
        video: name for the rows.
        frames: (RGB image, pts_seconds), in order.
        request: what to ask; questions without a time are asked at the end.
        end: when the video ends, where that is known.
        sampled: see `Stream`.

    Yields:
        each row as soon as it is known.

    Raises:
        UserError: no frame came, a question's time lies beyond the end, or a request that cannot be streamed.
    """
    session = _Session(Stream(model, backbone, video=video, sampled=sampled), video, request)
    last = None
    for image, pts_seconds in frames:
        if pts_seconds > (request.limit_seconds or math.inf):
            break
        if last is not None:
            yield from session.answer_before(pts_seconds)
        session.push(image, pts_seconds)
        last = pts_seconds
    if last is None:
        raise UserError(f"'{video}' expects at least one frame, got none.")
    yield from session.finish(end if math.isfinite(end) else last)


class _Session:
    """One stream and what is still to be asked of it; what has a time but no question is a future."""

    def __init__(self, stream: Stream, video: str, request: PredictionRequest) -> None:
        if request.context_seconds is not None:
            raise UserError("--stream reads all of the past, so it expects no --context. Leave one of them out.")
        tasks = stream.model.tasks
        request.check_tasks(tasks)
        self._stream = stream
        self._video = video
        self._request = request
        self._labels = "frame_labels" in tasks
        self._next_questions = (request.next_questions or (None,)) if "next_action" in tasks else ()
        self._foretells = "action_sequence" in tasks
        self._timed: list[tuple[float, str | None]] = sorted(
            [*request.timed_questions(), *((time, None) for time in request.futures_at)], key=lambda timed: timed[0]
        )
        self._first = math.inf
        self._num_standing = 0

    def push(self, image: np.ndarray, pts_seconds: float) -> None:
        """Shows the next frame; the first one starts the clock of the standing queries."""
        if self._stream.time is None and (self._labels or self._next_questions):
            self._first = pts_seconds
        self._stream.push(image[None], [pts_seconds])

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
        for text in () if self._request.at else self._request.questions:
            yield self._question(text, end)
        if self._foretells and not self._request.futures_at:
            yield from self._futures(end)

    @property
    def _timed_at(self) -> float:
        """When the next query with a time of its own is asked."""
        return self._timed[0][0] if self._timed else math.inf

    @property
    def _due(self) -> float:
        """When the standing queries are asked next."""
        return self._first + self._request.every * (self._num_standing + 1)

    def _answer_next(self, end: float = math.inf) -> Iterator[Prediction]:
        if self._timed_at <= self._due:
            at, text = self._timed.pop(0)
            yield from self._futures(at) if text is None else [self._question(text, at)]
        else:
            yield from self._standing(min(self._due, end))
            self._num_standing += 1

    def _question(self, text: str, time: float) -> Prediction:
        return self._row(time, "question", text, self._stream.ask(text, at=time))

    def _futures(self, time: float) -> list[Prediction]:
        drawn = self._stream.futures(at=time, num_futures=NUM_FUTURES)
        return future_rows(self._video, time, self._stream.likeliest_future(at=time), drawn, self._request.top)

    def _standing(self, time: float) -> Iterator[Prediction]:
        if self._labels:
            yield self._row(time, "frame_labels", None, self._stream.current_action(at=time))
        for text in self._next_questions:
            yield self._row(time, "next_action", text, self._stream.next_action(text, at=time))

    def _row(self, time: float, kind: str, question: str | None, answer: Answer) -> Prediction:
        return Prediction(
            video=self._video,
            time=time,
            kind=kind,
            question=question,
            answer=answer.answer,
            probability=answer.probability,
            ranking=answer.ranking[: self._request.top],
        )
