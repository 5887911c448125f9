"""What to ask of each video, and when."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from vidseq.data.schema import Query
from vidseq.data.visible import is_visible
from vidseq.errors import UserError
from vidseq.video.sampling import SAME_TIME_SECONDS

MIN_EVERY_SECONDS = 0.01
"""Seconds from one standing query to the next at least: far below what lies between two sampled frames."""


@dataclass(frozen=True, kw_only=True)
class PredictionRequest:
    """What to ask of each video, and when."""

    questions: tuple[str, ...] = ()
    at: tuple[float, ...] = ()
    """When each question is asked, seconds; one time for all of them, or none: at the end."""
    next_questions: tuple[str, ...] = ()
    """Whose next action is named; none: the standing question."""
    futures_at: tuple[float, ...] = ()
    """From when on what happens is foretold, seconds; none: from the end on."""
    every: float = 1.0
    """Seconds from one next action to the following one."""
    context_seconds: float | None = None
    """How much of the past is shown; None: all."""
    top: int = 5
    """How many answers are ranked."""
    limit_seconds: float | None = None
    """Only so much of each video is read."""

    def __post_init__(self) -> None:
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
        for option, asked, able in (
            ("--question", self.questions, ("question", "answer_words")),
            ("--next-question", self.next_questions, ("next_action",)),
            ("--futures-at", self.futures_at, ("action_sequence",)),
        ):
            if asked and not set(able) & set(tasks):
                wanted, got = " or ".join(able), ", ".join(tasks)
                raise UserError(f"{option} expects a model trained for {wanted}, got one for {got}.")

    def timed_questions(self) -> list[tuple[float, str]]:
        """The questions that have a time, with it, by time."""
        times = self.at * len(self.questions) if len(self.at) == 1 else self.at
        return sorted(zip(times, self.questions), key=lambda pair: pair[0])

    def queries(self, video: str, tasks: Iterable[str], first: float, end: float) -> list[Query]:
        """All that is asked of a video, by time.

        Args:
            video: its name.
            tasks: what the model does.
            first: time of the first frame.
            end: when the video ends.

        Raises:
            UserError: a time beyond the end, or something that the model was not trained for.
        """
        self.check_tasks(tasks)
        self.check_within(end)
        questions = self.timed_questions() if self.at else [(end, text) for text in self.questions]
        asked = [Query(video=video, time=time, kind="question", question=text, answer="") for time, text in questions]
        if "next_action" in tasks:
            asked += [
                Query(video=video, time=time, kind="next_action", question=text, answer="")
                for time, text in itertools.product(self.next_times(first, end), self.next_questions or (None,))
            ]
        return sorted(asked, key=lambda query: query.time)

    def next_times(self, first: float, end: float) -> list[float]:
        """When the next action is named: every so often after the first frame, at least once."""
        count = int((end - first + SAME_TIME_SECONDS) / self.every)
        return [min(first + self.every * (number + 1), end) for number in range(count)] or [end]

    def future_times(self, tasks: Iterable[str], end: float) -> list[float]:
        """From when on what happens is foretold, by time; never, where the model does not foretell."""
        return sorted(self.futures_at or (end,)) if "action_sequence" in tasks else []
