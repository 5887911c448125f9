"""The visible facts of a video, from which questions, evidence and ceilings are made."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, order=True)
class Fact:
    """A visible fact from `start` to `end` (seconds): an entity's attribute has a value."""

    start: float
    end: float
    entity: str
    """"child0", "teacher", "television", "chair", a toy, ..."""
    attribute: str
    """"action", "name", "card", "box", ..."""
    value: str


@dataclass(frozen=True)
class Record:
    """All visible facts in order of time."""

    facts: tuple[Fact, ...]

    def window(self, start: float, end: float) -> "Record":
        """Keeps only the facts that are visible between two times.

        Args:
            start: seconds; longer facts are cut there.
            end: seconds; longer facts are cut there.
        """
        return self.only([(start, end)])

    def only(self, intervals: Iterable[tuple[float, float]]) -> "Record":
        """Keeps only the facts within the intervals (seconds), which must not overlap."""
        spans = list(intervals)
        kept = (piece for fact in self.facts for start, end in spans for piece in _cut(fact, start, end))
        return Record(tuple(sorted(kept)))

    def without(self, intervals: Iterable[tuple[float, float]]) -> "Record":
        """Blanks the intervals (seconds): no fact is visible there."""
        facts: list[Fact] = list(self.facts)
        for start, end in intervals:
            facts = [p for fact in facts for p in (*_cut(fact, -1.0, start), *_cut(fact, end, float("inf")))]
        return Record(tuple(sorted(facts)))

    def find(self, entity: str | None, attribute: str, at: float | None = None) -> Iterator[Fact]:
        """Yields the facts about an attribute in order of time.

        Args:
            entity: of this entity, or None for all.
            attribute: name of the attribute.
            at: only facts visible at this time, seconds; None: all.
        """
        for fact in self.facts:
            now = at is None or fact.start <= at <= fact.end
            if now and fact.attribute == attribute and entity in (None, fact.entity):
                yield fact


def _cut(fact: Fact, start: float, end: float) -> Iterator[Fact]:
    if fact.start >= start and fact.end <= end:
        yield fact
    elif fact.end > start and fact.start < end:
        yield replace(fact, start=max(fact.start, start), end=min(fact.end, end))
