"""Answers questions from a record alone: what somebody who saw just these facts, and forgets nothing, would say.

It knows no world, only visible facts, so it proves what evidence is: blank the evidence and the answer goes, keep only
the evidence and it stays.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vidseq.classroom.ceiling import Past
from vidseq.classroom.record import Fact, Record

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Question:
    """A question without its words."""

    kind: str
    """One of `KINDS`."""
    subject: str
    """Who or what it is about: a shirt's colour, a zone, a toy, ..."""
    which: str = "last"
    """"first" or "last" of several, or the other of two subjects."""


def answer(record: Record, ask: Question, time: float, noise: float = 0.0) -> str:
    """Answers from what can be seen in a record up to a time.

    Args:
        record: all or a part of what could be seen.
        ask: the question.
        time: when it is asked, seconds; later facts do not count.
        noise: how often children do just anything, for next actions.

    Returns:
        the answer, or "unknown".
    """
    return KINDS[ask.kind](record.window(-1.0, time), ask, time, noise) or UNKNOWN


def _pick(facts: list[Fact], which: str) -> str | None:
    if not facts:
        return None
    return facts[0].value if which == "first" else facts[-1].value


def _color_now(record: Record, ask: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(ask.subject, "color", at=time)), "last")


def _color_then(record: Record, ask: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(ask.subject, "color")), ask.which)


def _doing(record: Record, ask: Question, time: float, noise: float) -> str | None:
    child = wearer(record, ask.subject, time)
    return None if child is None else _pick(list(record.find(child, "action", at=time)), "last")


def _name_of(record: Record, ask: Question, time: float, noise: float) -> str | None:
    child = wearer(record, ask.subject, time)
    return None if child is None else _pick(list(record.find(child, "name")), "last")


def _name_at(record: Record, ask: Question, time: float, noise: float) -> str | None:
    there = [fact.entity for fact in record.find(None, "zone", at=time) if fact.value == ask.subject]
    return _pick(list(record.find(there[0], "name")), "last") if len(there) == 1 else None


def _shown(record: Record, ask: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(None, ask.subject)), ask.which)


def _box_of(record: Record, ask: Question, time: float, noise: float) -> str | None:
    return _pick(list(record.find(ask.subject, "box")), ask.which)


def _times(record: Record, ask: Question, time: float, noise: float) -> str | None:
    return str(len(list(record.find(ask.subject, "signal"))))


def _first_hidden(record: Record, ask: Question, time: float, noise: float) -> str | None:
    return _first_of_two([_begins(record, toy, "box", None) for toy in (ask.subject, ask.which)], ask)


def _first_held(record: Record, ask: Question, time: float, noise: float) -> str | None:
    return _first_of_two([_begins(record, None, "holds", gift) for gift in (ask.subject, ask.which)], ask)


def _begins(record: Record, entity: str | None, attribute: str, value: str | None) -> float | None:
    return next((f.start for f in record.find(entity, attribute) if value in (None, f.value)), None)


def _first_of_two(begins: list[float | None], ask: Question) -> str | None:
    one, other = begins
    if one is None or other is None:
        return None
    return ask.subject if one < other else ask.which


def _holder(record: Record, ask: Question, time: float, noise: float) -> str | None:
    holds = [fact for fact in record.find(None, "holds") if fact.value == ask.subject]
    return _pick(list(record.find(holds[-1].entity, "name")), "last") if holds else None


def _next(record: Record, ask: Question, time: float, noise: float) -> str | None:
    child = wearer(record, ask.subject, time)
    forecast = {} if child is None else Past(record, noise).forecast(child, 0.0, time)
    best = max(forecast, key=lambda activity: forecast[activity], default=None)
    return best if best is not None and forecast[best] > 0.5 else None


def wearer(record: Record, shirt: str, time: float) -> str | None:
    """The child with a shirt of this colour at a time, if it can be seen; shirts are all different."""
    return next((f.entity for f in record.find(None, "shirt", at=time) if f.value == shirt), None)


#: How each kind of question is answered.
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
    "next": _next,
}
