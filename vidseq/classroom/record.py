"""What can be seen in a video, fact by fact: what questions, evidence and ceilings are made from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, order=True)
class Fact:
    """Something that can be seen from `start` to `end` (seconds): an entity's attribute has a value."""

    start: float
    end: float
    entity: str
    """"child0", "teacher", "television", "chair", a toy, ..."""
    attribute: str
    """"action", "name", "card", "box", ..."""
    value: str


@dataclass(frozen=True)
class Record:
    """All that can be seen, as facts in order of time."""

    facts: tuple[Fact, ...]

    def window(self, start: float, end: float) -> "Record":
        """Keeps only what can be seen between two times.

        Args:
            start: seconds; facts that go on longer are cut there.
            end: seconds.
        """
        return self.only([(start, end)])

    def only(self, intervals: Iterable[tuple[float, float]]) -> "Record":
        """Keeps only what can be seen within the intervals (seconds), which must not overlap."""
        spans = list(intervals)
        kept = (piece for fact in self.facts for start, end in spans for piece in _cut(fact, start, end))
        return Record(tuple(sorted(kept)))

    def without(self, intervals: Iterable[tuple[float, float]]) -> "Record":
        """Blanks the intervals (seconds): nothing can be seen there."""
        facts: list[Fact] = list(self.facts)
        for start, end in intervals:
            facts = [p for fact in facts for p in (*_cut(fact, -1.0, start), *_cut(fact, end, float("inf")))]
        return Record(tuple(sorted(facts)))

    def find(self, entity: str | None, attribute: str, at: float | None = None) -> Iterator[Fact]:
        """Facts about an attribute in order of time.

        Args:
            entity: of this entity only, or of any.
            attribute: which attribute.
            at: only facts that can be seen at this time, seconds, or at any.
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


def merge(intervals: Iterable[tuple[float, float]], gap: float = 0.0) -> tuple[tuple[float, float], ...]:
    """Joins intervals (seconds) that overlap or lie no further apart than `gap`; the result is in order of time."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)
