"""Asks models about a video at a time, with all of the past or with less of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.app.models import AppModel
from vidseq.app.videos import AppVideo
from vidseq.data.fields import Row
from vidseq.data.schema import Query
from vidseq.data.visible import count_visible
from vidseq.errors import DataError, UserError
from vidseq.inference.predictor import ProjectedClip
from vidseq.language.vocabulary import UNKNOWN, split_words
from vidseq.language.written import Written
from vidseq.tasks.prediction import Ranking

#: How many answers are ranked.
RANKED = 5
#: Most letters of a question.
MAX_LETTERS = 300


@dataclass(frozen=True)
class Asked:
    """What a user asks."""

    kind: str
    """One of the kinds that `AppModel.asked` names."""
    question: str | None
    time: float
    """Seconds into the video."""

    def query(self, model: AppModel, video: str = "") -> Query:
        """The query for a model.

        Raises:
            UserError: the model was not trained for it, or it needs a text and there is none.
        """
        if self.kind not in model.asked:
            raise UserError(f"{model.name} expects {' or '.join(model.asked) or 'no queries'}, got {self.kind!r}.")
        if self.question is None and model.asked[self.kind]:
            raise UserError(f"{model.name} expects a question in words, got none. Write one.")
        return Query(video=video, time=self.time, kind=self.kind, question=self.question, answer="")


def read_asked(values: object, end: float) -> Asked:
    """Reads what a user asks.

    Args:
        values: what the page sent: "kind", "text" and "time".
        end: when the video ends, in seconds.

    Raises:
        UserError: something is missing, of another kind or out of range.
    """
    if not isinstance(values, dict):
        raise UserError("Asking expects an object with kind, text and time, got something else.")
    kind, written, time = values.get("kind"), values.get("text"), values.get("time")
    if not isinstance(kind, str):
        raise UserError("Asking expects a kind of query, got none.")
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time <= end + 1:
        raise UserError(f"Asking expects a time from 0 to {end:.1f} s, got {time!r:.40}.")
    if written is not None and not isinstance(written, str):
        raise UserError("Asking expects a question as text, got something else.")
    text = None if written is None or not written.strip() else clean_question(written)
    return Asked(kind, text, min(float(time), end))


def clean_question(text: str) -> str:
    """A question in the form in which data sets are read, so that a model sees the words that it learnt.

    Raises:
        UserError: it is too long, or has control characters.
    """
    if len(text) > MAX_LETTERS:
        raise UserError(f"A question expects at most {MAX_LETTERS} letters, got {len(text)}.")
    try:
        return Row("text", {"text": text}).name("text")
    except DataError:
        raise UserError("A question expects a text without control characters, got some.") from None


def unknown_words(model: AppModel, question: str | None) -> list[str]:
    """The words of a question that a model has never seen; marks are left out."""
    words = split_words(question or "")
    ids = model.model.vocabulary.encode(question)
    return list(dict.fromkeys(word for word, id in zip(words, ids) if id == UNKNOWN and word[0].isalnum()))


@dataclass(frozen=True)
class Reply:
    """A model's answer from a part of the past."""

    ranking: Ranking
    """The most probable answers, best first."""
    frames: int
    """Samples that it saw."""
    seconds: float
    """How far back they reach from the time of the question."""


def ask(model: AppModel, video: AppVideo, asked: Asked, lengths: Sequence[int] | None = None) -> list[Reply]:
    """Asks a model about a video.

    Args:
        model: which.
        video: its features are known.
        asked: what, and when.
        lengths: how many of the newest samples it sees, an answer each; None: one answer, from all of them.

    Returns:
        as many replies.

    Raises:
        UserError: the model was not trained for it, or the time is before the first sample.
    """
    query, times = asked.query(model, video.name), video.features_for(model).pts_seconds
    seen = count_seen(times, asked.time)
    x = video.projected_for(model)
    spans = [min(length, seen) for length in (lengths or [seen])]
    clips = [ProjectedClip(video.name, x[seen - span : seen], [(span, query)]) for span in spans]
    with model.turn:
        answers = model.predictor.answer_clips(clips)
    classes = model.predictor.classes(model.predictor.task_for(asked.kind))
    return [
        Reply(ranked(answer, classes), span, asked.time - float(times[seen - span]))
        for (answer,), span in zip(answers, spans)
    ]


def count_seen(times: np.ndarray, time: float) -> int:
    """How many samples a question at a time sees, at least one.

    Raises:
        UserError: it sees none.
    """
    seen = count_visible(times, time)
    if not seen:
        first = f"{times[0]:.2f} s" if len(times) else "never"
        raise UserError(f"A question expects a time at or after the first sample ({first}), got {time:.2f} s.")
    return seen


def context_lengths(seen: int) -> list[int]:
    """The lengths of the past that the slider has: 1, 2, 4, 8, ... samples, and all."""
    return [*(2**power for power in range(max(1, seen - 1).bit_length()) if 2**power < seen), seen]


def ranked(answer: np.ndarray | Written, classes: Sequence[str]) -> Ranking:
    """The most probable answers of log-probabilities (C,), or of an answer in words."""
    if isinstance(answer, Written):
        return tuple((text, min(1.0, math.exp(value))) for text, value in answer.ranking[:RANKED])
    order = np.argsort(-answer, kind="stable")[:RANKED]
    return tuple((classes[index], float(np.exp(answer[index]))) for index in order)
