"""Answers questions from a record: an ideal observer with perfect memory of the visible facts.

It uses only visible facts and not the world. So it proves the evidence: without the evidence the answer is lost, and
with the evidence only it stays.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vidseq.classroom.ceiling import ObservedHistory
from vidseq.classroom.record import Fact, Record

UNKNOWN = "unknown"

#: The largest answer to "how many times".
MAX_COUNT = 3


@dataclass(frozen=True)
class Question:
    """A question before it is put into words."""

    kind: str
    """One of `KINDS`."""
    subject: str
    """Subject: a shirt's colour, a zone, a toy, ..."""
    which: str = "last"
    """"first" or "last" of several, or the second of two subjects."""


def answer(record: Record, question: Question, time: float, noise: float = 0.0) -> str:
    """Answers from the visible facts of a record up to a time.

    Args:
        record: all visible facts or a part of them.
        question: the question.
        time: of the question, seconds; later facts do not count.
        noise: probability of a random next action.

    Returns:
        the answer, or "unknown".
    """
    return KINDS[question.kind](record.window(-1.0, time), question, time, noise) or UNKNOWN


def _pick(facts: list[Fact], which: str) -> str | None:
    if not facts:
        return None
    return facts[0].value if which == "first" else facts[-1].value


def _color_now(record: Record, question: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(question.subject, "color", at=time)), "last")


def _color_then(record: Record, question: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(question.subject, "color")), question.which)


def _doing(record: Record, question: Question, time: float, noise: float) -> str | None:
    child = wearer(record, question.subject, time)
    return None if child is None else _pick(list(record.find(child, "action", at=time)), "last")


def _name_of(record: Record, question: Question, time: float, noise: float) -> str | None:
    child = wearer(record, question.subject, time)
    return None if child is None else _pick(list(record.find(child, "name")), "last")


def _name_at(record: Record, question: Question, time: float, noise: float) -> str | None:
    there = [fact.entity for fact in record.find(None, "zone", at=time) if fact.value == question.subject]
    return _pick(list(record.find(there[0], "name")), "last") if len(there) == 1 else None


def _shown(record: Record, question: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(None, question.subject)), question.which)


def _box_of(record: Record, question: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(question.subject, "box")), question.which)


def _times(record: Record, question: Question, time: float, noise: float) -> str | None:
    return str(len(list(record.find(question.subject, "signal"))))


def _first_hidden(record: Record, question: Question, time: float, noise: float) -> str | None:
    return _first_of_two([_begins(record, toy, "box", None) for toy in (question.subject, question.which)], question)


def _first_held(record: Record, question: Question, time: float, noise: float) -> str | None:
    return _first_of_two(
        [_begins(record, None, "holds", gift) for gift in (question.subject, question.which)], question
    )


def _begins(record: Record, entity: str | None, attribute: str, value: str | None) -> float | None:
    return next((f.start for f in record.find(entity, attribute) if value in (None, f.value)), None)


def _first_of_two(begins: list[float | None], question: Question) -> str | None:
    one, other = begins
    if one is None or other is None:
        return None
    return question.subject if one < other else question.which


def _holder(record: Record, question: Question, time: float, noise: float) -> str | None:
    holds = [fact for fact in record.find(None, "holds") if fact.value == question.subject]
    return _pick(list(record.find(holds[-1].entity, "name")), "last") if holds else None


def _holding(record: Record, question: Question, time: float, noise: float) -> str | None:
    child = wearer(record, question.subject, time)
    return None if child is None else _pick(list(record.find(child, "holds", at=time)), "last")


def _held_by(record: Record, question: Question, time: float, noise: float) -> str | None:
    holds = [fact for fact in record.find(None, "holds") if fact.value == question.subject]
    return _pick(list(record.find(holds[-1].entity, "shirt")), "last") if holds else None


def _held(record: Record, question: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(None, "holds")), question.which)


def _put_away(record: Record, question: Question, time: float, noise: float) -> str | None:
    boxed = list(record.find(None, "box"))
    return None if not boxed else boxed[0 if question.which == "first" else -1].entity


def _next(record: Record, question: Question, time: float, noise: float) -> str | None:
    child = wearer(record, question.subject, time)
    return None if child is None else ObservedHistory(record, noise).likeliest(child, 0.0, time)


def wearer(record: Record, shirt: str, time: float) -> str | None:
    """Returns the visible child with a shirt of this colour at a time, or None; shirts are all different."""
    return next((f.entity for f in record.find(None, "shirt", at=time) if f.value == shirt), None)


#: The function that answers each kind of question.
KINDS: dict[str, Callable[[Record, Question, float, float], str | None]] = {
    "color_now": _color_now,
    "color_then": _color_then,
    "doing": _doing,
    "name_of": _name_of,
    "name_at": _name_at,
    "shown": _shown,
    "box_of": _box_of,
    "times": _times,
    "first_hidden": _first_hidden,
    "first_held": _first_held,
    "holder": _holder,
    "holding": _holding,
    "held_by": _held_by,
    "held": _held,
    "put_away": _put_away,
    "next": _next,
}
