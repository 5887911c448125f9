"""What to ask of each video, and when."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from vidseq.data.fields import Row
from vidseq.data.schema import Query
from vidseq.data.visible import is_visible
from vidseq.errors import DataError, UserError
from vidseq.tasks import TASKS, DenseTask, Task, of_family
from vidseq.video.sampling import count_intervals

MIN_EVERY_SECONDS = 0.01
"""Seconds from one standing query to the next at least: far below what lies between two sampled frames."""

#: The fields of a request that ask tasks, in the order in which queries at one time are answered.
_FIELDS = ("questions", "every", "next_questions", "futures_at")


def _text(option: str, text: str) -> str:
    """A question in its one form.

    Raises:
        UserError: it is empty, or has control characters.
    """
    try:
        return Row(option, {option: text}).name(option)
    except DataError:
        raise UserError(f"{option} expects a text without control characters, got {text!r}.") from None


@dataclass(frozen=True)
class Agenda:
    """The queries of one task in a request: texts with times. None stands for a query without a text."""

    task: str
    """The name of the task."""
    kind: str
    """The kind of its queries."""
    standing: tuple[str | None, ...] = ()
    """Texts that are asked at a regular interval."""
    timed: tuple[tuple[float, str | None], ...] = ()
    """Texts with their own query times, by time."""
    at_end: tuple[str | None, ...] = ()
    """Texts that are asked at the end of the video."""
    looks_ahead: bool = False
    """Whether the answers forecast the future."""

    def query(self, video: str, time: float, text: str | None) -> Query:
        """The query of a text at a time."""
        return Query(video=video, time=time, kind=self.kind, question=text, answer="")


@dataclass(frozen=True, kw_only=True)
class PredictionRequest:
    """The queries for each video with their times. `Task.asked_with` names the field of a task."""

    questions: tuple[str, ...] = ()
    at: tuple[float, ...] = ()
    """Time of each question in seconds, or one time for all questions. Empty: the end of the video."""
    next_questions: tuple[str, ...] = ()
    """Texts of the next-action queries, asked at regular intervals. Empty: one query without a text, if the model has
    learnt such queries."""
    futures_at: tuple[float, ...] = ()
    """Times after which the future is forecast, in seconds. Empty: the end of the video."""
    every: float = 1.0
    """Interval of the regular queries in seconds."""
    context_seconds: float | None = None
    """Length of the visible past in seconds; None: all of it."""
    top: int = 5
    """Number of answers in a ranking."""
    limit_seconds: float | None = None
    """Length of each video that is read, in seconds; None: all of it."""

    def __post_init__(self) -> None:
        for option, field in (("--question", "questions"), ("--next-question", "next_questions")):
            # the form in which data sets are read, so that a model sees the words that it learnt
            object.__setattr__(self, field, tuple(_text(option, text) for text in getattr(self, field)))
        if self.at and not self.questions:
            raise UserError("--at expects a --question to ask then, got none.")
        if len(self.at) not in (0, 1, len(self.questions)):
            raise UserError(
                f"--at expects one time for all {len(self.questions)} questions or one for each, got {len(self.at)}."
            )
        for name in ("every", "context_seconds", "limit_seconds", "top"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"--{name.removesuffix('_seconds')} expects more than 0, got {value}.")
        if self.every < MIN_EVERY_SECONDS:
            raise UserError(f"--every expects at least {MIN_EVERY_SECONDS} s, got {self.every}.")
        for option, times in self._times():
            if any(time < 0 for time in times):
                raise UserError(f"{option} expects times from 0 s on, got {min(times)}.")

    def check_within(self, end: float) -> None:
        """Refuses times beyond the end of a video.

        Raises:
            UserError: there is one.
        """
        for option, times in self._times():
            late = [time for time in times if not is_visible(time, end)]
            if late:
                raise UserError(
                    f"{option} expects times within the video, which ends at {end:.3f} s, got {late[0]:g} s."
                )

    def _times(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        return ("--at", self.at), ("--futures-at", self.futures_at)

    def check_tasks(self, tasks: Iterable[str]) -> None:
        """Refuses to ask a model for what it was not trained for.

        Raises:
            UserError: it would have to.
        """
        for option, field in (
            ("--question", "questions"),
            ("--next-question", "next_questions"),
            ("--futures-at", "futures_at"),
        ):
            able = [name for name, task in TASKS.items() if task.asked_with == field]
            if getattr(self, field) and not set(able) & set(tasks):
                wanted, got = " or ".join(able), ", ".join(tasks)
                raise UserError(f"{option} expects a model trained for {wanted}, got one for {got}.")

    def check_asked(self, tasks: Iterable[Task]) -> None:
        """Refuses to read a video without anything to say about it.

        Raises:
            UserError: the tasks need a text for each query, and there is none.
        """
        tasks = list(tasks)
        silent = not any(agenda.standing or agenda.timed or agenda.at_end for agenda in self.agendas(tasks))
        if silent and not of_family(tasks, DenseTask):
            raise UserError(
                "Predicting expects a question, for this model learnt from questions alone, got none. Add "
                "--question, --next-question with whose next action is wanted, or --data to ask a data set's own."
            )

    def agendas(self, tasks: Iterable[Task]) -> list[Agenda]:
        """What is asked of each task; of two that answer one kind of query, the first is asked."""
        first: dict[str, Task] = {}
        for task in tasks:
            if task.asked_with is not None:
                first.setdefault(task.query_kind, task)
        return [self._agenda(task) for field in _FIELDS for task in first.values() if task.asked_with == field]

    def _agenda(self, task: Task) -> Agenda:
        if task.asked_with == "questions":
            at_end = () if self.at else self.questions
            return Agenda(task.name, task.query_kind, timed=self._timed_questions(), at_end=at_end)
        if task.asked_with == "next_questions":
            without_text = () if task.asked_in_words else (None,)
            return Agenda(task.name, task.query_kind, standing=self.next_questions or without_text)
        if task.asked_with == "futures_at":
            timed = tuple((time, None) for time in sorted(self.futures_at))
            return Agenda(task.name, task.query_kind, looks_ahead=True, timed=timed, at_end=() if timed else (None,))
        return Agenda(task.name, task.query_kind, standing=(None,))

    def _timed_questions(self) -> tuple[tuple[float, str | None], ...]:
        times = self.at * len(self.questions) if len(self.at) == 1 else self.at
        return tuple(sorted(zip(times, self.questions), key=lambda pair: pair[0]))

    def queries(self, video: str, tasks: Iterable[Task], first: float, end: float) -> list[tuple[str, Query]]:
        """All that is asked of a video, each query with the name of the task that answers it.

        Args:
            video: its name.
            tasks: those that can be asked.
            first: time of the first frame.
            end: when the video ends.

        Returns:
            by time; queries about the future are last.

        Raises:
            UserError: a time beyond the end.
        """
        self.check_within(end)
        times = self._standing_times(first, end)
        asked: list[tuple[Agenda, Query]] = []
        for agenda in self.agendas(tasks):
            texts = [
                *itertools.product(times, agenda.standing),
                *agenda.timed,
                *((end, text) for text in agenda.at_end),
            ]
            asked += [(agenda, agenda.query(video, time, text)) for time, text in texts]
        asked.sort(key=lambda pair: (pair[0].looks_ahead, pair[1].time))
        return [(agenda.task, query) for agenda, query in asked]

    def _standing_times(self, first: float, end: float) -> list[float]:
        """Times of the regular queries: one interval apart after the first frame, at least one."""
        count = count_intervals(first, end, self.every)
        return [min(first + self.every * (index + 1), end) for index in range(count)] or [end]
