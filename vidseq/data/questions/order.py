"""Families about the order of the past: what was first, last, before and after; which of two was first."""

from collections.abc import Iterable, Sequence
from itertools import combinations

from vidseq.data.questions.ages import AgeRanges
from vidseq.data.questions.family import NOT_DONE, NOT_YET, Draft, Family, Subject, draft_or_none, labels_in_video
from vidseq.data.questions.moment import MARGIN_SECONDS, Moment
from vidseq.data.questions.past import latest, span
from vidseq.data.schema import Segment


def _anything(moment: Moment) -> Iterable[Subject]:
    return ((),) if len(moment.done) > 1 else ()


def _pairs(moment: Moment) -> Iterable[Subject]:
    return combinations(sorted(moment.done_labels), 2)


def _first(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers what was started first, once it has been done."""
    first, *others = moment.actions.segments
    later = [other for other in others if other.end > first.end]
    next_seen = min((max(other.start, first.end) for other in later), default=first.end)
    if first.start == others[0].start or first.end > moment.done[-1].end:
        return None
    if any(other.label == first.label and max(other.start, first.end) == next_seen for other in later):
        return None  # without the first, the answer would be the same
    return draft_or_none(first.label, moment.done_labels, (span(first),))


def _last(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers what was finished last; what is going on does not count."""
    *others, last = moment.done
    before = next((other for other in others[::-1] if other.start < last.start), None)
    unclear = any(segment.end < moment.time + MARGIN_SECONDS for segment in moment.around())
    if unclear or others[-1].end == last.end:
        return None
    if before is not None and before.label == last.label:
        return None  # without the last, the answer would be the same
    return draft_or_none(last.label, moment.done_labels, (span(last),))


def _before(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers what was done just before an action that has been done once."""
    return _beside(moment, *subject, earlier=True)


def _after(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers what was done just after an action that has been done once, when that has been done, too."""
    return _beside(moment, *subject, earlier=False)


def _beside(moment: Moment, label: str, *, earlier: bool) -> Draft | None:
    done = moment.done_of(label)
    if done is None or len(done) > 1:
        return None
    if not done:
        return draft_or_none(NOT_YET, moment.done_labels, tier=NOT_DONE)
    (asked,) = done
    others = [segment for segment in moment.actions.segments if segment is not asked]
    beside = _predecessor(asked, others) if earlier else _successor(asked, others)
    if beside is None or beside.end > moment.time - MARGIN_SECONDS:
        return None
    wrong = (moment.done_labels - {label}) | {NOT_YET}
    return draft_or_none(beside.label, wrong, tuple(sorted((span(beside), span(asked)))))


def _predecessor(asked: Segment, others: Sequence[Segment]) -> Segment | None:
    """Returns the segment that ended last when another started; None if one was going on, or two ended together."""
    if any(other.start <= asked.start < other.end for other in others):
        return None
    return latest([other for other in others if other.end <= asked.start])


def _successor(asked: Segment, others: Sequence[Segment]) -> Segment | None:
    """Returns the segment that started first after another ended; None if one was going on, or two started at once."""
    if any(other.start < asked.end <= other.end for other in others):
        return None
    following = [other for other in others if other.start >= asked.end]
    if not following or (len(following) > 1 and following[0].start == following[1].start):
        return None
    return following[0]


def _order(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers which of two actions was done first; each has been done once, one after the other."""
    done = [moment.done_of(label) for label in subject]
    if any(segments is None or len(segments) != 1 for segments in done):
        return None
    first, second = sorted((segments[0] for segments in done if segments), key=lambda segment: segment.start)
    if second.start < first.end:
        return None
    return draft_or_none(first.label, [second.label], (span(first), span(second)))


ORDER_FAMILIES = (
    Family("first", _anything, _first, "videos that start with different actions and do the same later"),
    Family("last", _anything, _last, "videos that do the same after different actions"),
    Family("before", labels_in_video, _before, "an action that is done after different actions", not_done_share=0.2),
    Family("after", labels_in_video, _after, "an action that is done before different actions", not_done_share=0.2),
    Family("order", _pairs, _order, "two actions that are done in either order"),
)
