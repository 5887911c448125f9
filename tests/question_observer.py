"""A slow, obvious observer that answers questions from the segments that it has seen."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vidseq.data.evidence import Interval
from vidseq.data.questions.ages import AgeRanges
from vidseq.data.schema import Segment


def seen_by(segments: Iterable[Segment], time: float) -> list[Segment]:
    """What is seen of segments up to a time; one that goes on then has no end yet."""
    return [replace(s, end=s.end if s.end <= time else float("inf")) for s in segments if s.start <= time]


def inside(facts: Sequence[Segment], intervals: Sequence[Interval], time: float) -> list[Segment]:
    """The facts that lie in the intervals; what goes on is seen in any interval that it overlaps."""
    return [fact for fact in facts if _is_inside(fact, intervals, time)]


def outside(facts: Sequence[Segment], intervals: Sequence[Interval], time: float) -> list[Segment]:
    """The other facts."""
    return [fact for fact in facts if not _is_inside(fact, intervals, time)]


def _is_inside(fact: Segment, intervals: Sequence[Interval], time: float) -> bool:
    if fact.end > time:
        return any(start < time and end > fact.start for start, end in intervals)
    return any(start <= fact.start and fact.end <= end for start, end in intervals)


def answer(family: str, subject: tuple[str, ...], facts: Sequence[Segment], time: float, ages: AgeRanges) -> str:
    """The answer from some facts; "unknown" where they do not give one."""
    ended = sorted((f for f in facts if f.end <= time), key=lambda f: f.end)
    going_on = [f for f in facts if f.end > time]
    of_subject = [f for f in ended if subject and f.label == subject[0]]
    if family == "done":
        return "yes" if of_subject else "no"
    if family == "count":
        return str(len(of_subject))
    if family == "ago":
        return _range(time - of_subject[-1].end, ages) if of_subject else "not yet"
    if family == "who_did":
        return of_subject[-1].track if of_subject else "not yet"
    if family in ("before", "after"):
        return _beside(family, of_subject[0], facts) if of_subject else "not yet"
    if family == "order":
        both = sorted((f for f in ended if f.label in subject), key=lambda f: f.start)
        return both[0].label if len({f.label for f in both}) == 2 else "unknown"
    if family == "who_does":
        return next((f.track for f in going_on if f.label == subject[0]), "unknown")
    if family == "now":
        return next((f.label for f in going_on if not subject or f.track == subject[0]), "unknown")
    ordered = ended if family == "last" else sorted(facts, key=lambda f: f.start)
    assert family in ("first", "last")
    return "unknown" if not ordered else ordered[0 if family == "first" else -1].label


def _beside(family: str, asked: Segment, facts: Sequence[Segment]) -> str:
    if family == "before":
        earlier = [f for f in facts if f.end <= asked.start]
        return max(earlier, key=lambda f: f.end).label if earlier else "unknown"
    later = [f for f in facts if f.start >= asked.end]
    return min(later, key=lambda f: f.start).label if later else "unknown"


def _range(age: float, ages: AgeRanges) -> str:
    answers = list(ages.answers)
    for edge in ages.edges:
        if age > edge:
            answers.pop(0)
    return answers[0]
